#include "model/lifecycle.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace perijove::lifecycle {
namespace {

/// The states in which a clock runs.
bool has_clock(State state) {
  return state == State::starting || state == State::connecting || state == State::restarting ||
         state == State::stopping;
}

bool is_ending(State state) { return state == State::restarting || state == State::stopping; }

}  // namespace

/// An event as the table sees it, with what its guards and steps need to know.
struct Lifecycle::Occurrence {
  Trigger trigger;
  bool now = false;
  bool restart_follows = false;
  const ProcessExit* exit = nullptr;
  const Error* error = nullptr;
};

Lifecycle::Lifecycle(LifecycleOptions options)
    : options_(std::move(options)), budget_(options_.restart_budget) {
  // A pause of nothing would have DeadlinePassed nudge for ever.
  options_.nudge_first = std::max<Duration>(options_.nudge_first, std::chrono::milliseconds(1));
  options_.nudge_max = std::max(options_.nudge_max, options_.nudge_first);
}

std::optional<TimePoint> Lifecycle::next_deadline() const {
  if (deadline_ && nudge_at_) return std::min(*deadline_, *nudge_at_);
  return deadline_ ? deadline_ : nudge_at_;
}

std::vector<Action> Lifecycle::on(const Event& event, TimePoint now) {
  std::vector<Action> actions;
  std::visit(
      [&](const auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, StartRequested>) {
          if (!admit(starters_, {what.id, what.until}, actions)) return;
          take({.trigger = Trigger::start_requested}, now, actions);
        } else if constexpr (std::is_same_v<What, RestartRequested>) {
          if (!admit(starters_, {what.id, what.until}, actions)) return;
          take({.trigger = Trigger::restart_requested, .now = what.now}, now, actions);
        } else if constexpr (std::is_same_v<What, StopRequested>) {
          if (!admit(stoppers_, {what.id, Until::launched}, actions)) return;
          take({.trigger = Trigger::stop_requested, .now = what.now}, now, actions);
        } else if constexpr (std::is_same_v<What, Launched>) {
          if (what.generation != generation_ || process_ != Process::launching) return;
          process_ = Process::running;
          gone_is_due_ = true;
          take({.trigger = Trigger::launched}, now, actions);
        } else if constexpr (std::is_same_v<What, LaunchFailed>) {
          if (what.generation != generation_ || process_ != Process::launching) return;
          process_ = Process::none;
          take({.trigger = Trigger::launch_failed, .error = &what.error}, now, actions);
        } else if constexpr (std::is_same_v<What, KernelInfoReplied>) {
          if (state_ == State::connecting) kernel_info_known_ = true;
          take({.trigger = Trigger::kernel_info_replied}, now, actions);
        } else if constexpr (std::is_same_v<What, IopubSeen>) {
          if (state_ == State::connecting) iopub_seen_ = true;
          take({.trigger = Trigger::iopub_seen}, now, actions);
        } else if constexpr (std::is_same_v<What, ShutdownReplied>) {
          take({.trigger = Trigger::shutdown_replied, .restart_follows = what.restart}, now,
               actions);
        } else if constexpr (std::is_same_v<What, ProcessExited>) {
          if (what.generation != generation_ || process_ != Process::running) return;
          process_ = Process::none;
          take({.trigger = Trigger::process_exited, .exit = &what.exit}, now, actions);
        } else {
          static_assert(std::is_same_v<What, DeadlinePassed>);
          // Steps set clocks from `now`, so that a late timer shortens no rung of the ladder.
          while (deadline_ && *deadline_ <= now) take({.trigger = Trigger::timeout}, now, actions);
          if (nudge_at_ && *nudge_at_ <= now) take({.trigger = Trigger::nudge_due}, now, actions);
        }
      },
      event);
  return actions;
}

bool Lifecycle::admit(std::vector<Pending>& waiting, Pending request,
                      std::vector<Action>& actions) {
  if (waiting.size() < options_.pending_requests_max) {
    waiting.push_back(request);
    return true;
  }
  actions.push_back(Complete{request.id, Error{Code::resource_exhausted,
                                               "too many requests already wait for this kernel "
                                               "to start or stop; try again later"}});
  return false;
}

void Lifecycle::take(const Occurrence& what, TimePoint now, std::vector<Action>& actions) {
  for (const Row& row : table()) {
    if (row.from != state_ || row.trigger != what.trigger || !holds(row.guard, what, now)) continue;
    last_row_ = &row;
    const bool dies = row.to == State::dead && row.from != State::dead;
    if (dies || row.guard == Guard::may_restart) note_death(row, what);
    for (const Step step : row.steps) perform(step, now, actions);
    state_ = row.to;
    if (!has_clock(state_)) deadline_.reset();
    if (!is_ending(state_)) rung_ = Rung::none;
    if (state_ != State::connecting) nudge_at_.reset();
    break;
  }
  settle_requests(actions);
}

bool Lifecycle::holds(Guard guard, const Occurrence& what, TimePoint now) const {
  switch (guard) {
    case Guard::always:
      return true;
    case Guard::now:
      return what.now && process_ == Process::running && rung_ != Rung::killed;
    case Guard::iopub_was_seen:
      return iopub_seen_;
    case Guard::kernel_info_known:
      return kernel_info_known_;
    case Guard::restart_follows:
      return what.restart_follows;
    case Guard::may_restart:
      return options_.auto_restart == AutoRestart::always && was_ready_ && budget_.allows(now);
    case Guard::process_running:
      return process_ == Process::running;
    case Guard::launch_pending:
      return process_ == Process::launching;
    case Guard::asked:
      return rung_ == Rung::asked;
    case Guard::terminated:
      return rung_ == Rung::terminated;
  }
  return false;
}

void Lifecycle::perform(Step step, TimePoint now, std::vector<Action>& actions) {
  const auto climb = [&](Rung rung, Duration time) {
    rung_ = rung;
    deadline_ = now + time;
  };
  switch (step) {
    case Step::launch:
      ++generation_;
      process_ = Process::launching;
      kernel_info_known_ = iopub_seen_ = false;
      deadline_ = now + options_.start_timeout;
      actions.push_back(Launch{generation_});
      break;
    case Step::cancel_launch:
      deadline_ = now + options_.kill_wait;
      actions.push_back(CancelLaunch{generation_});
      break;
    case Step::connect:
      nudge_pause_ = options_.nudge_first;
      actions.push_back(Connect{});
      break;
    case Step::send_kernel_info:
      nudge_at_ = now + nudge_pause_;
      nudge_pause_ = std::min(2 * nudge_pause_, options_.nudge_max);
      actions.push_back(SendKernelInfo{});
      break;
    case Step::send_shutdown:
      climb(Rung::asked, options_.shutdown_wait / 2);
      actions.push_back(SendShutdown{last_row_->to == State::restarting});
      break;
    case Step::await_exit:
      climb(Rung::asked, options_.shutdown_wait / 2);
      break;
    case Step::signal_terminate:
      climb(Rung::terminated, options_.shutdown_wait / 2);
      actions.push_back(SignalTerminate{generation_});
      break;
    case Step::signal_kill_group:
      climb(Rung::killed, options_.kill_wait);
      actions.push_back(SignalKillGroup{generation_});
      break;
    case Step::sweep_group:
      actions.push_back(SignalKillGroup{generation_});
      break;
    case Step::report_gone:
      if (!std::exchange(gone_is_due_, false)) break;
      actions.push_back(ProcessGone{generation_, reason_gone(), is_ending(state_)});
      break;
    case Step::give_up_on_exit:
      stop_error_ = overdue_end();
      break;
    case Step::refuse:
      refusal_ = Error{Code::unavailable,
                       "an earlier launch of this kernel has not come back yet; try again later"};
      break;
    case Step::spend_restart:
      budget_.spend(now);
      break;
    case Step::begin_anew:
      budget_.forgive();
      was_ready_ = false;
      death_ = Error{};
      break;
    case Step::announce_starting:
      actions.push_back(Announce{ExecutionState::starting});
      break;
    case Step::announce_restarting:
      actions.push_back(Announce{ExecutionState::restarting});
      break;
    case Step::announce_idle:
      was_ready_ = true;
      actions.push_back(Announce{ExecutionState::idle});
      break;
    case Step::announce_dead:
      actions.push_back(Announce{ExecutionState::dead});
      break;
    case Step::cleanup:
      actions.push_back(Cleanup{});
      break;
  }
}

std::string Lifecycle::reason_gone() const {
  if (last_row_->to == State::stopped) return "the kernel was stopped";
  if (last_row_->from == State::restarting && last_row_->to == State::starting) {
    return "the kernel was restarted";
  }
  return death_.message;
}

void Lifecycle::note_death(const Row& row, const Occurrence& what) {
  const std::string start_timeout = format_duration(options_.start_timeout);
  switch (what.trigger) {
    case Trigger::launch_failed:
      death_ = *what.error;
      break;
    case Trigger::process_exited: {
      std::string text = "the kernel's process " + describe(*what.exit);
      if (row.from == State::connecting) text += " while it was starting";
      if (row.to == State::dead && was_ready_) {
        const RestartBudgetOptions& budget = budget_.options();
        text += options_.auto_restart == AutoRestart::never
                    ? "; automatic restart is off"
                    : "; not restarted, for that was done " + std::to_string(budget.restarts_max) +
                          " times within " + format_duration(budget.window) + " already";
      }
      death_ = {Code::failed_precondition, std::move(text)};
      break;
    }
    case Trigger::timeout:
      if (row.from == State::restarting) {
        death_ = overdue_end();
      } else if (row.from == State::starting) {
        death_ = {Code::deadline_exceeded,
                  "the kernel was not launched within " + start_timeout + " (start_timeout)"};
      } else {
        death_ = {Code::deadline_exceeded,
                  std::string("the kernel ") +
                      (kernel_info_known_ ? "published nothing on iopub"
                                          : "did not answer kernel_info_request") +
                      " within " + start_timeout + " of its launch (start_timeout)"};
      }
      break;
    default:
      break;
  }
}

Error Lifecycle::overdue_end() const {
  const std::string wait = format_duration(options_.kill_wait) + " (kill_wait)";
  if (process_ == Process::launching) {
    return {Code::deadline_exceeded,
            "the cancelled launch of the kernel did not come back within " + wait};
  }
  return {Code::deadline_exceeded,
          "the kernel's process did not end within " + wait + " of SIGKILL"};
}

void Lifecycle::settle_requests(std::vector<Action>& actions) {
  const auto fail_starters = [&](const Error& error, bool kernel_failed) {
    for (const Pending& waiting : starters_) {
      actions.push_back(Complete{waiting.id, error, kernel_failed});
    }
    starters_.clear();
  };
  switch (state_) {
    case State::created:
    case State::starting:
    case State::restarting:
      break;
    case State::connecting:
    case State::ready:
      std::erase_if(starters_, [&](const Pending& waiting) {
        if (waiting.until == Until::ready && state_ != State::ready) return false;
        actions.push_back(Complete{waiting.id, std::nullopt, false});
        return true;
      });
      break;
    case State::dead:
      fail_starters(refusal_.value_or(death_), !refusal_);
      refusal_.reset();
      break;
    case State::stopping:
    case State::stopped:
      fail_starters({Code::aborted, "the kernel was stopped; start another one"}, false);
      break;
  }
  if (state_ == State::stopped) {
    for (const Pending& waiting : stoppers_) {
      actions.push_back(Complete{waiting.id, stop_error_, false});
    }
    stoppers_.clear();
  }
}

}  // namespace perijove::lifecycle
