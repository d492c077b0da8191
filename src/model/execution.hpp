#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"

/// One execute_request, from the moment it was sent until its one verdict.
///
/// How a shell drives it:
///
///     Execution run(options, msg_id, Clock::now());   // right after execute_request went out
///     feed(event): for (Action& action : run.on(event, now)) perform(action);
///     timer at run.next_deadline(): feed(DeadlinePassed{})
///
/// Every message of shell, stdin and iopub whose parent is this request is fed as a Message, in
/// order of arrival; messages with other parents may be fed too and are ignored. Outputs are
/// collected elsewhere; this only learns that there were some. After Finish, on() returns nothing.
///
/// It does not need the kernel to be right: a missing reply, a missing idle, a second reply or no
/// answer at all still end in exactly one verdict, within ExecutionOptions::time_max() of a limit,
/// a cancellation or a refused input. Only code that runs on without a limit has no bound.
namespace perijove::execution {

enum class Outcome {
  ok,
  error,        ///< The code raised; its traceback is among the outputs.
  aborted,      ///< The kernel skipped it because an earlier request failed.
  timed_out,    ///< Over its time limit or its output limit; see Verdict::state_lost.
  interrupted,  ///< It failed after somebody interrupted the kernel.
  died,         ///< The kernel's process ended.
  needs_input,  ///< It asked for input although stdin was not allowed.
  cancelled,    ///< Its caller withdrew it.
};

struct Verdict {
  Outcome outcome = Outcome::ok;
  bool state_lost =
      false;           ///< The variables of earlier code are gone, or will be with the restart.
  std::string note;    ///< For people; empty when there is nothing to add.
  bool stuck = false;  ///< It did not yield and was left running (IfStuck::leave).

  bool operator==(const Verdict&) const = default;
};

// Events.

/// A message whose parent_header.msg_id is `parent_msg_id`.
struct Message {
  ByteView msg_type;
  ByteView parent_msg_id;
  /// `status` of an execute_reply, `execution_state` of a status message; empty otherwise.
  ByteView status;
};
/// Somebody interrupted the kernel (REST, a client's interrupt_request, Ctrl-C), not this machine.
struct KernelInterrupted {};
/// lifecycle::ProcessGone.
struct KernelGone {
  std::string reason;
};
struct Cancel {};
struct DeadlinePassed {};

using Event = std::variant<Message, KernelInterrupted, KernelGone, Cancel, DeadlinePassed>;

// Actions.

/// Interrupt the kernel: SIGINT to its group or interrupt_request, as its kernelspec says.
struct Interrupt {};
/// The code does not yield: restart the kernel without asking it (lifecycle::RestartRequested with
/// now). Always followed by Finish.
struct RestartKernel {};
/// The verdict; always the last action.
struct Finish {
  Verdict verdict;
};

using Action = std::variant<Interrupt, RestartKernel, Finish>;

/// What to do with code that two interrupts did not end.
enum class IfStuck {
  restart,  ///< Restart the kernel; its state is lost. The next execution finds a fresh one.
  leave,    ///< Only tell; for a caller that ends the kernel anyway.
};

struct ExecutionOptions {
  /// From sending to reply; nullopt: no limit, as in Jupyter.
  std::optional<Duration> limit = std::nullopt;

  /// Longest time without a message from the kernel about this request; nullopt: no limit. Finds
  /// code that hangs sooner than a generous `limit` can.
  std::optional<Duration> quiet_limit = std::nullopt;

  /// How long an interrupt may take before the second one, and that one before `if_stuck`. 5 s:
  /// Python takes 10 to 400 ms, cleanup handlers of the code need the rest.
  Duration grace = std::chrono::seconds(5);

  /// How long idle is waited for after the reply, or the reply after idle, and after every output
  /// that still comes meanwhile: behind a flood, iopub is late. 4 s, as nbclient's iopub_timeout.
  /// Kernels that forget one of them still give a verdict, with a note.
  Duration settle_wait = std::chrono::seconds(4);

  /// That wait in all, for a kernel that forgets one and prints for ever.
  Duration settle_max() const { return 15 * settle_wait; }

  IfStuck if_stuck = IfStuck::restart;

  /// Whether nobody else runs code in this kernel. When false, a request that has not begun by its
  /// limit or cancellation is given up without an interrupt, for that would hit somebody else's
  /// code. The kernel may still run it later; the note says so.
  bool sole_user = true;

  /// Whether the kernel keeps variables from block to block. When false, nothing is said of them.
  bool keeps_variables = true;

  /// Longest time from a limit, a cancellation or a refused input to Finish.
  Duration time_max() const { return 2 * grace + settle_max(); }
};

/// The state machine. Not thread-safe; it owns nothing but its own memory.
class Execution {
 public:
  Execution(ExecutionOptions options, std::string msg_id, TimePoint now);

  /// What `event` at `now` makes necessary. `now` never goes backwards.
  std::vector<Action> on(const Event& event, TimePoint now);

  /// When DeadlinePassed is to be fed; nullopt while no clock runs and after Finish.
  std::optional<TimePoint> next_deadline() const;

  bool finished() const { return phase_ == Phase::finished; }
  const std::string& msg_id() const { return msg_id_; }

 private:
  enum class Phase {
    sent,                ///< Nothing heard yet.
    running,             ///< busy, or any other message about it.
    interrupting,        ///< First interrupt is out.
    interrupting_again,  ///< Second interrupt is out.
    settling,            ///< Reply or idle is there, the other is missing.
    finished,
  };
  enum class Ended { no, limit, quiet, cancel, input };  ///< Why we interrupted, if we did.

  std::vector<Action> on_message(const Message& message, TimePoint now);
  std::vector<Action> on_gone(const KernelGone& gone);
  std::vector<Action> on_deadline(TimePoint now);
  std::vector<Action> end(Ended why, TimePoint now);
  std::vector<Action> finish(Outcome outcome, bool state_lost, std::string note);
  Outcome outcome() const;
  std::string cause() const;
  std::string note_when_settled() const;

  ExecutionOptions options_;
  std::string msg_id_;
  Phase phase_ = Phase::sent;
  Ended ended_ = Ended::no;
  bool idle_ = false;
  bool interrupted_ = false;           ///< Somebody else interrupted the kernel.
  bool error_seen_ = false;            ///< An iopub error message.
  std::optional<std::string> reply_;   ///< Status of the first execute_reply.
  std::optional<TimePoint> limit_at_;  ///< End of `limit`.
  std::optional<TimePoint> quiet_at_;  ///< End of `quiet_limit` from the latest message.
  std::optional<TimePoint> step_at_;   ///< End of a grace or of settle_wait.
  TimePoint settling_since_;
};

/// `ok`, `timed_out` and so on: the enumerator's own spelling.
std::string_view to_string(Outcome outcome);

inline std::ostream& operator<<(std::ostream& out, Outcome outcome) {
  return out << to_string(outcome);
}

}  // namespace perijove::execution

namespace perijove {
using execution::Execution;
using execution::ExecutionOptions;
}  // namespace perijove
