#include "app/units.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "base/text.hpp"

namespace perijove {
namespace {

struct Quantity {
  double number = 0;
  std::string unit;  // lower case
};

Result<Quantity> read_quantity(std::string_view text, std::string_view what,
                               std::string_view expected) {
  const std::string_view trimmed = trim(text);
  Quantity quantity;
  const auto [end, fault] = std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(),
                                            quantity.number, std::chars_format::fixed);
  if (fault != std::errc() || !std::isfinite(quantity.number) || quantity.number < 0) {
    return Error{Code::invalid_argument, std::string(what) + " must be " + std::string(expected) +
                                             ", not '" + std::string(text) + "'"};
  }
  quantity.unit = to_lower(trim(trimmed.substr(static_cast<std::size_t>(end - trimmed.data()))));
  return quantity;
}

Error bad_unit(std::string_view text, std::string_view what, std::string_view units) {
  return {Code::invalid_argument, std::string(what) + ": '" + std::string(text) +
                                      "' has a unit that is not one of " + std::string(units)};
}

}  // namespace

Result<Duration> parse_duration(std::string_view text, std::string_view what) {
  const auto quantity = read_quantity(text, what, "a number of seconds (or 250ms, 10m, 2h)");
  if (!quantity) return quantity.error();
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1}, {"s", 1}, {"ms", 0.001}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86'400}};
  constexpr double kSecondsMax = 366 * 86'400.0;
  for (const auto& [unit, seconds] : kUnits) {
    if (quantity->unit != unit) continue;
    const double total = quantity->number * seconds;
    if (total > kSecondsMax) {
      return Error{Code::invalid_argument, std::string(what) + " must be at most a year"};
    }
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(total));
  }
  return bad_unit(text, what, "ms, s, m, h, d");
}

std::string duration_text(Duration duration) {
  char text[64];
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto end = std::to_chars(text, text + sizeof text, seconds, std::chars_format::fixed).ptr;
  return {text, end};
}

Result<std::uint64_t> parse_bytes(std::string_view text, std::string_view what) {
  const auto quantity = read_quantity(text, what, "a number of bytes (or 64K, 8M, 4G)");
  if (!quantity) return quantity.error();
  constexpr std::string_view kUnits[][4] = {{"", "b", "", ""},
                                            {"k", "kb", "kib", "ki"},
                                            {"m", "mb", "mib", "mi"},
                                            {"g", "gb", "gib", "gi"},
                                            {"t", "tb", "tib", "ti"}};
  double factor = 1;
  for (const auto& names : kUnits) {
    for (const std::string_view name : names) {
      if (quantity->unit != name) continue;
      const double total = quantity->number * factor;
      constexpr double kBytesMax = 1e15;
      if (total > kBytesMax) {
        return Error{Code::invalid_argument, std::string(what) + " is more than any machine has"};
      }
      return static_cast<std::uint64_t>(total);
    }
    factor *= 1024;
  }
  return bad_unit(text, what, "K, M, G, T");
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"", " KiB", " MiB", " GiB", " TiB"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + std::string(kUnits[unit]);
}

Result<std::uint64_t> parse_count(std::string_view text, std::string_view what, std::uint64_t min,
                                  std::uint64_t max) {
  const std::string_view digits = trim(text);
  std::uint64_t number = 0;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (fault != std::errc() || end != digits.data() + digits.size() || number < min ||
      number > max) {
    std::string range = "a whole number from " + std::to_string(min);
    if (max != std::numeric_limits<std::uint64_t>::max()) range += " to " + std::to_string(max);
    return Error{Code::invalid_argument,
                 std::string(what) + " must be " + range + ", not '" + std::string(text) + "'"};
  }
  return number;
}

}  // namespace perijove
