#include "python/descriptors.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <string_view>

namespace perijove::kernels::python {

std::vector<int> open_descriptors() {
  struct Close {
    void operator()(DIR* directory) const { closedir(directory); }
  };
  std::vector<int> descriptors;
  const std::unique_ptr<DIR, Close> directory(opendir("/proc/self/fd"));
  if (!directory) return descriptors;
  while (const dirent* const entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    int descriptor = -1;  // "." and ".." are no numbers
    std::from_chars(name.data(), name.data() + name.size(), descriptor);
    if (descriptor >= 0 && descriptor != dirfd(directory.get())) descriptors.push_back(descriptor);
  }
  std::sort(descriptors.begin(), descriptors.end());
  return descriptors;
}

bool belongs_to(int descriptor, const Connection& connection) {
  const std::array ports = {connection.shell_port, connection.control_port, connection.stdin_port,
                            connection.iopub_port, connection.hb_port};
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) < 0) return false;
  const auto has_port = [&](in_port_t port) {
    return connection.transport == "tcp" &&
           std::find(ports.begin(), ports.end(), ntohs(port)) != ports.end();
  };
  switch (address.ss_family) {
    case AF_INET:
      return has_port(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    case AF_INET6:
      return has_port(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    case AF_UNIX: {
      const std::string_view path = reinterpret_cast<const sockaddr_un&>(address).sun_path;
      return connection.transport == "ipc" &&
             std::any_of(ports.begin(), ports.end(),
                         [&](int port) { return path == connection.ipc_path(port); });
    }
    default:
      return false;
  }
}

}  // namespace perijove::kernels::python
