#include "common/connection.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace perijove::kernels {
namespace {

int port_named(const nlohmann::json& file, const char* name) {
  const int port = file.at(name).get<int>();
  if (port < 1 || port > 65535) {
    throw std::out_of_range(std::string(name) + " is " + std::to_string(port) +
                            "; it must be between 1 and 65535");
  }
  return port;
}

Connection parse(const nlohmann::json& file) {
  Connection connection;
  connection.transport = file.value("transport", "tcp");
  if (connection.transport != "tcp" && connection.transport != "ipc") {
    throw std::invalid_argument("transport is '" + connection.transport +
                                "'; this kernel speaks tcp and ipc");
  }
  connection.ip = file.at("ip").get<std::string>();
  connection.shell_port = port_named(file, "shell_port");
  connection.control_port = port_named(file, "control_port");
  connection.stdin_port = port_named(file, "stdin_port");
  connection.iopub_port = port_named(file, "iopub_port");
  connection.hb_port = port_named(file, "hb_port");
  connection.key = file.at("key").get<std::string>();
  connection.signature_scheme = file.value("signature_scheme", "hmac-sha256");
  return connection;
}

}  // namespace

std::string Connection::endpoint(int port) const {
  if (transport == "ipc") return "ipc://" + ipc_path(port);
  const bool bare_ipv6 = ip.find(':') != std::string::npos && ip.front() != '[';
  return "tcp://" + (bare_ipv6 ? '[' + ip + ']' : ip) + ':' + std::to_string(port);
}

std::string Connection::ipc_path(int port) const { return ip + '-' + std::to_string(port); }

Connection read_connection_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read the connection file '" + path + "'");
  try {
    return parse(nlohmann::json::parse(file));
  } catch (const std::exception& error) {
    throw std::runtime_error("the connection file '" + path + "' is not usable: " + error.what());
  }
}

}  // namespace perijove::kernels
