#pragma once

#include <memory>

#include "engine/gateway_options.hpp"
#include "engine/kernelspecs.hpp"
#include "engine/provisioners.hpp"
#include "engine/registry.hpp"
#include "io/runtime_dir.hpp"
#include "io/shard.hpp"

namespace perijove {

/// The parts that everything with kernels needs, put together: a shard, a runtime directory, the
/// provisioners, the kernelspecs and a registry. Lives on the thread that runs the shard.
/// Destroying it ends every kernel at once; end them in order before with registry().stop_all().
class GatewayRuntime {
 public:
  /// Ends what gateways that were killed left behind, too. Errors: those of RuntimeDir::create, and
  /// invalid_argument for a default isolation that there is not. Where that is `auto`, what it is
  /// here is known afterwards.
  static Result<std::unique_ptr<GatewayRuntime>> create(GatewayOptions options);

  Shard& shard() { return shard_; }
  KernelRegistry& registry() { return registry_; }
  Kernelspecs& kernelspecs() { return kernelspecs_; }
  const std::string& runtime_base() const { return runtime_base_; }

 private:
  GatewayRuntime(GatewayOptions options, std::string runtime_base, RuntimeDir runtime_dir);

  std::string runtime_base_;
  RuntimeDir runtime_dir_;
  Shard shard_;
  Provisioners provisioners_;
  Kernelspecs kernelspecs_;
  KernelRegistry registry_;
};

/// All ways to run kernels that this build has. `environment` says where Docker's daemon is
/// (DOCKER_HOST); `fork_servers`: see GatewayOptions. Nothing is looked for before it is used.
std::vector<std::unique_ptr<Provisioner>> make_provisioners(RuntimeDir& runtime_dir,
                                                            const Environment& environment,
                                                            const IsolationPolicy& policy,
                                                            bool fork_servers = false);

/// Whether the sockets of kernels can have their paths in a runtime directory below `base`; the
/// error (invalid_argument) says by how much it is too long.
Result<void> check_socket_paths(const std::string& base);

/// This process's environment.
Environment own_environment();

}  // namespace perijove
