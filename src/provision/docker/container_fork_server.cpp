#include "provision/docker/container_fork_server.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "io/endpoints.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::docker {
namespace {

using nlohmann::json;

std::int64_t number_in(const json& packet, const char* name) {
  const auto found = packet.find(name);
  return found != packet.end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
}

}  // namespace

Result<std::shared_ptr<ContainerForkServer>> ContainerForkServer::connect(Shard& shard,
                                                                          const std::string& path,
                                                                          uid_t owner,
                                                                          Events events) {
  const auto pinned = pin_socket(path, owner);
  if (!pinned) return pinned.error();
  std::shared_ptr<ContainerForkServer> none;
  if (!*pinned) return none;
  FileDescriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string place = "/proc/self/fd/" + std::to_string(pinned->get());
  std::memcpy(address.sun_path, place.c_str(), place.size() + 1);
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ECONNREFUSED) return none;  // it is bound, and about to listen
    return Error{Code::unavailable, "cannot connect to " + path + ": " + std::strerror(errno)};
  }
  std::shared_ptr<ContainerForkServer> made(new ContainerForkServer(std::move(events)));
  const std::weak_ptr<ContainerForkServer> weak = made;
  made->socket_ = ForkServerSocket::open(shard, std::move(socket),
                                         {.on_packet =
                                              [weak](const json& packet) {
                                                if (const auto self = weak.lock())
                                                  self->receive(packet);
                                              },
                                          .on_closed =
                                              [weak] {
                                                if (const auto self = weak.lock())
                                                  self->end("it has ended");
                                              },
                                          .on_nonsense =
                                              [weak](const std::string& why) {
                                                if (const auto self = weak.lock()) self->end(why);
                                              }});
  return made;
}

Result<void> ContainerForkServer::start_kernel(const std::string& connection_file,
                                               const std::string& work_dir) {
  kernel_ = 0;
  return socket_->send({{"id", ++asked_}, {"connection_file", connection_file}, {"cwd", work_dir}});
}

void ContainerForkServer::signal(int number) { (void)socket_->send({{"signal", number}}); }

void ContainerForkServer::receive(const json& packet) {
  if (packet.contains("ready")) {
    if (const auto tell = std::exchange(events_.on_ready, nullptr)) tell();
    return;
  }
  if (const std::int64_t exited = number_in(packet, "exited"); exited > 0) {
    if (exited != kernel_) return;  // one before it
    kernel_ = 0;
    const auto signal = static_cast<int>(number_in(packet, "signal"));
    const auto code = static_cast<int>(number_in(packet, "code"));
    events_.on_exit(signal > 0 ? ProcessExit::killed_by(signal) : ProcessExit::exited(code));
    return;
  }
  if (number_in(packet, "id") != static_cast<std::int64_t>(asked_)) return;
  kernel_ = number_in(packet, "pid");
  if (kernel_ > 0) return;
  const std::string why = json_text(packet, "error");
  events_.on_refused(why.empty() ? "it gives no reason" : why);
}

void ContainerForkServer::end(const std::string& why) {
  if (const auto tell = std::exchange(events_.on_end, nullptr)) tell(why);
}

}  // namespace perijove::docker
