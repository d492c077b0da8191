#include "base/time.hpp"

#include <cstdio>
#include <ctime>

namespace perijove {
namespace {

// Not negative; with leading zeros.
void append_digits(std::string& text, int number, std::size_t count) {
  text.append(count, '0');
  for (auto digit = text.rbegin(); number > 0; number /= 10, ++digit) {
    *digit = static_cast<char>('0' + number % 10);
  }
}

}  // namespace

std::string format_utc(WallTime time) {
  using namespace std::chrono;
  const auto since_epoch = duration_cast<microseconds>(time.time_since_epoch());
  auto whole = duration_cast<seconds>(since_epoch);
  if (whole > since_epoch) whole -= seconds(1);  // truncation went upwards: a time before 1970
  const auto fraction = (since_epoch - whole).count();
  const std::time_t unix_time = whole.count();
  std::tm utc{};
  gmtime_r(&unix_time, &utc);
  std::string text;
  append_digits(text, utc.tm_year + 1900, 4);
  text += '-';
  append_digits(text, utc.tm_mon + 1, 2);
  text += '-';
  append_digits(text, utc.tm_mday, 2);
  text += 'T';
  append_digits(text, utc.tm_hour, 2);
  text += ':';
  append_digits(text, utc.tm_min, 2);
  text += ':';
  append_digits(text, utc.tm_sec, 2);
  text += '.';
  append_digits(text, static_cast<int>(fraction), 6);
  text += 'Z';
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
