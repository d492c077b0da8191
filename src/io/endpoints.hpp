#pragma once

#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"
#include "protocol/connection_info.hpp"

namespace perijove {

/// Five loopback ports for a kernel that cannot use ipc, held until this object goes: each is bound
/// here with SO_REUSEADDR and not listening, so that the kernel (libzmq sets the same option) can
/// bind and listen on it, and nobody else is given it meanwhile. Picking a port, closing it and
/// hoping is the "Address already in use" of every other gateway. Below the ephemeral range, where
/// a connect cannot take a port for itself.
class HeldPorts {
 public:
  static Result<HeldPorts> take(const std::string& ip);

  int port(std::size_t index) const { return ports_[index]; }

 private:
  std::vector<FileDescriptor> sockets_;
  std::vector<int> ports_;
};

/// Opens the unix socket at `path` without following a link and without connecting: what is reached
/// by /proc/self/fd/N stays what it was. An empty descriptor: it is not there yet. Errors:
/// permission_denied when it is something else than a socket of `owner`, unavailable when it cannot
/// be opened.
Result<FileDescriptor> pin_socket(const std::string& path, uid_t owner);

/// The ipc sockets of a kernel, each pinned to the socket that was there when it was first seen. A
/// kernel may put a symbolic link, to the Docker socket say, in the place of a socket of its own,
/// and libzmq follows it; a pinned socket is connected by descriptor and stays what it was.
class PinnedEndpoints {
 public:
  /// Opens the sockets of `info` on shell, control, stdin and iopub, all or none: false while one
  /// is not there yet. Errors: permission_denied when one is something else than a socket of
  /// `owner`, whom the kernel runs as, unavailable when one cannot be opened.
  static Result<bool> try_pin(const ConnectionInfo& info, PinnedEndpoints& out,
                              uid_t owner = ::geteuid());

  /// What to connect to: `ipc:///proc/self/fd/N`. Valid while this object lives.
  std::string endpoint(Channel channel) const;

 private:
  std::vector<std::pair<Channel, FileDescriptor>> sockets_;
};

}  // namespace perijove
