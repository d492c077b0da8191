#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// Reads `90`, `1.5` (seconds), `250ms`, `30s`, `10m`, `2h`; at most a year. `what` names the value
/// in the error, as in "--timeout".
Result<Duration> parse_duration(std::string_view text, std::string_view what);
/// The shortest text that parse_duration reads back as the same: `90`, `0.25`.
std::string duration_text(Duration duration);

/// Reads `1048576`, `64K`, `8M`, `8MiB`, `4G`; powers of 1,024.
Result<std::uint64_t> parse_bytes(std::string_view text, std::string_view what);
/// `8 MiB`, or the plain number when it is none of a round unit.
std::string bytes_text(std::uint64_t bytes);

/// A whole number in [min, max].
Result<std::uint64_t> parse_count(std::string_view text, std::string_view what, std::uint64_t min,
                                  std::uint64_t max);

}  // namespace perijove
