#include "base/time.hpp"

#include <cstdio>
#include <ctime>

namespace perijove {

std::string format_utc(WallTime time) {
  using namespace std::chrono;
  const auto since_epoch = duration_cast<microseconds>(time.time_since_epoch());
  auto whole = duration_cast<seconds>(since_epoch);
  if (whole > since_epoch) whole -= seconds(1);  // truncation went upwards: a time before 1970
  const auto fraction = (since_epoch - whole).count();
  const std::time_t unix_time = whole.count();
  std::tm utc{};
  gmtime_r(&unix_time, &utc);
  char text[64];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + length, sizeof text - length, ".%06dZ", static_cast<int>(fraction));
  return text;
}

std::string format_duration(Duration duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  char text[32];
  if (seconds < 1.0) {
    std::snprintf(text, sizeof text, "%.0f ms", seconds * 1000);
  } else if (seconds == static_cast<double>(static_cast<long long>(seconds))) {
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  } else {
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  }
  return text;
}

}  // namespace perijove
