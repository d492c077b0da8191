#include "model/execution.hpp"

#include <algorithm>
#include <utility>

namespace perijove::execution {
namespace {

void keep_earlier(std::optional<TimePoint>& earliest, const std::optional<TimePoint>& time) {
  if (time && (!earliest || *time < *earliest)) earliest = time;
}

}  // namespace

Execution::Execution(ExecutionOptions options, std::string msg_id, TimePoint now)
    : options_(std::move(options)), msg_id_(std::move(msg_id)) {
  if (options_.limit) limit_at_ = now + *options_.limit;
  if (options_.quiet_limit) quiet_at_ = now + *options_.quiet_limit;
}

std::optional<TimePoint> Execution::next_deadline() const {
  switch (phase_) {
    case Phase::sent:
    case Phase::running: {
      std::optional<TimePoint> earliest = limit_at_;
      keep_earlier(earliest, quiet_at_);
      return earliest;
    }
    case Phase::interrupting:
    case Phase::interrupting_again:
    case Phase::settling:
      return step_at_;
    case Phase::finished:
      break;
  }
  return std::nullopt;
}

std::vector<Action> Execution::on(const Event& event, TimePoint now) {
  if (finished()) return {};
  if (const auto* message = std::get_if<Message>(&event)) return on_message(*message, now);
  if (const auto* gone = std::get_if<KernelGone>(&event)) return on_gone(*gone);
  if (std::holds_alternative<Cancel>(event)) return end(Ended::cancel, now);
  if (std::holds_alternative<DeadlinePassed>(event)) return on_deadline(now);
  // KernelInterrupted. A request that has not begun is not what was hit.
  if (phase_ == Phase::running) interrupted_ = true;
  return {};
}

std::vector<Action> Execution::on_message(const Message& message, TimePoint now) {
  if (message.parent_msg_id != msg_id_) return {};
  if (phase_ == Phase::sent) phase_ = Phase::running;
  if (options_.quiet_limit) quiet_at_ = now + *options_.quiet_limit;

  if (message.msg_type == "execute_reply") {
    if (!reply_) reply_ = std::string(message.status);
  } else if (message.msg_type == "status") {
    if (message.status == "idle") idle_ = true;
  } else if (message.msg_type == "error") {
    error_seen_ = true;
  } else if (message.msg_type == "input_request") {
    return end(Ended::input, now);
  }
  if (reply_ && idle_) return finish(outcome(), false, note_when_settled());
  if (reply_ || idle_) {
    if (phase_ != Phase::settling) settling_since_ = now;
    phase_ = Phase::settling;
    step_at_ = std::min(now + options_.settle_wait, settling_since_ + options_.settle_max());
  }
  return {};
}

std::vector<Action> Execution::on_gone(const KernelGone& gone) {
  if (ended_ != Ended::no) return finish(outcome(), true, cause() + "; " + gone.reason);
  if (reply_) return finish(outcome(), true, "after its reply: " + gone.reason);
  return finish(Outcome::died, true, gone.reason);
}

std::vector<Action> Execution::on_deadline(TimePoint now) {
  const auto deadline = next_deadline();
  if (!deadline || now < *deadline) return {};
  switch (phase_) {
    case Phase::sent:
    case Phase::running:
      return end(limit_at_ && *limit_at_ <= now ? Ended::limit : Ended::quiet, now);
    case Phase::interrupting:
      phase_ = Phase::interrupting_again;
      step_at_ = now + options_.grace;
      return {Interrupt{}};
    case Phase::interrupting_again:
      break;
    case Phase::settling:
      return finish(outcome(), false, note_when_settled());
    case Phase::finished:
      return {};
  }
  const std::string stuck = cause() + " and did not yield to two interrupts";
  if (options_.if_stuck == IfStuck::leave) {
    phase_ = Phase::finished;
    return {Finish{{outcome(), false, stuck + "; it is still running", true}}};
  }
  std::vector<Action> actions{RestartKernel{}};
  for (Action& action :
       finish(outcome(), true, stuck + "; the kernel is restarted and its variables are lost")) {
    actions.push_back(std::move(action));
  }
  return actions;
}

/// Makes the code end, unless that is under way or it has ended by itself.
std::vector<Action> Execution::end(Ended why, TimePoint now) {
  if (phase_ != Phase::sent && phase_ != Phase::running) return {};
  ended_ = why;
  if (phase_ == Phase::sent && !options_.sole_user) {
    return finish(outcome(), false,
                  cause() +
                      " before it began, for the kernel was busy with other work; the kernel "
                      "may still run it");
  }
  phase_ = Phase::interrupting;
  step_at_ = now + options_.grace;
  return {Interrupt{}};
}

std::vector<Action> Execution::finish(Outcome outcome, bool state_lost, std::string note) {
  phase_ = Phase::finished;
  return {Finish{{outcome, state_lost, std::move(note), false}}};
}

Outcome Execution::outcome() const {
  switch (ended_) {
    case Ended::limit:
    case Ended::quiet:
      return Outcome::timed_out;
    case Ended::cancel:
      return Outcome::cancelled;
    case Ended::input:
      return Outcome::needs_input;
    case Ended::no:
      break;
  }
  const std::string status = reply_.value_or("");
  // "abort" is what protocol versions before 5.1 and some kernels write.
  if (status == "aborted" || status == "abort") return Outcome::aborted;
  // Without a reply, or with one that names no status, the outputs have to tell.
  if (status == "error" || (status != "ok" && error_seen_)) {
    return interrupted_ ? Outcome::interrupted : Outcome::error;
  }
  return Outcome::ok;
}

std::string Execution::cause() const {
  switch (ended_) {
    case Ended::limit:
      return "it ran over its time limit of " + format_duration(*options_.limit);
    case Ended::quiet:
      return "it gave no sign of life for " + format_duration(*options_.quiet_limit);
    case Ended::cancel:
      return "it was cancelled";
    case Ended::input:
      return "it asked for input, which is not allowed here";
    case Ended::no:
      break;
  }
  return {};
}

std::string Execution::note_when_settled() const {
  std::string note = cause();
  if (ended_ != Ended::no) {
    note += " and was interrupted";
    if (options_.keeps_variables) note += "; variables are kept";
  }
  if (reply_ && idle_) return note;
  if (!note.empty()) note += "; ";
  note += reply_ ? "the kernel sent no idle status" : "the kernel sent no execute_reply";
  return note + " within " + format_duration(options_.settle_wait);
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::error:
      return "error";
    case Outcome::aborted:
      return "aborted";
    case Outcome::timed_out:
      return "timed_out";
    case Outcome::interrupted:
      return "interrupted";
    case Outcome::died:
      return "died";
    case Outcome::needs_input:
      return "needs_input";
    case Outcome::cancelled:
      return "cancelled";
  }
  return "error";
}

}  // namespace perijove::execution
