#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>

#include "base/time.hpp"

namespace perijove::testing {

/// How long a test waits for what must happen. Long, because a machine may be slow; a test that
/// passes never waits that long.
inline constexpr std::chrono::seconds kPatience{30};

/// Runs the loop until `done()` is true; false when it was not within kPatience. Looks every few
/// milliseconds, for conditions that nothing on the loop announces.
template <typename Condition>
bool run_until(boost::asio::io_context& loop, Condition done) {
  const auto guard = boost::asio::make_work_guard(loop);
  const TimePoint end = Clock::now() + kPatience;
  while (!done()) {
    if (Clock::now() > end) return false;
    loop.restart();
    loop.run_one_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace perijove::testing
