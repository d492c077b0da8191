// Lifecycle under random requests, kernels and provisioners: thousands of seeds, each a small world
// with a clock of its own. What is checked stands in World::check_* and at the end of run().

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "model/lifecycle.hpp"
#include "unit/model/lifecycle_text.hpp"
#include "unit/model/simulation.hpp"

namespace perijove::lifecycle {
namespace {

using namespace std::chrono_literals;
using simulation::Random;

/// One process of the kernel, or the launch that may become one.
struct Process {
  enum class Phase { launching, alive, gone } phase = Phase::launching;
  bool answers_shell = true;
  bool publishes = true;
  bool obeys_shutdown = true;
  bool obeys_terminate = true;
  bool obeys_kill = true;
  int nudges_needed = 1;
  bool swept_after_exit = false;
  int gone_reports = 0;
};

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), options_(random_options()), life_(options_) {}

  void run() {
    const std::size_t requests = 1 + random_.below(8);
    Duration at = 0ms;
    for (std::size_t i = 0; i < requests; ++i) {
      schedule(at, random_request());
      at += random_.chance(30) ? random_.between(0ms, 50ms) : random_.between(0ms, 20s);
    }
    if (random_.chance(30)) schedule_nonsense();
    const TimePoint last_request = start_ + at;
    // Longest chain after the last request: its ladder, a launch and start for each restart that
    // the budget allows, and the ends of these.
    const auto starts = static_cast<long>(options_.restart_budget.restarts_max) + 2;
    const TimePoint end = last_request + kLate + ladder_max() +
                          starts * (options_.start_timeout + options_.kill_wait + 6 * kLate);
    run_until(end);
    for (const auto& [id, request] : open_) ADD_FAILURE() << "request " << id << " is still open";
    run_until(end + kLaunchMax + options_.kill_wait + kLate);  // What comes back after everything.
    check_no_process_is_left();
  }

  std::set<const Row*> rows_taken;
  std::vector<std::string> log;

 private:
  static constexpr Duration kLate = 200ms;     ///< How late a timer may ring.
  static constexpr Duration kLaunchMax = 90s;  ///< The slowest launch.

  struct Request {
    bool stop = false;
    TimePoint at;
  };

  LifecycleOptions random_options() {
    LifecycleOptions options;
    options.start_timeout = random_.between(1s, 60s);
    options.shutdown_wait = random_.chance(10) ? Duration(0) : random_.between(1s, 6s);
    options.kill_wait = random_.between(1s, 10s);
    options.nudge_first = random_.between(0ms, 300ms);
    if (random_.chance(20)) options.auto_restart = AutoRestart::never;
    options.restart_budget.restarts_max = random_.below(4);
    options.restart_budget.window = random_.between(5s, 60s);
    return options;
  }

  Duration ladder_max() const {
    return options_.shutdown_wait + 2 * options_.kill_wait + 6 * kLate;
  }

  Event random_request() {
    const RequestId id = ++last_id_;
    const Until until = random_.chance(50) ? Until::ready : Until::launched;
    if (random_.chance(id == 1 ? 90 : 15)) return StartRequested{id, until};
    if (random_.chance(65)) return RestartRequested{id, until, random_.chance(30)};
    return StopRequested{id, random_.chance(30)};
  }

  /// Events that a correct shell would not feed, at any time.
  void schedule_nonsense() {
    for (int i = 0; i < 20; ++i) {
      const Generation generation = static_cast<Generation>(random_.below(4));
      const std::vector<Event> nonsense = {
          KernelInfoReplied{}, IopubSeen{},          DeadlinePassed{},
          Launched{99},        LaunchFailed{99, {}}, ProcessExited{100 + generation, {}}};
      schedule(random_.between(0ms, 60s), random_.pick(nonsense));
    }
  }

  void schedule(Duration delay, Event event) { calendar_.emplace(now_ + delay, std::move(event)); }

  void run_until(TimePoint end) {
    while (!::testing::Test::HasFatalFailure() && step(end)) {
    }
  }

  /// Lets the next thing happen; false when nothing is left before `end`.
  bool step(TimePoint end) {
    const auto deadline = life_.next_deadline();
    if (deadline && !timer_) timer_ = *deadline + random_.between(0ms, kLate);
    if (!deadline) timer_.reset();
    // A deadline that moved nearer is a timer that was set anew.
    if (deadline && *timer_ > *deadline + kLate) timer_ = *deadline + kLate;
    if (deadline && *timer_ < *deadline) timer_ = *deadline;

    const bool timer_first = timer_ && (calendar_.empty() || *timer_ <= calendar_.begin()->first);
    if (!timer_first && calendar_.empty()) return false;
    const TimePoint next = timer_first ? *timer_ : calendar_.begin()->first;
    if (next > end) return false;
    now_ = std::max(now_, next);
    if (timer_first) {
      timer_.reset();
      feed(DeadlinePassed{});
      EXPECT_GE(life_.next_deadline().value_or(now_), now_);
      return true;
    }
    const Event event = std::move(calendar_.extract(calendar_.begin()).mapped());
    if (happens(event)) feed(event);
    return true;
  }

  /// Applies to the world what an event means there; false when it cannot happen any more.
  bool happens(const Event& event) {
    if (const auto* launched = std::get_if<Launched>(&event)) {
      const auto found = processes_.find(launched->generation);
      if (found == processes_.end()) return true;
      found->second.phase = Process::Phase::alive;
      if (random_.chance(25)) {
        schedule(random_.between(0ms, 40s), exit_of(launched->generation));
      }
      // Some client tells the kernel itself to go.
      if (random_.chance(5)) schedule_goodbye(launched->generation, random_.chance(50));
    } else if (const auto* failed = std::get_if<LaunchFailed>(&event)) {
      const auto found = processes_.find(failed->generation);
      if (found != processes_.end()) found->second.phase = Process::Phase::gone;
    } else if (const auto* exited = std::get_if<ProcessExited>(&event)) {
      const auto found = processes_.find(exited->generation);
      if (found == processes_.end()) return true;
      if (found->second.phase != Process::Phase::alive) return false;
      found->second.phase = Process::Phase::gone;
      exits_.insert(exited->generation);
    } else if (std::holds_alternative<ShutdownReplied>(event)) {
      return is_alive(life_.generation());
    } else if (const auto* start = std::get_if<StartRequested>(&event)) {
      open(start->id, false);
    } else if (const auto* restart = std::get_if<RestartRequested>(&event)) {
      open(restart->id, false);
    } else if (const auto* stop = std::get_if<StopRequested>(&event)) {
      open(stop->id, true);
    }
    return true;
  }

  void open(RequestId id, bool stop) {
    open_[id] = {stop, now_};
    if (!stop) may_start_ = true;
  }

  bool is_alive(Generation generation) const {
    const auto found = processes_.find(generation);
    return found != processes_.end() && found->second.phase == Process::Phase::alive;
  }

  ProcessExited exit_of(Generation generation) {
    return {generation, random_.chance(50) ? ProcessExit::exited(1) : ProcessExit::killed_by(11)};
  }

  void schedule_goodbye(Generation generation, bool restart) {
    const Duration at = random_.between(0ms, 30s);
    schedule(at, ShutdownReplied{restart});
    if (random_.chance(80)) schedule(at + random_.between(0ms, 500ms), exit_of(generation));
  }

  void feed(const Event& event) {
    const State before = life_.state();
    const std::vector<Action> actions = life_.on(event, now_);
    if (life_.last_row() != nullptr) rows_taken.insert(life_.last_row());
    std::string line = std::to_string(
        std::chrono::duration_cast<std::chrono::milliseconds>(now_ - start_).count());
    line += " ms, " + std::string(to_string(before)) + " -> " +
            std::string(to_string(life_.state())) + ":";
    for (const Action& action : actions) line += " [" + text_of(action) + "]";
    log.push_back(std::move(line));
    for (const Action& action : actions) {
      if (before == State::stopped) check_is_harmless_after_the_end(action);
      perform(action);
    }
    for (const Generation generation : std::exchange(exits_, {})) {
      EXPECT_TRUE(processes_[generation].swept_after_exit)
          << "grandchildren of process " << generation << " may live on";
    }
  }

  void check_is_harmless_after_the_end(const Action& action) {
    EXPECT_TRUE(std::holds_alternative<Complete>(action) ||
                std::holds_alternative<SignalKillGroup>(action) ||
                std::holds_alternative<Cleanup>(action))
        << text_of(action) << " after the end";
  }

  void check_no_process_is_left() {
    if (life_.state() != State::stopped && life_.state() != State::dead) return;
    for (const auto& [generation, process] : processes_) {
      EXPECT_FALSE(process.phase == Process::Phase::alive && process.obeys_kill)
          << "process " << generation << " is left";
    }
  }

  void perform(const Action& action) {
    std::visit([this](const auto& what) { act(what); }, action);
  }

  void act(const Launch& launch) {
    for (const auto& [generation, process] : processes_) {
      EXPECT_EQ(process.phase, Process::Phase::gone)
          << "launch " << launch.generation << " while process " << generation << " is there";
    }
    EXPECT_TRUE(may_start_) << "a dead kernel was started without a request";
    EXPECT_EQ(processes_.count(launch.generation), 0U);

    Process& process = processes_[launch.generation];
    process.answers_shell = random_.chance(92);
    process.publishes = random_.chance(92);
    process.obeys_shutdown = random_.chance(70);
    process.obeys_terminate = random_.chance(70);
    process.obeys_kill = random_.chance(95);
    process.nudges_needed = 1 + static_cast<int>(random_.below(4));
    const Duration time =
        random_.chance(80) ? random_.between(0ms, 500ms) : random_.between(0ms, kLaunchMax);
    if (random_.chance(8)) {
      schedule(time, LaunchFailed{launch.generation, {Code::internal, "no luck"}});
    } else if (random_.chance(97)) {
      schedule(time, Launched{launch.generation});
    }  // else it never comes back
  }
  void act(const CancelLaunch& cancel) {
    EXPECT_EQ(processes_[cancel.generation].phase, Process::Phase::launching);
  }
  void act(const Connect&) { EXPECT_TRUE(is_alive(life_.generation())); }
  void act(const SendKernelInfo&) {
    // May be sent to a process whose exit is not known yet; then nothing answers.
    Process& process = processes_[life_.generation()];
    if (process.phase != Process::Phase::alive) return;
    if (--process.nudges_needed > 0) return;
    if (process.answers_shell) answer(random_.between(0ms, 300ms), KernelInfoReplied{});
    if (process.publishes) answer(random_.between(0ms, 300ms), IopubSeen{});
  }
  /// The shell tells only what answers the process of the latest Connect; so does this, roughly:
  /// an answer that outlives its process may be fed to the next one and must do no harm.
  void answer(Duration delay, Event event) { schedule(delay, std::move(event)); }
  void act(const SendShutdown& shutdown) {
    Process& process = processes_[life_.generation()];
    if (!process.obeys_shutdown || process.phase != Process::Phase::alive) return;
    const Duration delay = random_.between(0ms, 4s);
    if (random_.chance(70)) schedule(delay, ShutdownReplied{shutdown.restart});
    schedule(delay + random_.between(0ms, 100ms), exit_of(life_.generation()));
  }
  void act(const SignalTerminate& signal) {
    if (processes_[signal.generation].obeys_terminate) {
      schedule(random_.between(0ms, 3s), exit_of(signal.generation));
    }
  }
  void act(const SignalKillGroup& signal) {
    Process& process = processes_[signal.generation];
    if (process.phase == Process::Phase::gone) process.swept_after_exit = true;
    if (process.phase == Process::Phase::alive && process.obeys_kill) {
      schedule(random_.between(0ms, 900ms), exit_of(signal.generation));
    }
  }
  void act(const ProcessGone& gone) {
    EXPECT_EQ(++processes_[gone.generation].gone_reports, 1) << "for process " << gone.generation;
    EXPECT_NE(gone.reason, "");
  }
  void act(const Announce& announce) {
    if (announce.state == ExecutionState::dead) {
      EXPECT_TRUE(life_.state() == State::stopped || !life_.reason().empty());
      // Final until somebody asks; a request that waits already has just been answered.
      may_start_ = false;
    }
    if (announce.state == ExecutionState::starting) automatic_restarts_.clear();
    if (announce.state == ExecutionState::restarting) {
      automatic_restarts_.push_back(now_);
      const auto recent =
          std::count_if(automatic_restarts_.begin(), automatic_restarts_.end(),
                        [&](TimePoint at) { return now_ - at < options_.restart_budget.window; });
      EXPECT_LE(static_cast<std::size_t>(recent), options_.restart_budget.restarts_max);
      EXPECT_EQ(options_.auto_restart, AutoRestart::always);
    }
  }
  void act(const Complete& complete) {
    const auto found = open_.find(complete.id);
    ASSERT_NE(found, open_.end()) << "request " << complete.id << " was completed twice";
    if (found->second.stop) {
      EXPECT_LE(now_ - found->second.at, ladder_max()) << "stop " << complete.id;
      EXPECT_EQ(life_.state(), State::stopped);
    }
    open_.erase(found);
  }
  void act(const Cleanup&) { EXPECT_EQ(life_.state(), State::stopped); }

  Random random_;
  LifecycleOptions options_;
  Lifecycle life_;
  const TimePoint start_{};
  TimePoint now_{};
  std::optional<TimePoint> timer_;
  std::multimap<TimePoint, Event> calendar_;
  std::map<Generation, Process> processes_;
  std::set<Generation> exits_;  ///< Told in this step.
  std::map<RequestId, Request> open_;
  RequestId last_id_ = 0;
  bool may_start_ = false;
  std::vector<TimePoint> automatic_restarts_;
};

std::string text_of(const Row& row) {
  return std::string(to_string(row.from)) + " x " + std::string(to_string(row.trigger)) + " [" +
         std::string(to_string(row.guard)) + "]";
}

TEST(LifecycleSimulation, KeepsItsPromisesWhateverHappens) {
  std::set<const Row*> rows_taken;
  for (const std::uint64_t seed : simulation::seeds(5000)) {
    World world(seed);
    world.run();
    if (::testing::Test::HasFailure()) {
      for (const std::string& line : world.log) ADD_FAILURE() << line;
      FAIL() << "PERIJOVE_SEED=" << seed;
    }
    rows_taken.merge(world.rows_taken);
  }
  if (!simulation::runs_all_seeds()) return;
  // Worth little if it never visits the corners.
  for (const Row& row : table()) {
    EXPECT_EQ(rows_taken.count(&row), 1U) << text_of(row) << " never happened";
  }
}

TEST(LifecycleTable, HasNoRowThatAnEarlierOneHides) {
  for (const Row& row : table()) {
    for (const Row* earlier = table().data(); earlier != &row; ++earlier) {
      EXPECT_FALSE(earlier->from == row.from && earlier->trigger == row.trigger &&
                   (earlier->guard == Guard::always || earlier->guard == row.guard))
          << text_of(row);
    }
  }
}

}  // namespace
}  // namespace perijove::lifecycle
