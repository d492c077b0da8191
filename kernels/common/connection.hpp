#pragma once

#include <string>

namespace perijove::kernels {

/// What a connection file says: where the five sockets are and how messages are signed.
struct Connection {
  std::string transport;  ///< "tcp" or "ipc"
  std::string ip;         ///< an address, or for ipc the path before "-<port>"
  int shell_port = 0;
  int control_port = 0;
  int stdin_port = 0;
  int iopub_port = 0;
  int hb_port = 0;
  std::string signature_scheme;  ///< "hmac-<digest>"
  std::string key;               ///< empty: messages are not signed

  /// The ZeroMQ endpoint of a port: "tcp://127.0.0.1:5555", "ipc:///run/k-1".
  std::string endpoint(int port) const;

  /// The file of a port's ipc socket: "/run/k-1".
  std::string ipc_path(int port) const;
};

/// Throws std::runtime_error that names the file and what is wrong with it.
Connection read_connection_file(const std::string& path);

}  // namespace perijove::kernels
