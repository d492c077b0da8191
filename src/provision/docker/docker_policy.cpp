#include "provision/docker/docker_policy.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "protocol/json.hpp"
#include "provision/docker/container_body.hpp"
#include "provision/sandbox/mount_policy.hpp"

namespace perijove::docker {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kUidMax = 4'294'967'294;  // one less than "no user"

std::string resolved(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  std::string text = error ? path : real.string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

Error denied(const std::string& field, const std::string& path, const std::string& why) {
  return {Code::permission_denied, "docker: " + field + " '" + path + "' is not allowed: " + why};
}

Result<void> check_source(const std::string& field, const std::string& path,
                          const DockerPolicy& policy) {
  const auto brings = [&](const std::string& what) {
    return is_within(path, what) || is_within(what, path);
  };
  if (!policy.docker_socket.empty() && brings(resolved(policy.docker_socket))) {
    return denied(field, path,
                  "it holds the Docker daemon's socket, with which code gets the whole machine");
  }
  for (const std::string& never : make_mount_policy(policy.runtime_base, {}, {}).never) {
    if (!brings(resolved(never))) continue;
    return denied(field, path,
                  never == policy.runtime_base
                      ? "it holds the keys and sockets of other kernels"
                      : "with '" + never + "' code could leave its container");
  }
  if (brings("/var/lib/docker")) {
    return denied(field, path, "it holds the files of other containers");
  }
  if (!policy.mount_roots) return {};
  const bool below = std::any_of(policy.mount_roots->begin(), policy.mount_roots->end(),
                                 [&](const std::string& root) {
                                   return root.starts_with('/') && is_within(path, resolved(root));
                                 });
  if (below) return {};
  return denied(field, path,
                "it is not below a directory that this gateway lends (--isolation-mounts)");
}

Result<void> check_volume(const std::string& field, Volume& volume, const DockerPolicy& policy) {
  const auto hides = [&](const std::string& what) {
    return is_within(volume.target, what) || is_within(what, volume.target);
  };
  if (hides(kKernelDirInside) || hides(kKernelspecDirInside) || is_within(volume.target, "/proc") ||
      is_within(volume.target, "/sys") || is_within(volume.target, "/dev")) {
    return Error{Code::invalid_argument,
                 "docker: " + field + ": the target '" + volume.target +
                     "' would hide files of the container itself; choose another, such as /data"};
  }
  if (volume.is_named()) {
    const auto& roots = policy.mount_roots;
    if (!roots || std::find(roots->begin(), roots->end(), volume.source) != roots->end()) return {};
    return denied(field, volume.source,
                  "it is not among the volumes that this gateway lends (--isolation-mounts)");
  }
  volume.source = resolved(volume.source);
  return check_source(field, volume.source, policy);
}

Result<void> check_user(const ContainerOptions& options, const DockerPolicy& policy) {
  if (options.user.empty()) return {};
  const auto user = parse_user(options.user);
  if (!user) {
    return Error{Code::invalid_argument,
                 "docker: field 'user' must be UID or UID:GID, in plain numbers"};
  }
  if (user->uid == 0 || user->gid == 0) {
    return Error{Code::permission_denied,
                 "docker: field 'user' must not be root: what it writes to a mounted directory "
                 "belongs to root on the daemon's machine, too"};
  }
  if (policy.gateway_uid != 0 && user->uid != policy.gateway_uid) {
    return Error{Code::invalid_argument,
                 "docker: field 'user' must be the gateway's own uid " +
                     std::to_string(policy.gateway_uid) +
                     " as long as that is not root: it could not use another's sockets"};
  }
  return {};
}

Result<void> check_network(const ContainerOptions& options, const DockerPolicy& policy) {
  const std::string& network = options.network;
  if (network.empty() || network == "none" || !policy.networks) return {};
  if (std::find(policy.networks->begin(), policy.networks->end(), network) !=
      policy.networks->end()) {
    return {};
  }
  return Error{Code::permission_denied,
               "docker: network '" + network +
                   "' is not allowed; whoever runs the gateway can allow it with "
                   "--isolation-networks"};
}

}  // namespace

std::optional<ContainerUser> parse_user(std::string_view text) {
  const auto parse = [](std::string_view digits) -> std::optional<std::uint32_t> {
    std::int64_t number = 0;
    const bool plain = !digits.empty() && digits[0] >= '0' && digits[0] <= '9' &&
                       (digits[0] != '0' || digits.size() == 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (!plain || error != std::errc() || end != digits.data() + digits.size() ||
        number > kUidMax) {
      return std::nullopt;
    }
    return static_cast<std::uint32_t>(number);
  };
  const std::size_t colon = text.find(':');
  const auto uid = parse(text.substr(0, colon));
  const auto gid = colon == text.npos ? uid : parse(text.substr(colon + 1));
  if (!uid || !gid) return std::nullopt;
  return ContainerUser{*uid, *gid};
}

Result<std::string> with_kernelspec_options(const Kernelspec& spec, const std::string& options) {
  const auto metadata = parse_json(spec.metadata);
  const nlohmann::json none;
  const auto member = [&none](const nlohmann::json& object, const char* name) -> const auto& {
    const auto found = object.is_object() ? object.find(name) : object.end();
    return found == object.end() ? none : *found;
  };
  const nlohmann::json& own = member(member(metadata ? *metadata : none, "perijove"), "docker");
  if (own.is_null()) return options;
  const auto requested = parse_json(options);
  if (!requested) return requested.error();
  if (!own.is_object() || !requested->is_object()) {
    return Error{Code::invalid_argument, "kernelspec '" + spec.name +
                                             "': metadata.perijove.docker must be an object, as a "
                                             "session's field 'docker'"};
  }
  nlohmann::json all = own;
  all.update(*requested);
  return dump_json(all);
}

Result<ContainerOptions> read_request(const IsolationRequest& request, const DockerPolicy& policy) {
  auto options = parse_container_options(request.options);
  if (!options) return options;
  if (!request.network.empty()) {
    if (!options->network.empty() && options->network != request.network) {
      return Error{Code::invalid_argument, "docker: network '" + options->network +
                                               "' contradicts the network '" + request.network +
                                               "' that the request names beside it"};
    }
    options->network = request.network;
    if (const auto right = check_container_options(*options); !right) return right.error();
  }
  for (Volume& volume : options->volumes) {
    if (const auto allowed = check_volume("volume", volume, policy); !allowed) {
      return allowed.error();
    }
  }
  for (const Mount& mount : request.mounts) {
    auto volume = parse_volume(mount.source + ":" + mount.target);
    if (!volume) return Error{volume.error().code, "docker: " + volume.error().message};
    volume->read_only = mount.read_only;
    if (const auto allowed = check_volume("mount", *volume, policy); !allowed) {
      return allowed.error();
    }
    options->volumes.push_back(*std::move(volume));
  }
  for (const auto& [field, path] :
       {std::pair("bind_dir", &options->bind_dir), std::pair("build_path", &options->build_path)}) {
    if (path->empty()) continue;
    // bind_dir is a path of the daemon's machine, whose links cannot be looked at from here.
    if (std::string_view(field) == "build_path") *path = resolved(*path);
    if (const auto allowed = check_source(field, *path, policy); !allowed) return allowed.error();
  }
  if (const auto allowed = check_user(*options, policy); !allowed) return allowed.error();
  if (const auto allowed = check_network(*options, policy); !allowed) return allowed.error();
  return options;
}

}  // namespace perijove::docker
