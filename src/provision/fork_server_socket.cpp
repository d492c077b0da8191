#include "provision/fork_server_socket.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "protocol/json.hpp"

namespace perijove {
namespace {

constexpr std::size_t kPacketBytesMax = std::size_t{1} << 20;
constexpr std::size_t kDescriptorsMax = 32;

}  // namespace

ForkServerSocket::ForkServerSocket(Shard& shard, Events events)
    : shard_(shard), socket_(shard.loop()), events_(std::move(events)) {}

std::shared_ptr<ForkServerSocket> ForkServerSocket::open(Shard& shard, FileDescriptor socket,
                                                         Events events) {
  std::shared_ptr<ForkServerSocket> made(new ForkServerSocket(shard, std::move(events)));
  made->socket_.assign(socket.release());
  made->wait();
  return made;
}

void ForkServerSocket::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void ForkServerSocket::wait() {
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [weak = weak_from_this()](const boost::system::error_code& error) {
                       const auto self = weak.lock();
                       if (!error && self) self->read_packets();
                     });
}

void ForkServerSocket::read_packets() {
  auto& buffer = shard_.scratch();
  while (socket_.is_open()) {
    const ssize_t got = recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      wait();
      return;
    }
    if (got <= 0) {
      close();
      events_.on_closed();
      return;
    }
    const auto packet = parse_json(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    if (!packet || !packet->is_object()) {
      close();
      events_.on_nonsense("it says what is no JSON object");
      return;
    }
    events_.on_packet(*packet);
  }
}

Result<void> ForkServerSocket::send(const nlohmann::json& packet,
                                    const std::vector<int>& descriptors) {
  const std::string text = dump_json(packet);
  if (text.size() > kPacketBytesMax) {
    return Error{Code::resource_exhausted, "its environment is longer than 1 MiB"};
  }
  if (descriptors.size() > kDescriptorsMax) {
    return Error{Code::resource_exhausted, "its sandbox has too many parts"};
  }
  iovec bytes{const_cast<char*>(text.data()), text.size()};
  const std::size_t descriptor_bytes = descriptors.size() * sizeof descriptors[0];
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kDescriptorsMax * sizeof(int))> ancillary{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = ancillary.data();
    message.msg_controllen = CMSG_SPACE(descriptor_bytes);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptor_bytes);
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptor_bytes);
  }
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent == static_cast<ssize_t>(text.size())) return {};
  return Error{Code::unavailable, std::string("it takes no request: ") + std::strerror(errno)};
}

}  // namespace perijove
