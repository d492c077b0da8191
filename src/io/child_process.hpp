#pragma once

#include <sys/types.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "io/file_descriptor.hpp"
#include "io/shard.hpp"
#include "io/start_process.hpp"
#include "model/process_exit.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// What to start. The process gets a session and group of its own, exactly this environment and one
/// variable that marks its descendants as ours (PERIJOVE_PROCESS), standard input from /dev/null,
/// standard output and error into one pipe that is always drained, and no other descriptor of ours
/// but those named.
struct SpawnRequest {
  /// argv[0] is searched in the PATH of `env` unless it has a slash. What is relative begins in
  /// work_dir.
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::string work_dir;
  /// What it reads from standard input instead, up to its end.
  std::optional<std::string> input = {};
  ProcessLimits limits = {};
  /// Of ours, for the time of the call; the process has them as 3, 4 and so on.
  std::vector<int> descriptors = {};
  std::vector<std::string> cgroups = {};  ///< Directories of the cgroups that it is born in.
  /// Whom it runs as instead of this user; only root can.
  std::optional<ProcessIdentity> identity = {};
  /// As in ProcessStart; of ours, for the time of the call.
  int user_namespace = -1;
};

/// The file that `request` would run: argv[0], looked for in the PATH of `env` unless it has a
/// slash; a relative one begins in `work_dir`. not_found names what was searched.
Result<std::string> find_program(const SpawnRequest& request);

/// A child with everything it forked. Destroying it kills the whole group at once unless the
/// process has ended; so nothing runs on without an owner. Shard thread only.
class ChildProcess {
 public:
  using OnExit = std::function<void(ProcessExit)>;
  using OnOutput = std::function<void(ByteView)>;

  class Adoption;

  /// Errors: not_found (no such program or directory), resource_exhausted, internal; each names the
  /// program and the system's reason. `on_output` gets what the process and its children write;
  /// `on_exit` is called once, after the output up to then, milliseconds after the end: a pidfd
  /// tells it. With `on_error` standard error goes to a pipe and a callback of its own. None is
  /// called after the destructor began.
  static Result<std::unique_ptr<ChildProcess>> spawn(Shard& shard, const SpawnRequest& request,
                                                     OnOutput on_output, OnExit on_exit,
                                                     OnOutput on_error = nullptr);
  ~ChildProcess();

  pid_t pid() const;
  /// "NAME=value" in the environment of the process and of what it starts: whose they are.
  std::string marker() const;
  /// Set once on_exit was called.
  const std::optional<ProcessExit>& exit_status() const;

  /// To every process of the group (an interrupt must reach what a cell started, too).
  void signal_group(int signal);

  /// SIGKILL to the group, to every process of the child's session and to every descendant that can
  /// be found, daemonised grandchildren included. Right after exit, too: the group may live on.
  void kill_all();

 private:
  struct State;
  explicit ChildProcess(std::shared_ptr<State> state);
  static Result<std::unique_ptr<ChildProcess>> own(std::shared_ptr<State> state, pid_t pid);
  std::shared_ptr<State> state_;
};

/// A process that another one starts for us, and leaves to us by ending the process between the
/// two: prepare_process_supervision() makes us the parent of such orphans. Until it is taken, and
/// while any other is waited for, no orphan is reaped: its number stays its own. One that is not
/// taken in the end is killed, by its marker. Shard thread only.
class ChildProcess::Adoption {
 public:
  /// Errors: failed_precondition (orphans are not left to this process), resource_exhausted.
  static Result<Adoption> prepare(Shard& shard);
  Adoption(Adoption&&) noexcept;
  ~Adoption();

  /// What it must have as standard output and error; ours still.
  int output() const { return output_.get(); }
  /// What must be in its environment: ChildProcess::marker().
  std::string marker() const;

  /// It runs, leads a session of its own, and whoever was between is gone: from here on it is as if
  /// spawn() had started it. Errors: internal (there is no such child), resource_exhausted.
  Result<std::unique_ptr<ChildProcess>> take(pid_t pid, OnOutput on_output, OnExit on_exit) &&;

 private:
  explicit Adoption(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;  // null when moved from
  FileDescriptor output_;
};

/// Makes this process adopt orphans of its children (PR_SET_CHILD_SUBREAPER), so that kill_all()
/// still finds a grandchild whose parent has ended, and lifts the soft limit of open files to the
/// hard one (children get the old soft limit back). Reaps the adopted on `shard`. Once, at start,
/// and only in a process of our own: it reaps every child that no ChildProcess owns. Without it
/// kill_all() looks at every process of the machine instead.
void prepare_process_supervision(Shard& shard);

}  // namespace perijove
