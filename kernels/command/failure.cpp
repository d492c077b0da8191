#include "command/failure.hpp"

#include <algorithm>
#include <charconv>

namespace perijove::kernels::command {
namespace {

constexpr std::size_t kTailBytesMax = 16 * 1024;

/// No message is longer, and the work for a line grows with it.
constexpr std::size_t kLineBytesMax = 2000;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, std::min(end, kLineBytesMax));
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

using Match = std::vector<std::string>;

std::optional<Match> find_line(const ErrorPattern& pattern, std::vector<std::string_view> lines) {
  if (pattern.from_the_end) std::reverse(lines.begin(), lines.end());
  for (const std::string_view line : lines) {
    if (auto match = pattern.pattern.find_in(line)) return match;
  }
  return std::nullopt;
}

std::string value_of(const ErrorPattern::Fact& fact, const Match& match) {
  return fact.group ? match[*fact.group] : fact.text;
}

}  // namespace

void Tail::add(std::string_view text) {
  text_ += text;
  // Now and then, so that a flood is not moved again and again.
  if (text_.size() > 2 * kTailBytesMax) text_.erase(0, text_.size() - kTailBytesMax);
}

std::string_view Tail::text() const {
  const std::string_view whole = text_;
  return whole.substr(whole.size() - std::min(whole.size(), kTailBytesMax));
}

Failure read_failure(const std::vector<ErrorPattern>& patterns, std::string_view error_output) {
  const std::vector<std::string_view> lines = lines_of(error_output);
  Failure failure;
  for (const ErrorPattern& pattern : patterns) {
    const auto match = find_line(pattern, lines);
    if (!match) continue;
    if (pattern.name && !failure.name) failure.name = value_of(*pattern.name, *match);
    if (pattern.message && !failure.message) failure.message = value_of(*pattern.message, *match);
    if (pattern.line && !failure.line) {
      const std::string digits = value_of(*pattern.line, *match);
      int number = 0;
      const char* const end = digits.data() + digits.size();
      if (std::from_chars(digits.data(), end, number).ptr == end) failure.line = number;
    }
  }
  return failure;
}

}  // namespace perijove::kernels::command
