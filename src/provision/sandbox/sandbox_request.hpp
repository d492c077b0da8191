#pragma once

#include <cstdint>

#include "base/environment.hpp"
#include "perijove/result.hpp"
#include "provision/isolation.hpp"

namespace perijove {

/// What a caller asked of a sandbox, read from an IsolationRequest.
struct SandboxRequest {
  bool host_network = false;
  /// Size of each of the two file systems in memory that a kernel may fill: /tmp and its HOME.
  std::uint64_t tmp_bytes = std::uint64_t{256} << 20;
};

/// `network` is empty, none or host. `options` is an object with `tmp_bytes`, 1 MiB to 1 TiB.
/// Errors: invalid_argument, by the field's name; an unknown one is told with what may have been
/// meant. The mounts are left to mount_policy.hpp.
Result<SandboxRequest> parse_sandbox_request(const IsolationRequest& request);

/// Whether a program that is named without its directory is found where the gateway finds it: `env`
/// has the gateway's own PATH, and not one that a client has set.
bool has_own_path(const Environment& env);

}  // namespace perijove
