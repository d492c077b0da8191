#pragma once

#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The life of a kernel as data: every transition there is, one row each. Lifecycle interprets the
/// rows and knows no other way to change its state; the diagram and the table of
/// docs/life-of-a-kernel.md are printed from them.
namespace perijove::lifecycle {

enum class State {
  created,     ///< Known, nothing launched yet.
  starting,    ///< A launch is under way at the provisioner.
  connecting,  ///< The process is there; it has not answered on shell and on iopub yet.
  ready,       ///< It answers, and its iopub messages reach us.
  restarting,  ///< Its process is being ended, to be launched again under the same id.
  stopping,    ///< Its process is being ended for good.
  dead,        ///< Given up, with a reason; a restart starts it again.
  stopped,     ///< The end. The record may be forgotten.
};

/// What can happen. `timeout` is the deadline of the state that the kernel is in.
enum class Trigger {
  start_requested,
  restart_requested,
  stop_requested,
  launched,
  launch_failed,
  kernel_info_replied,
  iopub_seen,
  shutdown_replied,
  process_exited,
  nudge_due,
  timeout,
};

/// What must hold for a row to be taken. Of several rows for one state and trigger, the first
/// whose guard holds.
enum class Guard {
  always,
  now,                ///< The request said at once, and there is a process not killed yet.
  iopub_was_seen,     ///< Since this process was launched.
  kernel_info_known,  ///< This process has answered kernel_info_request.
  restart_follows,    ///< The kernel's shutdown_reply said restart: true.
  may_restart,        ///< Auto-restart is on, it was ready before, and the budget has some left.
  process_running,    ///< A process was launched and its end was not reported yet.
  launch_pending,     ///< A launch was ordered and has not come back yet.
  asked,              ///< Rung of the ladder: shutdown_request is out.
  terminated,         ///< Rung of the ladder: SIGTERM was sent.
};

/// What a row does, in order. Most steps are one action for the shell; the others say which clock
/// or counter they touch.
enum class Step {
  launch,             ///< Next generation; starts the clock `start_timeout`.
  cancel_launch,      ///< Waits `kill_wait` for the launch to come back.
  connect,            ///< Opens the channels.
  send_kernel_info,   ///< The nudge; sets the clock of the next one.
  send_shutdown,      ///< Rung 1; starts the clock `shutdown_wait` / 2.
  await_exit,         ///< Rung 1 without a request of ours: a client has sent it.
  signal_terminate,   ///< Rung 2; starts the clock `shutdown_wait` / 2.
  signal_kill_group,  ///< Rung 3; starts the clock `kill_wait`.
  sweep_group,        ///< SIGKILL to what is left of the group: grandchildren.
  report_gone,        ///< What ran in the process is lost.
  give_up_on_exit,    ///< The stop fails: the process, or its launch, outlived the last clock.
  refuse,             ///< The request fails, the state stays.
  spend_restart,      ///< Takes one out of the restart budget.
  begin_anew,         ///< Clears budget and reason; a death before ready will be final.
  announce_starting,
  announce_restarting,
  announce_idle,  ///< Also: a death from here on may be followed by a restart.
  announce_dead,
  cleanup,  ///< Removes connection file, sockets and directory.
};

struct Row {
  State from;
  Trigger trigger;
  Guard guard;
  State to;
  std::vector<Step> steps;
};

/// All rows. A state and trigger without a row: nothing happens.
std::span<const Row> table();

std::string_view to_string(State state);
std::string_view to_string(Trigger trigger);
std::string_view to_string(Guard guard);
std::string_view to_string(Step step);

inline std::ostream& operator<<(std::ostream& out, State state) { return out << to_string(state); }

/// The states and what leads from one to another, as a Mermaid state diagram; rows that stay where
/// they are are left out.
std::string lifecycle_diagram();

/// Every row, as a Markdown table.
std::string lifecycle_rows();

}  // namespace perijove::lifecycle
