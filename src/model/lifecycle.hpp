#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "model/execution_state.hpp"
#include "model/lifecycle_table.hpp"
#include "model/process_exit.hpp"
#include "model/restart_budget.hpp"
#include "perijove/result.hpp"

/// One kernel's life, from the first launch to the end of its record.
///
/// How a shell drives it:
///
///     Lifecycle life(options);
///     void feed(Event event) {                    // never from inside perform(): queue it
///       for (Action& action : life.on(event, Clock::now())) perform(action);
///       timer.expires_at(life.next_deadline());   // when it fires: feed(DeadlinePassed{})
///     }
///     feed(StartRequested{id});
///
/// What the shell promises:
/// - Actions are performed in order. None needs to have taken effect before the next.
/// - Every Launch is answered by exactly one Launched or LaunchFailed, however late, and every
///   Launched is followed by at most one ProcessExited, both with the generation of the Launch.
/// - KernelInfoReplied, IopubSeen and ShutdownReplied are told only for messages that answer a
///   request sent since the latest Connect (by msg_id; IopubSeen also for an iopub_welcome): what
///   the process before has left in the sockets proves nothing about this one.
/// - Before ProcessExited, what the sockets still hold is read and fed: a kernel that was asked by
///   a client to shut down must not look like one that died.
/// - The group is signalled by number, and only an unreaped leader keeps that number from being
///   given to somebody else. So whoever reaps the leader kills the rest of its group first, and a
///   signal that comes after that does nothing.
///
/// What it gets: every request is completed exactly once, at most one process at any time, and
/// nothing takes longer than the clocks in LifecycleOptions.
namespace perijove::lifecycle {

/// Chosen by the shell; unique among the requests that are not completed yet.
using RequestId = std::uint64_t;

/// Counts the launches of one kernel from 1: which process an event or action is about.
using Generation = std::uint32_t;

/// How far a start or restart has to come before its request is complete.
enum class Until {
  launched,  ///< The process runs. What POST .../restart waits for, as jupyter_server's does.
  ready,     ///< The kernel answers.
};

// Events.

/// Make it run: launches a created or dead kernel, waits for one that is on its way.
struct StartRequested {
  RequestId id = 0;
  Until until = Until::ready;
};
/// End its process and launch it again. A dead kernel is started; one whose launch is under way is
/// left to finish, for a fresh process is what was asked for.
struct RestartRequested {
  RequestId id = 0;
  Until until = Until::launched;
  bool now = false;  ///< SIGKILL without asking first.
};
struct StopRequested {
  RequestId id = 0;
  bool now = false;  ///< SIGKILL without asking first.
};
struct Launched {
  Generation generation = 0;
};
struct LaunchFailed {
  Generation generation = 0;
  Error error;
};
/// A reply to one of our SendKernelInfo.
struct KernelInfoReplied {};
/// An iopub message that this process sent: the subscription works. Of use while connecting only;
/// after that there is no need to feed it.
struct IopubSeen {};
/// The kernel answered a shutdown_request, ours or a client's; its exit follows.
struct ShutdownReplied {
  bool restart = false;
};
struct ProcessExited {
  Generation generation = 0;
  ProcessExit exit;
};
/// The time of next_deadline() has come. Too early a call does nothing.
struct DeadlinePassed {};

using Event =
    std::variant<StartRequested, RestartRequested, StopRequested, Launched, LaunchFailed,
                 KernelInfoReplied, IopubSeen, ShutdownReplied, ProcessExited, DeadlinePassed>;

// Actions.

/// Have the provisioner start a process. Messages that were queued for the process before are
/// dropped, not sent to this one.
struct Launch {
  Generation generation = 0;
};
/// The result of that launch is no longer wanted: end it early if the provisioner can. It is still
/// answered: with LaunchFailed as soon as it is certain that no process comes of it.
struct CancelLaunch {
  Generation generation = 0;
};
/// Open the channels to the launched process, or keep them when they are open.
struct Connect {};
/// Send a kernel_info_request on shell that no client ever sees, nor what it causes.
struct SendKernelInfo {};
/// Send a shutdown_request on control.
struct SendShutdown {
  bool restart = false;
};
/// SIGTERM to the process group; for a container, the engine's stop.
struct SignalTerminate {
  Generation generation = 0;
};
/// SIGKILL to the whole process group, grandchildren included; for a container, the engine's kill.
/// Harmless when nobody is left.
struct SignalKillGroup {
  Generation generation = 0;
};
/// What ran in that process is lost: end its executions, forget its busy parents. At most once per
/// generation.
struct ProcessGone {
  Generation generation = 0;
  std::string reason;   ///< One sentence for people; the shell may add the kernel's last output.
  bool wanted = false;  ///< Whether a stop or restart was under way.
};
/// Tell every client with an iopub `status` message (parent_header {}), and Activity::announce.
/// `restarting` means an automatic restart to JupyterLab, so a restart that somebody asked for
/// announces `starting` only. `dead` is told both for one that is given up and for one that was
/// stopped; state() tells which.
struct Announce {
  ExecutionState state = ExecutionState::starting;
};
/// Answer a request. On failure with `kernel_failed`, the kernel's last output belongs into the
/// message, for it says why.
struct Complete {
  RequestId id = 0;
  std::optional<Error> error;
  bool kernel_failed = false;
};
/// Close the channels, remove connection file, sockets and runtime directory.
struct Cleanup {};

using Action =
    std::variant<Launch, CancelLaunch, Connect, SendKernelInfo, SendShutdown, SignalTerminate,
                 SignalKillGroup, ProcessGone, Announce, Complete, Cleanup>;

enum class AutoRestart {
  never,   ///< A death is final until somebody restarts: for agents that must know of lost state.
  always,  ///< As Jupyter does, within the budget.
};

struct LifecycleOptions {
  /// From Launch to ready. 60 s: jupyter_server's kernel_info_timeout and nbclient's
  /// startup_timeout; a cold scientific Python takes 1 to 10 s, an image pull longer.
  Duration start_timeout = std::chrono::seconds(60);

  /// Pause before the first repetition of kernel_info_request; doubles with every one. 100 ms: a
  /// kernel loses the iopub answers that it gives before our subscription has reached it, which
  /// takes a few ms, so the second request nearly always succeeds.
  Duration nudge_first = std::chrono::milliseconds(100);
  /// Longest pause between repetitions. 1 s: a kernel that imports for 20 s finds some 20 requests.
  Duration nudge_max = std::chrono::seconds(1);

  /// From shutdown_request to SIGKILL, with SIGTERM at half. 5 s: jupyter_client's
  /// shutdown_wait_time. A kernel that was never ready has nothing to save and is not asked: its
  /// ladder begins with SIGTERM and takes half as long.
  Duration shutdown_wait = std::chrono::seconds(5);

  /// How long the end of a killed process, or the return of a cancelled launch, is waited for. 10
  /// s: SIGKILL takes milliseconds unless the process hangs in the kernel of the system, but a
  /// container engine that restarts itself is away for about that long.
  Duration kill_wait = std::chrono::seconds(10);

  AutoRestart auto_restart = AutoRestart::always;
  RestartBudgetOptions restart_budget = {};

  /// Starts and restarts that may wait at a time, and as many stops. 1,000 is far beyond any real
  /// client; one more is refused.
  std::size_t pending_requests_max = 1000;
};

/// The state machine. Not thread-safe; it owns nothing but its own memory.
class Lifecycle {
 public:
  explicit Lifecycle(LifecycleOptions options = {});

  /// What `event` at `now` makes necessary. `now` never goes backwards. An event that does not fit
  /// the state (late, repeated) changes nothing.
  std::vector<Action> on(const Event& event, TimePoint now);

  /// When DeadlinePassed is to be fed; nullopt while no clock runs.
  std::optional<TimePoint> next_deadline() const;

  State state() const { return state_; }

  /// The latest Launch; 0 before the first.
  Generation generation() const { return generation_; }

  /// Why its process last ended without anybody asking, or could not be started; empty when that
  /// never happened. Stays after an automatic restart, and until somebody starts it anew.
  const std::string& reason() const { return death_.message; }

  /// The row that was taken last, for logs and tests; nullptr before the first.
  const Row* last_row() const { return last_row_; }

 private:
  enum class Process { none, launching, running };
  /// The ladder's rungs that have been climbed to.
  enum class Rung { none, asked, terminated, killed };
  struct Pending {
    RequestId id;
    Until until;
  };
  struct Occurrence;

  bool admit(std::vector<Pending>& waiting, Pending request, std::vector<Action>& actions);
  void take(const Occurrence& what, TimePoint now, std::vector<Action>& actions);
  bool holds(Guard guard, const Occurrence& what, TimePoint now) const;
  void perform(Step step, TimePoint now, std::vector<Action>& actions);
  /// Every request waits in one of two lists until the state decides it: so each is completed
  /// once, whatever happened in between.
  void settle_requests(std::vector<Action>& actions);

  /// Puts into death_ why the kernel dies, or restarts itself, by `row`.
  void note_death(const Row& row, const Occurrence& what);
  std::string reason_gone() const;
  Error overdue_end() const;

  LifecycleOptions options_;
  State state_ = State::created;
  const Row* last_row_ = nullptr;

  Generation generation_ = 0;
  Process process_ = Process::none;
  Rung rung_ = Rung::none;
  bool gone_is_due_ = false;  ///< A process was launched whose ProcessGone is not reported yet.
  bool kernel_info_known_ = false;
  bool iopub_seen_ = false;
  bool was_ready_ = false;  ///< Since it was last started on purpose.
  RestartBudget budget_;

  std::optional<TimePoint> deadline_;
  std::optional<TimePoint> nudge_at_;
  Duration nudge_pause_{};

  std::vector<Pending> starters_;  ///< Starts and restarts that wait.
  std::vector<Pending> stoppers_;  ///< Stops that wait; their `until` means nothing.
  Error death_;
  std::optional<Error> stop_error_;  ///< What the stops are told when the process did not end.
  std::optional<Error> refusal_;     ///< What the starters are told instead of death_.
};

}  // namespace perijove::lifecycle

namespace perijove {
using lifecycle::Lifecycle;
using lifecycle::LifecycleOptions;
}  // namespace perijove
