#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "model/execution_state.hpp"

namespace perijove {

struct ActivityOptions {
  /// Requests that may be busy at one time. 1,000: beyond it the oldest counts as finished, so that
  /// a kernel that never says idle costs bounded memory.
  std::size_t busy_parents_max = 1000;

  /// How long a request whose reply has come still counts as busy when its idle status is missing.
  /// 4 s, as nbclient's iopub_timeout: some kernels forget the status, and a kernel that is busy
  /// for ever is never culled.
  Duration idle_wait = std::chrono::seconds(4);
};

/// What an iopub message says about activity, from its headers; content only of `status`.
struct IopubMessage {
  ByteView msg_type;
  ByteView parent_msg_id;  ///< Empty when it answers nothing.
  ByteView parent_type;    ///< Empty when it answers nothing.
  ByteView status;         ///< execution_state of a `status` message, empty otherwise.
};

/// Whether messages of this type count as work of a user: false for what front ends send by
/// themselves (kernel_info, comm_info, debug, ...) and for what goes over control, so that a status
/// light that polls the kernel does not keep it from being culled. The list is jupyter_server's
/// untracked_message_types (services/kernels/kernelmanager.py) and the subshell requests.
bool is_tracked_type(std::string_view msg_type);

/// execution_state and last_activity of one kernel, from its iopub messages.
///
/// A kernel is busy while any tracked request is unfinished. It is a set and not the latest status:
/// with subshells, or a kernel that runs cells concurrently, the idle of one request comes while
/// another is still running (jupyter_server issue 1429).
///
/// How a shell drives it: on_iopub for every verified iopub message before it is broadcast (also
/// for those of the hidden kernel_info_request), on_reply for every shell reply, announce for every
/// lifecycle::Announce, forget_busy for ProcessGone, on_deadline at next_deadline(). When one of
/// them returns true, execution_state() has changed.
class Activity {
 public:
  Activity(ActivityOptions options, TimePoint now, WallTime wall);

  bool on_iopub(const IopubMessage& message, TimePoint now, WallTime wall);

  /// A reply on shell to the request `parent_msg_id`.
  void on_reply(ByteView parent_msg_id, TimePoint now);

  /// What the lifecycle tells the clients. All but idle forget the busy requests; idle is what a
  /// kernel becomes when it is ready, unless a client's request is running already.
  bool announce(ExecutionState state, TimePoint now, WallTime wall);

  /// Somebody comes to use the kernel: its idle time begins now.
  void begin_use(TimePoint now, WallTime wall);

  /// The process is gone, and every request with it.
  bool forget_busy(TimePoint now);

  bool on_deadline(TimePoint now);
  std::optional<TimePoint> next_deadline() const;

  ExecutionState execution_state() const;

  /// The latest tracked message, or any while busy; what the kernel model shows.
  WallTime last_activity() const { return last_activity_wall_; }
  /// The same on the clock of deadlines.
  TimePoint last_activity_at() const { return last_activity_; }

  /// Since when nothing has been going on: the change from busy to idle, or a later sign of work
  /// (a background thread that prints). nullopt unless idle or dead.
  std::optional<TimePoint> idle_since() const;

 private:
  struct BusyParent {
    std::string msg_id;
    std::optional<TimePoint> finished_at;  ///< Set by its reply: when it stops waiting for idle.
  };

  void start(ByteView msg_id);
  void finish(ByteView msg_id, TimePoint now);

  ActivityOptions options_;
  ExecutionState base_ = ExecutionState::starting;  ///< What it is when nothing is busy.
  std::vector<BusyParent> busy_;  ///< Oldest first; searched in order, for it rarely holds two.
  TimePoint last_activity_;
  TimePoint idle_since_;
  WallTime last_activity_wall_;
};

}  // namespace perijove
