#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "perijove/result.hpp"
#include "protocol/kernelspec.hpp"
#include "provision/docker/container_options.hpp"
#include "provision/isolation.hpp"

namespace perijove::docker {

/// What callers may ask of the daemon, which could give them the whole machine.
struct DockerPolicy {
  std::optional<std::vector<std::string>> mount_roots;  ///< As DockerOptions::mount_roots.
  std::optional<std::vector<std::string>> networks;     ///< As DockerOptions::networks.
  std::string runtime_base;   ///< Other kernels' keys and sockets are below it.
  std::string docker_socket;  ///< Empty: the daemon is elsewhere.
  uid_t gateway_uid = 0;      ///< 0: kernels may run as any user but root; else as this one alone.
};

/// The text of a request's options, with those that the kernelspec has of its own (kernel.json:
/// {"metadata": {"perijove": {"docker": {...}}}}) and that the request does not name. Errors:
/// invalid_argument.
Result<std::string> with_kernelspec_options(const Kernelspec& spec, const std::string& options);

/// The whole of what a caller wants: the options with the request's network and mounts put in,
/// symbolic links in the sources of mounts resolved. Errors: invalid_argument, permission_denied,
/// by the field's name.
Result<ContainerOptions> read_request(const IsolationRequest& request, const DockerPolicy& policy);

/// `UID` or `UID:GID`, plain decimal numbers; nullopt for anything else.
struct ContainerUser {
  uid_t uid = 0;
  gid_t gid = 0;
};
std::optional<ContainerUser> parse_user(std::string_view text);

}  // namespace perijove::docker
