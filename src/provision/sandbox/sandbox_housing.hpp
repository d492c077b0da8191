#pragma once

#include <memory>
#include <vector>

#include "provision/process_kernel.hpp"
#include "provision/sandbox/sandbox_draft.hpp"
#include "provision/sandbox/sandbox_fork.hpp"
#include "provision/sandbox/sandbox_fork_servers.hpp"
#include "provision/sandbox/sandbox_machine.hpp"
#include "provision/sandbox/sandbox_request.hpp"

namespace perijove {

/// One kernel under bubblewrap: the program that it runs, or a fork in a sandbox that it holds.
/// `machine` and `fork_servers` must outlive it.
class SandboxHousing final : public KernelHousing {
 public:
  SandboxHousing(SandboxMachine& machine, SandboxForkServers& fork_servers)
      : machine_(machine), fork_servers_(fork_servers), draft_(machine) {}
  ~SandboxHousing() override;

  Result<Transport> transport(const LaunchRequest& request) override;
  Result<SpawnRequest> prepare(const LaunchRequest& request, std::vector<std::string> argv,
                               const std::string& directory,
                               const std::string& connection_file) override;
  void start(Shard& shard, const SpawnRequest& spawn, const std::string& connection_file,
             ChildProcess::OnOutput on_output, ChildProcess::OnExit on_exit,
             Started started) override;
  uid_t owner() const override;
  void look(const ChildProcess& process) override;
  void signal(ChildProcess& process, int number) override;
  ProcessExit end_of_kernel(const ProcessExit& exit) override;
  std::string describe(const ChildProcess& process) const override;
  IsolationReport isolation() const override { return report_; }

 private:
  Result<void> enter_work_dir(const std::string& path);
  Result<void> give_to_kernel(const std::string& directory, const std::string& connection_file);
  Result<void> add_mounts(const std::vector<Mount>& mounts);
  void hold_limits(const ProcessLimits& wanted);
  Result<SpawnRequest> sandbox_with(const std::vector<std::string>& argv, const Environment& env);
  Result<std::shared_ptr<ForkServer>> find_fork_server(Shard& shard);
  Result<SandboxFork::Order> fork_order(const std::string& connection_file);

  SandboxMachine& machine_;
  SandboxForkServers& fork_servers_;
  SandboxRequest wanted_;
  SandboxDraft draft_;
  Kernelspec spec_;
  bool clients_choice_ = false;  // is what runs, which others are not to be forked from
  Environment env_;       // of the kernel
  ProcessLimits limits_;  // of each process, what cgroups do not hold
  // Given back last, when no process of it can be left.
  std::shared_ptr<UidPool::Lease> user_;
  std::unique_ptr<KernelCgroups> cgroups_;
  IsolationReport report_{.kind = "sandbox", .network = "none", .limits = {}, .notes = {}};
  bool cpu_time_limited_ = false;
  std::shared_ptr<SandboxFork> fork_;  // null: the kernel is bubblewrap's program
  // As this machine numbers them: the first process inside, whose end is that of all, and the
  // kernel that is bubblewrap's program, its first child.
  FileDescriptor init_;
  pid_t init_pid_ = 0;
  FileDescriptor kernel_;
  pid_t kernel_pid_ = 0;
};

}  // namespace perijove
