#pragma once

#include <chrono>
#include <string>

namespace perijove {

/// The clock of deadlines and durations. Floors 1 and 2 never read it: time is an argument there.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

/// The clock of what people read. Never used to measure.
using WallTime = std::chrono::system_clock::time_point;

/// `2026-11-21T07:45:25.012735Z`: always six fractional digits and a Z, because jupyter_server's
/// GatewayClient parses last_activity with `%Y-%m-%dT%H:%M:%S.%fZ` and raises on anything else.
std::string format_utc(WallTime time);

/// The duration in seconds, for people: "1.5 s", "250 ms".
std::string format_duration(Duration duration);

}  // namespace perijove
