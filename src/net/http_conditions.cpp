#include "net/http_conditions.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "net/http.hpp"

namespace perijove {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Digits and nothing else; what is larger than any file is the largest number.
std::optional<std::uint64_t> number_in(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() ? value : UINT64_MAX;
}

}  // namespace

RangeRequest read_range(std::string_view header, std::uint64_t size) {
  constexpr RangeRequest kWhole;
  constexpr RangeRequest kUnsatisfiable{.kind = RangeRequest::Kind::unsatisfiable};
  const std::size_t equals = header.find('=');
  if (equals == header.npos || !equal_ignoring_case(trimmed(header.substr(0, equals)), "bytes")) {
    return kWhole;
  }
  const std::string_view range = trimmed(header.substr(equals + 1));
  const std::size_t dash = range.find('-');
  if (dash == range.npos || range.find(',') != range.npos) return kWhole;
  const std::string_view from = trimmed(range.substr(0, dash));
  const std::string_view to = trimmed(range.substr(dash + 1));
  const auto last = number_in(to);
  if (from.empty()) {  // the last so many bytes
    if (!last) return kWhole;
    const std::uint64_t length = std::min(*last, size);
    if (length == 0) return kUnsatisfiable;
    return {.kind = RangeRequest::Kind::part, .first = size - length, .length = length};
  }
  const auto first = number_in(from);
  if (!first || (!to.empty() && (!last || *last < *first))) return kWhole;
  if (*first >= size) return kUnsatisfiable;
  const std::uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  return {.kind = RangeRequest::Kind::part, .first = *first, .length = end - *first + 1};
}

bool names_etag(std::string_view header, std::string_view etag, bool weak_too) {
  if (trimmed(header) == "*") return true;
  while (true) {
    const std::size_t begin = header.find_first_not_of(" \t,");
    if (begin == header.npos) return false;
    header.remove_prefix(begin);
    const bool weak = header.starts_with("W/");
    if (weak) header.remove_prefix(2);
    std::string_view tag;
    if (header.starts_with('"')) {
      const std::size_t end = std::min(header.find('"', 1), header.size());
      tag = header.substr(1, end - 1);
      header.remove_prefix(std::min(end + 1, header.size()));
    } else {
      const std::size_t end = std::min(header.find(','), header.size());
      tag = trimmed(header.substr(0, end));
      header.remove_prefix(end);
    }
    if (tag == etag && (!weak || weak_too)) return true;
  }
}

}  // namespace perijove
