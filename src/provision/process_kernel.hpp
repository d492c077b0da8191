#pragma once

#include <functional>
#include <memory>
#include <string>

#include "io/runtime_dir.hpp"
#include "provision/provisioner.hpp"

namespace perijove {

/// What differs between the ways to run a kernel as a process of this machine; the rest is the same
/// for all: a directory of its own, a connection file, pinned sockets, the watch over its end. One
/// object for each launch, on the shard's thread; it is destroyed when the process is gone and the
/// directory is removed.
class KernelHousing {
 public:
  virtual ~KernelHousing() = default;

  /// How the kernel's sockets are reached.
  virtual Result<Transport> transport(const LaunchRequest& request) = 0;
  /// How the process is started whose command line is `argv`. `directory` is the kernel's own,
  /// 0700; `connection_file` lies in it. Both may be given to another owner here.
  virtual Result<SpawnRequest> prepare(const LaunchRequest& request, std::vector<std::string> argv,
                                       const std::string& directory,
                                       const std::string& connection_file) = 0;
  using Started = std::function<void(Result<std::unique_ptr<ChildProcess>>)>;
  /// Starts that process; `started` is called once, during this call or from the loop.
  virtual void start(Shard& shard, const SpawnRequest& spawn, const std::string& connection_file,
                     ChildProcess::OnOutput on_output, ChildProcess::OnExit on_exit,
                     Started started);
  /// Whose sockets the kernel's must be.
  virtual uid_t owner() const;

  /// From the start of the process until its sockets are there, every few milliseconds, and before
  /// each of the following: the time to look at what it started.
  virtual void look(const ChildProcess&) {}
  virtual void signal(ChildProcess& process, int number) { process.signal_group(number); }
  /// The kernel's end, told from the end of the process that was started.
  virtual ProcessExit end_of_kernel(const ProcessExit& exit) { return exit; }

  virtual std::string describe(const ChildProcess& process) const;
  virtual IsolationReport isolation() const = 0;
};

/// Begins a launch, as Provisioner::launch. `runtime_dir` must outlive the kernel.
std::unique_ptr<LaunchedKernel> launch_process_kernel(Shard& shard, RuntimeDir& runtime_dir,
                                                      const LaunchRequest& request,
                                                      LaunchEvents events,
                                                      std::unique_ptr<KernelHousing> housing);

/// tcp or ipc, as the kernelspec's metadata says ({"perijove": {"transport": "tcp"}}); nullopt when
/// it says nothing.
std::optional<Transport> transport_of(const Kernelspec& spec);

/// Adds those of `limits` that start_process() sets for each process of a kernel.
void report_process_limits(const ProcessLimits& limits, IsolationReport& report);

}  // namespace perijove
