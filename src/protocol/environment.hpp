#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "perijove/result.hpp"
#include "protocol/kernelspec.hpp"

namespace perijove {

/// Longest value that a client may set, in bytes (as enterprise_gateway).
inline constexpr std::size_t kEnvironmentValueBytesMax = 4096;
/// Most that a client may set in all, names included: far below what exec takes (ARG_MAX).
inline constexpr std::size_t kClientEnvironmentBytesMax = std::size_t{256} * 1024;

/// Reads the `env` of POST /api/kernels. null is an empty map. Refuses (invalid_argument, naming
/// the variable, never its value): anything but an object of strings; names that are not
/// `[A-Za-z_][A-Za-z0-9_]*`; values with NUL or line breaks; what exceeds the limits above.
Result<Environment> read_client_environment(const nlohmann::json& env);

/// Everything that decides the environment of one kernel. Patterns are names, or prefixes that end
/// in `*`; a lone `*` is every name.
struct EnvironmentRequest {
  const Environment& gateway;  ///< The gateway's own environment.
  const Kernelspec& spec;
  const Environment& client;                  ///< From read_client_environment().
  const std::vector<std::string>& inherited;  ///< Patterns that the operator adds to the base list.
  const std::vector<std::string>& client_allowed;  ///< Patterns besides KERNEL_*.
  std::string kernel_id;
  std::string session_name;  ///< JPY_SESSION_NAME; empty: not set.
  std::string parent_pid;  ///< JPY_PARENT_PID; empty for kernels that outlive the gateway, because
                           ///< ipykernel ends itself when the process named here is gone.
};

struct KernelEnvironment {
  Environment variables;
  std::vector<std::string> ignored;  ///< Names that the client sent and may not set.
};

/// The environment of one kernel. Later ones win:
///   1. from the gateway: the base list (PATH, HOME, LANG, LC_*, TZ, XDG_*, ...) and `inherited`,
///      nothing else, and never a secret of the gateway (is_gateway_secret);
///   2. the kernelspec's env, its `${VAR}` looked up among 1 and 3, unknown ones left as they are;
///   3. from the client: KERNEL_* and `client_allowed`, verbatim;
///   4. KERNEL_GATEWAY=1, KERNEL_ID, JPY_SESSION_NAME, JPY_PARENT_PID.
/// A pure function on purpose: gateways that patched a shared manager across an await handed one
/// user's variables to another user's kernel.
KernelEnvironment make_kernel_environment(const EnvironmentRequest& request);

/// Whether a variable of the gateway's own environment is a credential of the gateway:
/// PERIJOVE_TOKEN and the names that peers use for theirs. Not inherited even when asked for.
bool is_gateway_secret(std::string_view name);

/// Whether `name` matches one of the patterns.
bool matches_name_pattern(std::string_view name, const std::vector<std::string>& patterns);

}  // namespace perijove
