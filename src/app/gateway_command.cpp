#include "app/gateway_command.hpp"

namespace perijove {

void add_gateway_flags(CLI::App& command, GatewayFlags& flags) {
  command
      .add_option("--url", flags.gateway.url,
                  "The gateway's address; absent: the one that this user runs")
      ->option_text("URL");
  command.add_option("--token", flags.gateway.token, "Its token [PERIJOVE_TOKEN]")
      ->option_text("TOKEN");
  command
      .add_option("--runtime-dir", flags.gateway.runtime_base,
                  "Base directory that the gateway was given")
      ->option_text("DIR");
  command.add_flag("--json", flags.as_json, "Print JSON");
}

int run_on_gateway(const GatewayFlags& flags,
                   const std::function<Result<int>(const GatewayClient&, Console&)>& body) {
  Console console({});
  const auto client = GatewayClient::find(flags.gateway);
  const auto done = client ? body(*client, console) : Result<int>(client.error());
  if (done) return *done;
  console.error(done.error().message);
  return exit_code(done.error().code);
}

}  // namespace perijove
