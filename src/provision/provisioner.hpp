#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "io/child_process.hpp"
#include "io/shard.hpp"
#include "perijove/result.hpp"
#include "protocol/connection_info.hpp"
#include "protocol/kernelspec.hpp"
#include "provision/isolation.hpp"
#include "provision/kernel_place.hpp"

namespace perijove {

/// What a living kernel must know to leave a copy of itself to us.
struct BranchRequest {
  std::string connection_file;  ///< Of the copy.
  std::string work_dir;         ///< Of the copy; its files are there.
  Environment env;              ///< Of the copy, whole.
  std::string output;           ///< What it opens as its standard output and error.
};
/// Asks it to. `done` is called once, from the loop, with the process id of the copy, which is then
/// an orphan of ours (ChildProcess::Adoption).
using Branch = std::function<void(const BranchRequest&, std::function<void(Result<pid_t>)> done)>;

/// What to start, whole: a provisioner asks nobody for anything else.
struct LaunchRequest {
  KernelId kernel_id;
  Kernelspec spec;
  /// A client has brought `spec` along: that it names files of this machine gives it none of them.
  bool is_clients_spec = false;
  Environment env;       ///< Exactly what the kernel gets.
  /// The Python environment that its caller named, where the kernel sees it; `env` begins with it,
  /// and `spec.interpreter` may be of it. Whoever can write there decides what is run.
  std::string virtual_env = {};
  std::string work_dir;  ///< Absolute; must exist.
  ProcessLimits limits = {};
  IsolationRequest isolation = {};
  /// How the kernel's sockets are reached unless its kernelspec says so itself
  /// (metadata.perijove.transport).
  Transport transport = Transport::ipc;
  /// Where the kernel comes from instead of a program; null: from its kernelspec. Only without
  /// isolation.
  Branch branch = {};
};

/// Where the gateway's own sockets connect to, and how messages are signed.
struct Endpoints {
  std::string shell;
  std::string iopub;
  std::string stdin_;
  std::string control;
  std::string key;
  std::string signature_scheme;
};

/// What a launch tells, each on the shard's thread, none after the LaunchedKernel was destroyed.
struct LaunchEvents {
  /// The kernel can be connected to. Once.
  std::function<void(const Endpoints&)> on_endpoints;
  /// It could not be started, or its sockets are not to be trusted. Once, instead of the others.
  std::function<void(Error)> on_failed;
  /// Bytes of its standard output and error: not Jupyter messages, but what explains a death.
  std::function<void(ByteView)> on_output;
  /// The process has ended and everything it started has been killed. Once.
  std::function<void(ProcessExit)> on_exit;
};

/// One process (container, pod) of a kernel. Destroying it ends what still runs, at once, and
/// removes its sockets and files: nothing runs or stays without an owner.
class LaunchedKernel {
 public:
  virtual ~LaunchedKernel() = default;

  /// SIGINT to the kernel and what it started in its group. `sent` is called once, also during the
  /// call: it is on its way then, so that code which comes later is not what it hits.
  virtual void interrupt(std::function<void()> sent) = 0;
  /// SIGTERM, likewise.
  virtual void terminate() = 0;
  /// SIGKILL to the group and to every descendant that can be found.
  virtual void kill() = 0;

  /// The connection file on this machine; other Jupyter clients can use it.
  virtual std::string connection_file() const = 0;
  /// For people and `kernel list`: "pid 4711".
  virtual std::string describe() const = 0;
  /// What holds this kernel; whole once on_endpoints was called.
  virtual IsolationReport isolation() const = 0;
  /// What else can be done where it runs; null where nothing can, or it does not run.
  virtual std::shared_ptr<KernelPlace> place() { return nullptr; }
  /// Starts the same kernel anew in the place where its process has ended, with all files that are
  /// there; as launch(), with `events` instead of those before. False, and `events` stay as they
  /// are: nothing of that place is left, or it was never more than a process.
  virtual bool start_again(LaunchEvents& /*events*/) { return false; }
};

/// A way to run kernels.
class Provisioner {
 public:
  virtual ~Provisioner() = default;
  /// What keeps its kernels from the machine and from other kernels, which is also how it is chosen
  /// (`--isolation`, a session's `isolation`): none, sandbox, docker, kubernetes.
  virtual std::string_view kind() const = 0;
  /// The gateway serves from here on: what a gateway that was killed has left can be ended. Does
  /// not wait for anything.
  virtual void begin(Shard& /*shard*/) {}
  /// Whether a launch with these wishes can be tried. Errors: invalid_argument (a field, by its
  /// name, is wrong or not for this provisioner), before anything was started.
  virtual Result<void> check(const IsolationRequest& request) const = 0;
  /// Looks whether kernels can be started here at all. `done` is called once, on the shard's
  /// thread, not during this call: with facts for people (versions, what holds which limit), or
  /// with an error that says why not and what would help.
  virtual void probe(Shard& shard, std::function<void(Result<std::vector<std::string>>)> done) = 0;
  /// The same for a kernel for which nobody asks for anything special, as cheaply as can be. `done`
  /// as there, with one phrase about what would hold it ("bubblewrap 0.8.0").
  virtual void probe_default(Shard& shard, std::function<void(Result<std::string>)> done) {
    probe(shard, [done = std::move(done)](const Result<std::vector<std::string>>& facts) {
      done(facts ? Result<std::string>(facts->front()) : facts.error());
    });
  }
  /// Begins a launch; failure is told by on_failed, never during this call.
  virtual std::unique_ptr<LaunchedKernel> launch(Shard& shard, LaunchRequest request,
                                                 LaunchEvents events) = 0;
};

}  // namespace perijove
