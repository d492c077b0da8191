#include "protocol/python_text.hpp"

#include <charconv>
#include <cmath>

namespace perijove {

// Length of the line break that `text` starts with; 0 when it starts with none.
static std::size_t line_break_length(std::string_view text) {
  switch (static_cast<unsigned char>(text[0])) {
    case '\r':
      return text.starts_with("\r\n") ? 2 : 1;
    case '\n':
    case '\v':
    case '\f':
    case 0x1c:
    case 0x1d:
    case 0x1e:
      return 1;
    case 0xc2:
      return text.starts_with("\xc2\x85") ? 2 : 0;
    case 0xe2:
      return text.starts_with("\xe2\x80\xa8") || text.starts_with("\xe2\x80\xa9") ? 3 : 0;
    default:
      return 0;
  }
}

std::vector<std::string_view> split_python_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = line_break_length(text.substr(at));
    if (length == 0) {
      ++at;
      continue;
    }
    at += length;
    lines.push_back(text.substr(start, at - start));
    start = at;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::string python_quoted(std::string_view text) {
  const bool single = text.find('\'') == std::string_view::npos || text.find('"') != text.npos;
  const char quote = single ? '\'' : '"';
  std::string quoted(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else {
      quoted += c;
    }
  }
  return quoted + quote;
}

std::string format_python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto write = [&](std::chars_format format) {
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr;
    return std::string(buffer, end);
  };
  std::string scientific = write(std::chars_format::scientific);
  const char* digits = scientific.data() + scientific.find('e') + 1;
  if (*digits == '+') ++digits;  // which from_chars does not take
  int exponent = 0;
  std::from_chars(digits, scientific.data() + scientific.size(), exponent);
  if (exponent < -4 || exponent >= 16) return scientific;
  std::string fixed = write(std::chars_format::fixed);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

}  // namespace perijove
