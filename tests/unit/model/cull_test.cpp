#include "model/cull.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

using namespace std::chrono_literals;

const TimePoint kIdleSince{TimePoint{} + 1000s};

TEST(Cull, NeverHappensByDefault) {
  EXPECT_EQ(cull_at({}, {.idle_since = kIdleSince}), std::nullopt);
}

TEST(Cull, CountsFromTheEndOfTheWork) {
  EXPECT_EQ(cull_at({.idle_timeout = 60s}, {.idle_since = kIdleSince}), kIdleSince + 60s);
}

TEST(Cull, SparesAKernelThatIsNotIdle) {
  EXPECT_EQ(cull_at({.idle_timeout = 60s}, {.last_activity = kIdleSince}), std::nullopt);
}

TEST(Cull, CountsFromTheLatestMessageWhenBusyKernelsAreCulledToo) {
  const CullOptions options{.idle_timeout = 60s, .busy = true};
  EXPECT_EQ(cull_at(options, {.last_activity = kIdleSince}), kIdleSince + 60s);
  EXPECT_EQ(cull_at(options, {.idle_since = kIdleSince, .last_activity = kIdleSince - 30s}),
            kIdleSince + 60s);
}

TEST(Cull, SparesAKernelWithAClient) {
  EXPECT_EQ(cull_at({.idle_timeout = 60s}, {.idle_since = kIdleSince, .connections = 1}),
            std::nullopt);
}

TEST(Cull, EndsAKernelWithAClientWhenToldTo) {
  EXPECT_EQ(cull_at({.idle_timeout = 60s, .connected = true},
                    {.idle_since = kIdleSince, .connections = 1}),
            kIdleSince + 60s);
}

TEST(Cull, AClientThatLeavesStartsTheClockAnew) {
  EXPECT_EQ(cull_at({.idle_timeout = 60s},
                    {.idle_since = kIdleSince, .last_disconnect = kIdleSince + 1h}),
            kIdleSince + 1h + 60s);
  EXPECT_EQ(cull_at({.idle_timeout = 60s},
                    {.idle_since = kIdleSince, .last_disconnect = kIdleSince - 1h}),
            kIdleSince + 60s);
}

TEST(Cull, AKernelspecMayHaveATimeoutOfItsOwn) {
  EXPECT_EQ(
      cull_at({.idle_timeout = 60s}, {.idle_since = kIdleSince, .kernelspec_idle_timeout = 5s}),
      kIdleSince + 5s);
  EXPECT_EQ(cull_at({}, {.idle_since = kIdleSince, .kernelspec_idle_timeout = 5s}),
            kIdleSince + 5s);
}

TEST(Cull, AKernelspecMayForbidIt) {
  for (const Duration never : {Duration(0s), Duration(-1s)}) {
    EXPECT_EQ(cull_at({.idle_timeout = 60s},
                      {.idle_since = kIdleSince, .kernelspec_idle_timeout = never}),
              std::nullopt);
  }
}

TEST(Cull, ATimeoutOfCenturiesIsNever) {
  EXPECT_EQ(cull_at({.idle_timeout = Duration::max()}, {.idle_since = kIdleSince}), std::nullopt);
}

}  // namespace
}  // namespace perijove
