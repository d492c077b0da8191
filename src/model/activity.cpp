#include "model/activity.hpp"

#include <algorithm>
#include <array>

namespace perijove {

bool is_tracked_type(std::string_view msg_type) {
  static constexpr std::array<std::string_view, 27> kUntracked = {
      "comm_info_request",
      "comm_info_reply",
      "kernel_info_request",
      "kernel_info_reply",
      "shutdown_request",
      "shutdown_reply",
      "interrupt_request",
      "interrupt_reply",
      "debug_request",
      "debug_reply",
      "stream",
      "display_data",
      "update_display_data",
      "execute_input",
      "execute_result",
      "error",
      "status",
      "clear_output",
      "debug_event",
      "input_request",
      "input_reply",
      // Not in jupyter_server's list, which is older than subshells (protocol 5.5): sent on
      // control.
      "create_subshell_request",
      "create_subshell_reply",
      "delete_subshell_request",
      "delete_subshell_reply",
      "list_subshell_request",
      "list_subshell_reply",
  };
  return std::find(kUntracked.begin(), kUntracked.end(), msg_type) == kUntracked.end();
}

Activity::Activity(ActivityOptions options, TimePoint now, WallTime wall)
    : options_(options), last_activity_(now), idle_since_(now), last_activity_wall_(wall) {}

bool Activity::on_iopub(const IopubMessage& message, TimePoint now, WallTime wall) {
  if (base_ == ExecutionState::dead) return false;  // What was still on its way.
  const ExecutionState before = execution_state();
  // A message that answers nothing counts as a user's, as in jupyter_server: a comm that a
  // background thread opened, say.
  const bool tracked_parent = message.parent_type.empty() || is_tracked_type(message.parent_type);
  if (tracked_parent || is_tracked_type(message.msg_type) || !busy_.empty()) {
    last_activity_ = idle_since_ = now;
    last_activity_wall_ = wall;
  }
  if (message.msg_type != "status") return false;

  const auto status = parse_execution_state(message.status);
  if (status == ExecutionState::busy || status == ExecutionState::idle) {
    // Whomever it answers, a kernel that works is past its start.
    base_ = ExecutionState::idle;
    if (status == ExecutionState::idle) {
      finish(message.parent_msg_id, now);
    } else if (tracked_parent) {
      start(message.parent_msg_id);
    }
  } else if (status == ExecutionState::starting && base_ == ExecutionState::restarting) {
    base_ = ExecutionState::starting;
  }
  return execution_state() != before;
}

void Activity::start(ByteView msg_id) {
  for (const BusyParent& parent : busy_) {
    if (parent.msg_id == msg_id) return;
  }
  if (busy_.size() >= std::max<std::size_t>(options_.busy_parents_max, 1))
    busy_.erase(busy_.begin());
  busy_.push_back({std::string(msg_id), std::nullopt});
}

void Activity::finish(ByteView msg_id, TimePoint now) {
  const auto erased =
      std::erase_if(busy_, [&](const BusyParent& parent) { return parent.msg_id == msg_id; });
  if (erased != 0) idle_since_ = now;
}

void Activity::on_reply(ByteView parent_msg_id, TimePoint now) {
  for (BusyParent& parent : busy_) {
    if (parent.msg_id == parent_msg_id && !parent.finished_at) {
      parent.finished_at = now + options_.idle_wait;
    }
  }
}

bool Activity::announce(ExecutionState state, TimePoint now, WallTime wall) {
  const ExecutionState before = execution_state();
  if (state != ExecutionState::idle) busy_.clear();
  base_ = state;
  begin_use(now, wall);
  return execution_state() != before;
}

void Activity::begin_use(TimePoint now, WallTime wall) {
  last_activity_ = idle_since_ = now;
  last_activity_wall_ = wall;
}

bool Activity::forget_busy(TimePoint now) {
  const ExecutionState before = execution_state();
  if (!busy_.empty()) idle_since_ = now;
  busy_.clear();
  return execution_state() != before;
}

bool Activity::on_deadline(TimePoint now) {
  const ExecutionState before = execution_state();
  const auto erased = std::erase_if(busy_, [&](const BusyParent& parent) {
    return parent.finished_at && *parent.finished_at <= now;
  });
  if (erased != 0) idle_since_ = now;
  return execution_state() != before;
}

std::optional<TimePoint> Activity::next_deadline() const {
  std::optional<TimePoint> earliest;
  for (const BusyParent& parent : busy_) {
    if (parent.finished_at && (!earliest || *parent.finished_at < *earliest)) {
      earliest = parent.finished_at;
    }
  }
  return earliest;
}

ExecutionState Activity::execution_state() const {
  return busy_.empty() ? base_ : ExecutionState::busy;
}

std::optional<TimePoint> Activity::idle_since() const {
  const ExecutionState state = execution_state();
  if (state != ExecutionState::idle && state != ExecutionState::dead) return std::nullopt;
  return idle_since_;
}

}  // namespace perijove
