// Execution under random messages, clocks and deaths: exactly one verdict, in time.

#include <gmock/gmock.h>

#include <algorithm>
#include <optional>
#include <set>

#include "model/execution.hpp"
#include "unit/model/simulation.hpp"

namespace perijove::execution {
namespace {

using namespace std::chrono_literals;
using simulation::Random;

constexpr Duration kLate = 100ms;  ///< How late a timer may ring.

ExecutionOptions random_options(Random& random) {
  ExecutionOptions options;
  if (random.chance(60)) options.limit = random.between(0ms, 20s);
  if (random.chance(30)) options.quiet_limit = random.between(100ms, 5s);
  options.grace = random.between(0ms, 5s);
  options.settle_wait = random.between(0ms, 4s);
  options.if_stuck = random.chance(50) ? IfStuck::restart : IfStuck::leave;
  options.sole_user = random.chance(70);
  return options;
}

Event random_event(Random& random) {
  if (random.chance(2)) return KernelGone{"gone"};
  if (random.chance(3)) return Cancel{};
  if (random.chance(5)) return KernelInterrupted{};
  if (random.chance(5)) return DeadlinePassed{};
  const std::vector<Message> messages = {{"status", "m1", "busy"},
                                         {"status", "m1", "idle"},
                                         {"status", "m1", "nonsense"},
                                         {"stream", "m1", ""},
                                         {"error", "m1", ""},
                                         {"execute_reply", "m1", "ok"},
                                         {"execute_reply", "m1", "error"},
                                         {"execute_reply", "m1", "aborted"},
                                         {"execute_reply", "m1", ""},
                                         {"input_request", "m1", ""},
                                         {"status", "m2", "idle"},
                                         {"execute_reply", "m2", "ok"},
                                         {"stream", "", ""},
                                         {"", "m1", ""}};
  return random.pick(messages);
}

/// One execution; returns how it ended, for the count of outcomes.
Outcome run(std::uint64_t seed) {
  Random random(seed);
  const ExecutionOptions options = random_options(random);
  TimePoint now{};
  Execution execution(options, "m1", now);

  std::optional<TimePoint> latest_end;  // By when the verdict has to be there.
  const auto bound_by = [&](TimePoint at) {
    const TimePoint end = at + options.time_max() + 4 * kLate;
    if (!latest_end || end < *latest_end) latest_end = end;
  };
  if (options.limit) bound_by(now + *options.limit);

  // Some kernels talk much, some hardly at all.
  const Duration pause_max = random.chance(50) ? Duration(500ms) : Duration(10s);
  int interrupts = 0;
  bool gone = false;
  bool restarted = false;
  std::optional<Verdict> verdict;
  TimePoint next_event = now + random.between(0ms, pause_max);
  for (int steps = 0; !verdict; ++steps) {
    const auto deadline = execution.next_deadline();
    Event event = DeadlinePassed{};
    if (deadline && *deadline <= next_event) {
      now = std::max(now, *deadline + random.between(0ms, kLate));
    } else {
      now = std::max(now, next_event);
      next_event = now + random.between(0ms, pause_max);
      // Without a limit nothing else is sure to end it.
      event = steps < 300 ? random_event(random) : KernelGone{"gone"};
    }
    if (std::holds_alternative<Cancel>(event)) bound_by(now);
    gone |= std::holds_alternative<KernelGone>(event);

    for (const Action& action : execution.on(event, now)) {
      EXPECT_FALSE(verdict) << "an action after the verdict";
      if (std::holds_alternative<Interrupt>(action) && ++interrupts == 1) bound_by(now);
      if (std::holds_alternative<RestartKernel>(action)) restarted = true;
      if (const auto* finish = std::get_if<Finish>(&action)) verdict = finish->verdict;
    }
    EXPECT_TRUE(!restarted || verdict) << "a restart without a verdict";
    EXPECT_GE(execution.next_deadline().value_or(now), now);
  }
  EXPECT_EQ(verdict->state_lost, gone || restarted);
  EXPECT_LE(interrupts, 2);
  EXPECT_FALSE(restarted && options.if_stuck == IfStuck::leave);
  EXPECT_LE(now, latest_end.value_or(now));
  EXPECT_TRUE(execution.finished());
  EXPECT_EQ(execution.next_deadline(), std::nullopt);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(execution.on(random_event(random), now).empty());
  return verdict->outcome;
}

TEST(ExecutionSimulation, GivesExactlyOneVerdictInTime) {
  std::set<Outcome> seen;
  for (const std::uint64_t seed : simulation::seeds(20000)) {
    seen.insert(run(seed));
    ASSERT_FALSE(::testing::Test::HasFailure()) << "PERIJOVE_SEED=" << seed;
  }
  if (simulation::runs_all_seeds()) {
    EXPECT_EQ(seen.size(), 8U) << "some outcome never happened";
  }
}

}  // namespace
}  // namespace perijove::execution
