#pragma once

#include <CLI/CLI.hpp>
#include <functional>

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

/// Finds the gateway and calls `body`; returns the exit code, and says on the console what went
/// wrong. `body` returns the exit code of its own when all went well.
int run_on_gateway(const GatewayFlags& flags,
                   const std::function<Result<int>(const GatewayClient&, Console&)>& body);

}  // namespace perijove
