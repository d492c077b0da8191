#pragma once

#include <memory>
#include <vector>

#include "provision/process_kernel.hpp"
#include "provision/sandbox/bwrap_command.hpp"
#include "provision/sandbox/sandbox_machine.hpp"
#include "provision/sandbox/sandbox_request.hpp"

namespace perijove {

/// One kernel under bubblewrap. `machine` must outlive it.
class SandboxHousing final : public KernelHousing {
 public:
  explicit SandboxHousing(SandboxMachine& machine) : machine_(machine) {}
  ~SandboxHousing() override;

  Result<Transport> transport(const LaunchRequest& request) override;
  Result<SpawnRequest> prepare(const LaunchRequest& request, std::vector<std::string> argv,
                               const std::string& directory,
                               const std::string& connection_file) override;
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
  void add_program_files(const std::vector<std::string>& argv, const LaunchRequest& request,
                         const std::string& directory);
  Result<void> add_system();
  Result<std::vector<std::string>> hold_limits(const LaunchRequest& request,
                                               std::vector<std::string> argv);
  /// Shows what `source` is open on.
  void add_bind(FileDescriptor source, const std::string& path, const std::string& target,
                bool read_only);
  /// Hands a text to bubblewrap; the number of its descriptor there.
  Result<int> add_descriptor(const std::string& text);

  SandboxMachine& machine_;
  SandboxRequest wanted_;
  SandboxPlan plan_;
  SpawnRequest spawn_;
  std::vector<FileDescriptor> files_;  // open for spawn_
  // Given back last, when no process of it can be left.
  std::shared_ptr<UidPool::Lease> user_;
  std::unique_ptr<KernelCgroups> cgroups_;
  IsolationReport report_{.kind = "sandbox", .network = "none", .limits = {}, .notes = {}};
  bool cpu_time_limited_ = false;
  // As this machine numbers them: the first process inside, whose end is that of all, and the
  // kernel, its first child.
  FileDescriptor init_;
  pid_t init_pid_ = 0;
  FileDescriptor kernel_;
  pid_t kernel_pid_ = 0;
};

}  // namespace perijove
