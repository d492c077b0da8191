#include "protocol/connection_info.hpp"

#include <limits>
#include <nlohmann/json.hpp>

#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {

std::string_view to_string(Transport transport) {
  return transport == Transport::tcp ? "tcp" : "ipc";
}

int ConnectionInfo::port(Channel channel) const {
  switch (channel) {
    case Channel::shell:
      return shell_port;
    case Channel::iopub:
      return iopub_port;
    case Channel::stdin_:
      return stdin_port;
    case Channel::control:
      return control_port;
    case Channel::heartbeat:
      return heartbeat_port;
  }
  return 0;
}

std::string ConnectionInfo::endpoint(Channel channel) const {
  const std::string suffix = std::to_string(port(channel));
  if (transport == Transport::ipc) return "ipc://" + ip + "-" + suffix;
  // jupyter_client writes IPv6 addresses without the brackets that libzmq asks for.
  const bool bare_ipv6 = ip.find(':') != std::string::npos && !ip.starts_with('[');
  return "tcp://" + (bare_ipv6 ? "[" + ip + "]" : ip) + ":" + suffix;
}

Result<ConnectionInfo> parse_connection_info(ByteView text) {
  const auto document = parse_json(text);
  if (!document) {
    return Error{Code::invalid_argument, "connection file: " + document.error().message};
  }
  JsonFields fields(*document, "connection file");
  ConnectionInfo info;

  const std::string transport = fields.text("transport", "tcp");
  if (transport == "ipc") {
    info.transport = Transport::ipc;
  } else if (transport != "tcp") {
    fields.refuse("transport", "must be 'tcp' or 'ipc'");
  }
  info.ip = fields.text("ip", info.ip);
  if (info.ip.empty() || info.ip.find('\0') != std::string::npos) {
    fields.refuse("ip", "must not be empty or hold a NUL");
  }

  const int port_max = info.transport == Transport::tcp ? 65535 : std::numeric_limits<int>::max();
  info.shell_port = fields.integer("shell_port", 1, port_max);
  info.iopub_port = fields.integer("iopub_port", 1, port_max);
  info.stdin_port = fields.integer("stdin_port", 1, port_max);
  info.control_port = fields.integer("control_port", 1, port_max);
  info.heartbeat_port = fields.integer("hb_port", 1, port_max);

  info.key = fields.text("key");
  info.signature_scheme = fields.text("signature_scheme", info.signature_scheme);
  if (info.signature_scheme.empty()) fields.refuse("signature_scheme", "must not be empty");
  info.kernel_name = fields.text("kernel_name");
  if (fields.error()) return *fields.error();
  return info;
}

std::string to_connection_file(const ConnectionInfo& info) {
  nlohmann::ordered_json document;
  for (const Channel channel :
       {Channel::shell, Channel::iopub, Channel::stdin_, Channel::control, Channel::heartbeat}) {
    document[std::string(to_string(channel)) + "_port"] = info.port(channel);
  }
  document["ip"] = info.ip;
  document["key"] = info.key;
  document["transport"] = to_string(info.transport);
  document["signature_scheme"] = info.signature_scheme;
  document["kernel_name"] = info.kernel_name;
  return document.dump(2, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
}

}  // namespace perijove
