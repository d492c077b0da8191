#include "echo/arguments.hpp"

#include <charconv>

namespace perijove::kernels::echo {

std::string_view Arguments::word_or(std::string_view fallback) {
  if (rest_.empty()) return fallback;
  const std::size_t end = std::min(rest_.find(' '), rest_.size());
  const std::string_view word = rest_.substr(0, end);
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  return word;
}

std::string_view Arguments::word(std::string_view name) {
  const std::string_view found = word_or({});
  if (found.empty()) throw UsageError(std::string(name) + " is missing");
  return found;
}

std::uint64_t Arguments::number(std::string_view name, std::uint64_t max) {
  const std::string_view text = word(name);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) {
    throw UsageError(std::string(name) + " must be a number from 0 to " + std::to_string(max));
  }
  return value;
}

std::uint64_t Arguments::number_or(std::string_view name, std::uint64_t fallback,
                                   std::uint64_t max) {
  return empty() ? fallback : number(name, max);
}

std::chrono::duration<double> Arguments::seconds() {
  const std::string_view text = word("SECONDS");
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0)) {
    throw UsageError("SECONDS must be a number that is not negative");
  }
  return std::chrono::duration<double>(value);
}

bool Arguments::on_or_off() {
  const std::string_view text = word("on or off");
  if (text != "on" && text != "off") throw UsageError("it must be on or off");
  return text == "on";
}

}  // namespace perijove::kernels::echo
