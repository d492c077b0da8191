#include "app/kernel_gateway_command.hpp"

#include "app/console.hpp"
#include "app/gateway_server.hpp"
#include "app/kernel_gateway_options.hpp"
#include "base/log.hpp"
#include "perijove/version.hpp"

namespace perijove {
namespace {

constexpr const char* kHelp =
    "Perijove as jupyter-kernelgateway: serves kernels to Jupyter clients.\n"
    "\n"
    "Takes that program's options, as --KernelGatewayApp.port=8888 or --KernelGatewayApp.port "
    "8888,\n"
    "and its KG_* variables: ip, port, port_retries, base_url, auth_token, allow_*, "
    "expose_headers,\n"
    "max_age, max_kernels, default_kernel_name, env_process_whitelist, ws_ping_interval;\n"
    "JupyterWebsocketPersonality.list_kernels and env_whitelist; MappingKernelManager.cull_*.\n"
    "Others are ignored with a warning. Without auth_token it listens on loopback addresses only,\n"
    "unless PERIJOVE_ALLOW_NO_AUTH=1. As there, kernels are processes of this user and may do what "
    "it\n"
    "may; PERIJOVE_ISOLATION=auto isolates them. `perijove serve --help` shows Perijove's own "
    "options.";

// AG2 reads the port behind the last colon, so nothing may follow it.
std::string address_line(const GatewayServer& server) {
  std::string url = server.url();
  if (url.ends_with('/')) url.pop_back();
  return "[KernelGatewayApp] Jupyter Kernel Gateway " PERIJOVE_VERSION " is available at " + url;
}

}  // namespace

int run_kernel_gateway(const std::vector<std::string>& arguments) {
  Console console({});
  const auto options = read_kernel_gateway_options(arguments, own_environment());
  if (!options) {
    // AG2 takes a line with `ERROR:` for the reason why nothing started.
    console.note("[KernelGatewayApp] ERROR: " + options.error().message);
    return exit_code(options.error().code);
  }
  if (options->version) {
    console.result(PERIJOVE_VERSION);
    return 0;
  }
  if (options->help) {
    console.result(kHelp);
    return 0;
  }
  for (const std::string& warning : options->warnings) {
    log::warning("option_ignored", {{"what", warning}});
  }
  const auto server = GatewayServer::start(options->serve);
  if (!server) {
    console.note("[KernelGatewayApp] ERROR: " + server.error().message);
    return exit_code(server.error().code);
  }
  if ((*server)->token().empty()) {
    log::warning("no_authentication",
                 {{"ip", options->serve.ip},
                  {"meaning", "whoever reaches the port runs code as this user"}});
  }
  const std::string line = address_line(**server);
  console.note(line);
  console.result(line);  // OpenHands waits for a line with "at" on standard output
  return (*server)->run();
}

}  // namespace perijove
