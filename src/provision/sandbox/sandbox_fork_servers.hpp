#pragma once

#include <memory>
#include <optional>

#include "provision/fork_server.hpp"
#include "provision/sandbox/sandbox_machine.hpp"

namespace perijove {

/// The fork servers for kernels in sandboxes. Each is in a sandbox itself: it sees the system's
/// files and its program's, read-only, and so what its kernels see, but no work directory, and has
/// no network. It is in the machine's pid namespace, as only from there can a process go into those
/// of others.
///
/// Servers and the sandboxes of their kernels are in a user namespace of this gateway, outside of
/// which they are nobody. Where the gateway is root, a server can become the users of sandboxes and
/// no other; its own is one of them that no sandbox has. Otherwise all is the gateway's user.
class SandboxForkServers {
 public:
  /// `machine` and `runtime_dir` must outlive it. Without `wanted`, there are none.
  SandboxForkServers(SandboxMachine& machine, const RuntimeDir& runtime_dir, bool wanted)
      : machine_(machine), runtime_dir_(runtime_dir), wanted_(wanted) {}

  /// Whether there can be one for such a kernel.
  bool has_one_for(const Kernelspec& spec) const;

  /// As ForkServers::find(), for a kernel with this environment in its sandbox. Also unavailable:
  /// a variable decides what code a program runs (LD_PRELOAD, PYTHONPATH ...).
  Result<std::shared_ptr<ForkServer>> find(Shard& shard, const Kernelspec& spec,
                                           const Environment& env);

  /// The user namespace, which lives as long as this object. failed_precondition: it cannot be had.
  Result<int> user_namespace();

 private:
  Result<FileDescriptor> make_user_namespace();
  Result<std::shared_ptr<ForkServer>> start(Shard& shard, const Kernelspec& spec,
                                            const SpawnRequest& command);

  SandboxMachine& machine_;
  const RuntimeDir& runtime_dir_;
  bool wanted_;
  ForkServers servers_;
  std::shared_ptr<UidPool::Lease> user_;                  // of the servers; null: ours
  std::optional<Result<FileDescriptor>> user_namespace_;  // nullopt: not tried yet
};

}  // namespace perijove
