#pragma once

#include <string>

#include "base/bytes.hpp"
#include "perijove/result.hpp"
#include "protocol/channel.hpp"

namespace perijove {

enum class Transport { tcp, ipc };

/// `tcp` or `ipc`, as in a connection file.
std::string_view to_string(Transport transport);

/// What a connection file says: where a kernel listens and how its messages are signed
/// (jupyter_client docs, "Connection files"; JEP 106). Holds the key: keep it out of logs, and
/// write it to files of mode 0600 only.
struct ConnectionInfo {
  Transport transport = Transport::tcp;
  std::string ip = "127.0.0.1";  ///< For ipc the path that all five socket paths begin with.
  int shell_port = 0;            ///< For ipc the suffix of the socket's path.
  int iopub_port = 0;
  int stdin_port = 0;
  int control_port = 0;
  int heartbeat_port = 0;
  std::string key;  ///< Empty: messages are not signed.
  std::string signature_scheme = "hmac-sha256";
  std::string kernel_name;

  int port(Channel channel) const;

  /// What a ZeroMQ socket connects or binds to: `tcp://127.0.0.1:5555`, `tcp://[::1]:5555`,
  /// `ipc:///run/kernel-1`.
  std::string endpoint(Channel channel) const;
};

/// Reads the text of a connection file. The five ports are required; transport, ip, key,
/// signature_scheme and kernel_name have the defaults above; unknown keys (`curve_publickey` and
/// whatever comes later) are ignored. A wrong type or value is invalid_argument and names its
/// field.
Result<ConnectionInfo> parse_connection_info(ByteView text);

/// The text of a connection file, byte for byte as jupyter_client 8 writes it.
std::string to_connection_file(const ConnectionInfo& info);

}  // namespace perijove
