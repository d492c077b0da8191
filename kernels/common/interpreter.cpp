#include "common/interpreter.hpp"

#include <nlohmann/json.hpp>
#include <xeus/xmessage.hpp>

namespace perijove::kernels {

void Interpreter::attach(Server& server) {
  using nlohmann::json;
  server_ = &server;
  // What xinterpreter publishes (streams, displays, execute_input) need not pass xkernel_core,
  // which would build and copy a header and a parent header for each message.
  register_publisher([&server](const std::string& msg_type, const json& metadata,
                               const json& content, xeus::buffer_sequence buffers) {
    constexpr auto kReplace = json::error_handler_t::replace;
    server.publish(msg_type, content.dump(-1, ' ', false, kReplace),
                   metadata.dump(-1, ' ', false, kReplace), std::move(buffers));
  });
  json info = kernel_info_request();
  info["protocol_version"] = xeus::get_protocol_version();
  server.set_kernel_info(info.dump());
  on_attached();
}

}  // namespace perijove::kernels
