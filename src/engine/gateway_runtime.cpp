#include "engine/gateway_runtime.hpp"

#include <unistd.h>

#include <string_view>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "io/child_process.hpp"
#include "protocol/data_path.hpp"
#include "provision/docker/docker_provisioner.hpp"
#include "provision/local/local_provisioner.hpp"
#include "provision/sandbox/sandbox_provisioner.hpp"

namespace perijove {

Environment own_environment() {
  Environment variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

Result<void> check_socket_paths(const std::string& base) {
  // A process number of seven digits, the kernel's directory, a socket, the terminating zero.
  const std::size_t longest = (base + "/4194304/01234567-9999/k-5").size() + 1;
  if (longest <= limits::kSocketPathBytesMax) return {};
  return Error{Code::invalid_argument,
               "the runtime directory " + base + " is too long by " +
                   std::to_string(longest - limits::kSocketPathBytesMax) +
                   " bytes: the path of a socket in it may have 107; name a shorter one with "
                   "--runtime-dir or PERIJOVE_RUNTIME_DIR"};
}

Result<std::unique_ptr<GatewayRuntime>> GatewayRuntime::create(GatewayOptions options) {
  const std::string base =
      options.runtime_base.empty() ? RuntimeDir::default_base() : options.runtime_base;
  if (const auto fits = check_socket_paths(base); !fits) return fits.error();
  for (const RuntimeDir::Stray& stray : RuntimeDir::find_strays(base)) {
    log::warning("stray_removed", {{"directory", stray.directory},
                                   {"processes", std::to_string(stray.processes.size())}});
    RuntimeDir::remove_stray(stray);
  }
  auto runtime_dir = RuntimeDir::create(base);
  if (!runtime_dir) return runtime_dir.error();
  const bool owns_process = options.owns_process;
  std::unique_ptr<GatewayRuntime> runtime(
      new GatewayRuntime(std::move(options), base, *std::move(runtime_dir)));
  Provisioners& provisioners = runtime->provisioners_;
  const std::string& kind = provisioners.policy().default_kind;
  if (kind != kAutoIsolation) {
    if (auto found = provisioners.find(kind); !found) return found.error();
  }
  if (owns_process) prepare_process_supervision(runtime->shard());
  bool settled = false;
  provisioners.settle(runtime->shard(), [&settled] { settled = true; });
  runtime->shard().run_until([&settled] { return settled; });
  return runtime;
}

GatewayRuntime::GatewayRuntime(GatewayOptions options, std::string runtime_base,
                               RuntimeDir runtime_dir)
    : runtime_base_(std::move(runtime_base)),
      runtime_dir_(std::move(runtime_dir)),
      provisioners_(std::move(options.isolation)),
      kernelspecs_(options.kernelspec_dirs.empty()
                       ? kernelspec_path(options.registry.gateway_env)
                       : KernelspecPath{.directories = std::move(options.kernelspec_dirs)}),
      registry_(shard_, provisioners_, kernelspecs_, std::move(options.registry)) {
  for (auto& each : make_provisioners(runtime_dir_, registry_.options().gateway_env,
                                      provisioners_.policy(), options.fork_servers)) {
    provisioners_.add(std::move(each));
  }
  provisioners_.begin(shard_);
}

std::vector<std::unique_ptr<Provisioner>> make_provisioners(RuntimeDir& runtime_dir,
                                                            const Environment& environment,
                                                            const IsolationPolicy& policy,
                                                            bool fork_servers) {
  DockerOptions docker;
  docker.fork_servers = fork_servers;
  const auto variable = [&environment](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  };
  if (const std::string host = variable("DOCKER_HOST"); !host.empty()) docker.host = host;
  if (!variable("DOCKER_TLS_VERIFY").empty()) {
    docker.tls_directory = variable("DOCKER_CERT_PATH");
    if (docker.tls_directory.empty()) docker.tls_directory = variable("HOME") + "/.docker";
  }
  if (!policy.docker_image.empty()) docker.image = policy.docker_image;
  // Where clients may run anything on this machine, they may mount anything, too.
  if (policy.default_kind != "none") {
    docker.mount_roots = policy.mount_roots;
    docker.networks = policy.networks;
  }
  std::vector<std::unique_ptr<Provisioner>> all;
  all.push_back(make_local_provisioner(runtime_dir, fork_servers));
  all.push_back(make_sandbox_provisioner(runtime_dir, {.fork_servers = fork_servers}));
  all.push_back(make_docker_provisioner(runtime_dir, std::move(docker)));
  return all;
}

}  // namespace perijove
