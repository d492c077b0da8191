#include "model/restart_budget.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "unit/model/simulation.hpp"

namespace perijove {
namespace {

using namespace std::chrono_literals;

TEST(RestartBudget, AllowsFiveRestartsInAMinute) {
  RestartBudget budget({});
  TimePoint now{};
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(budget.allows(now));
    budget.spend(now);
    now += 1s;
  }
  EXPECT_FALSE(budget.allows(now));
}

TEST(RestartBudget, GrowsBackAsRestartsLeaveTheWindow) {
  RestartBudget budget({.restarts_max = 2, .window = 60s});
  const TimePoint first{};
  budget.spend(first);
  budget.spend(first + 30s);
  EXPECT_FALSE(budget.allows(first + 59s));
  EXPECT_TRUE(budget.allows(first + 60s));
  budget.spend(first + 60s);
  EXPECT_FALSE(budget.allows(first + 89s));
  EXPECT_TRUE(budget.allows(first + 90s));
}

TEST(RestartBudget, OfZeroAllowsNone) {
  EXPECT_FALSE(RestartBudget({.restarts_max = 0}).allows(TimePoint{}));
}

TEST(RestartBudget, ForgivesOnRequest) {
  RestartBudget budget({.restarts_max = 1});
  budget.spend(TimePoint{});
  budget.forgive();
  EXPECT_TRUE(budget.allows(TimePoint{}));
}

TEST(RestartBudget, IsNeverExceededInAnyWindow) {
  for (const std::uint64_t seed : simulation::seeds(200)) {
    simulation::Random random(seed);
    const RestartBudgetOptions options{.restarts_max = random.below(6), .window = 10s};
    RestartBudget budget(options);
    TimePoint now{};
    std::vector<TimePoint> spent;
    for (int i = 0; i < 200; ++i) {
      now += random.between(0ms, 5s);
      if (!budget.allows(now)) continue;
      budget.spend(now);
      spent.push_back(now);
      const auto recent = std::count_if(spent.begin(), spent.end(),
                                        [&](TimePoint at) { return now - at < options.window; });
      ASSERT_LE(static_cast<std::size_t>(recent), options.restarts_max) << "PERIJOVE_SEED=" << seed;
    }
    EXPECT_EQ(spent.empty(), options.restarts_max == 0);
  }
}

}  // namespace
}  // namespace perijove
