#include "io/endpoints.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <random>

namespace perijove {
namespace {

constexpr int kPortMin = 10'000;
constexpr int kPortMax = 32'767;  // Linux gives 32,768 and up to outgoing connections
constexpr std::size_t kPorts = 5;
constexpr int kAttempts = 2'000;

}  // namespace

Result<HeldPorts> HeldPorts::take(const std::string& ip) {
  std::random_device random;
  std::uniform_int_distribution<int> pick(kPortMin, kPortMax);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, ip.c_str(), &address.sin_addr) != 1) {
    return Error{Code::invalid_argument, "'" + ip + "' is not an IPv4 address"};
  }
  HeldPorts held;
  for (int attempt = 0; attempt < kAttempts && held.ports_.size() < kPorts; ++attempt) {
    const int port = pick(random);
    FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) {
      return Error{Code::resource_exhausted,
                   std::string("no socket to hold a port: ") + std::strerror(errno)};
    }
    // First without the option: two holders that both have it would share the port.
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) continue;
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    held.sockets_.push_back(std::move(socket));
    held.ports_.push_back(port);
  }
  if (held.ports_.size() < kPorts) {
    return Error{Code::resource_exhausted, "no five free ports between " +
                                               std::to_string(kPortMin) + " and " +
                                               std::to_string(kPortMax)};
  }
  return held;
}

Result<FileDescriptor> pin_socket(const std::string& path, uid_t owner) {
  FileDescriptor fd(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && errno == ENOENT) return fd;
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    return Error{Code::unavailable, "cannot open " + path + ": " + std::strerror(errno)};
  }
  if (!S_ISSOCK(status.st_mode) || status.st_uid != owner) {
    return Error{Code::permission_denied, path + " is not a socket of the kernel's user"};
  }
  return fd;
}

Result<bool> PinnedEndpoints::try_pin(const ConnectionInfo& info, PinnedEndpoints& out,
                                      uid_t owner) {
  PinnedEndpoints pinned;
  for (const Channel channel :
       {Channel::shell, Channel::control, Channel::stdin_, Channel::iopub}) {
    const std::string path = info.ip + "-" + std::to_string(info.port(channel));
    auto socket = pin_socket(path, owner);
    if (!socket) return socket.error();
    if (!*socket) return false;
    pinned.sockets_.emplace_back(channel, *std::move(socket));
  }
  out = std::move(pinned);
  return true;
}

std::string PinnedEndpoints::endpoint(Channel channel) const {
  for (const auto& [pinned, fd] : sockets_) {
    if (pinned == channel) return "ipc:///proc/self/fd/" + std::to_string(fd.get());
  }
  return {};
}

}  // namespace perijove
