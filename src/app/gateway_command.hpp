#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "app/commands.hpp"
#include "app/console.hpp"
#include "app/gateway_client.hpp"

namespace perijove {

/// What every command has that talks to a running gateway.
struct GatewayFlags {
  GatewayAddress gateway;
  bool as_json = false;
};

/// Adds --url, --token, --runtime-dir and --json.
void add_gateway_flags(CLI::App& command, GatewayFlags& flags);

/// Adds the command NAME with these flags to `group`. It does what `body`, called as
/// `body(client, flags, console)`, does; see run_on_gateway(). Returns it and its flags, for more
/// options.
template <typename Flags, typename Body>
std::pair<CLI::App*, std::shared_ptr<Flags>> add_gateway_command(CLI::App& group, Action& action,
                                                                 const char* name,
                                                                 const char* description,
                                                                 Body body);

/// Finds the gateway and calls `body`; returns the exit code, and says on the console what went
/// wrong. `body` returns the exit code of its own when all went well.
int run_on_gateway(const GatewayFlags& flags,
                   const std::function<Result<int>(const GatewayClient&, Console&)>& body);

template <typename Flags, typename Body>
std::pair<CLI::App*, std::shared_ptr<Flags>> add_gateway_command(CLI::App& group, Action& action,
                                                                 const char* name,
                                                                 const char* description,
                                                                 Body body) {
  auto flags = std::make_shared<Flags>();
  CLI::App* const command = group.add_subcommand(name, description);
  add_gateway_flags(*command, *flags);
  command->callback([flags, body, &action] {
    action = [flags, body] {
      return run_on_gateway(*flags, [&](const GatewayClient& client, Console& console) {
        return body(client, *flags, console);
      });
    };
  });
  return {command, std::move(flags)};
}

}  // namespace perijove
