#pragma once

#include <string>
#include <vector>

#include "engine/registry.hpp"

namespace perijove {

/// What a gateway needs to run kernels, before any face is put in front of it.
struct GatewayOptions {
  RegistryOptions registry;
  IsolationPolicy isolation;
  /// Where running gateways keep their directories; empty: RuntimeDir::default_base().
  std::string runtime_base;
  /// Where kernelspecs are searched; empty: kernelspec_path() of registry.gateway_env.
  std::vector<std::string> kernelspec_dirs;
  /// Whether this process is there for the gateway alone, which then adopts orphans, reaps them and
  /// lifts the limit of open files. A program that embeds us has children and limits of its own.
  bool owns_process = true;
  /// Whether kernels are forked from a server where their kernelspec has one; for a process that
  /// serves for long.
  bool fork_servers = false;
};

}  // namespace perijove
