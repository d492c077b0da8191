#include "json_scan.hpp"

#include <cstdio>

namespace bench::json_scan {

namespace {

std::size_t skip_string(std::string_view text, std::size_t position) {
  std::size_t quote = position;
  while ((quote = text.find('"', quote + 1)) != std::string_view::npos) {
    std::size_t backslashes = 0;
    while (text[quote - 1 - backslashes] == '\\') ++backslashes;
    if (backslashes % 2 == 0) return quote + 1;
  }
  return text.size();
}

}  // namespace

std::size_t skip_value(std::string_view text, std::size_t position) {
  if (position >= text.size()) return text.size();
  if (text[position] == '"') return skip_string(text, position);
  if (text[position] != '{' && text[position] != '[') {
    const std::size_t end = text.find_first_of(",}] \t\r\n", position);
    return end == std::string_view::npos ? text.size() : end;
  }
  std::size_t depth = 0;
  while (position < text.size()) {
    switch (text[position]) {
      case '"':
        position = skip_string(text, position);
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) return position + 1;
        break;
      default:
        break;
    }
    ++position;
  }
  return text.size();
}

std::string_view member(std::string_view object, std::string_view key) {
  std::string_view found;
  for_each_member(object, [&](std::string_view name, std::string_view value) {
    if (name == key) found = value;
  });
  return found;
}

std::string_view string_member(std::string_view object, std::string_view key) {
  const std::string_view raw = member(object, key);
  if (raw.size() < 2 || raw.front() != '"') return {};
  return raw.substr(1, raw.size() - 2);
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        result += "\\\"";
        break;
      case '\\':
        result += "\\\\";
        break;
      case '\n':
        result += "\\n";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char escape[8];
          std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
          result += escape;
        } else {
          result += c;
        }
    }
  }
  return result + '"';
}

}  // namespace bench::json_scan
