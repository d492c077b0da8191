#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bench::json_scan {

// A reader of well-formed JSON that never builds anything: a flood of 200,000 messages a second
// leaves no time for a document tree, and a load generator needs three strings of each. Text that
// is not JSON gives empty or odd views, never an access outside the text.

/// Position just after the value that starts at `position`.
std::size_t skip_value(std::string_view text, std::size_t position);

/// Calls `visit(key, raw_value)` for the members of the outermost object; views into `object`.
template <typename Visit>
void for_each_member(std::string_view object, Visit visit) {
  std::size_t position = object.find('{');
  if (position == std::string_view::npos) return;
  while (true) {
    const std::size_t key_start = object.find_first_of("\"}", position + 1);
    if (key_start == std::string_view::npos || object[key_start] == '}') return;
    const std::size_t key_end = skip_value(object, key_start);
    const std::size_t colon = object.find(':', key_end);
    if (colon == std::string_view::npos) return;
    const std::size_t value_start = object.find_first_not_of(" \t\r\n", colon + 1);
    if (value_start == std::string_view::npos) return;
    const std::size_t value_end = skip_value(object, value_start);
    visit(object.substr(key_start + 1, key_end - key_start - 2),
          object.substr(value_start, value_end - value_start));
    position = object.find_first_of(",}", value_end);
    if (position == std::string_view::npos || object[position] == '}') return;
  }
}

/// Raw text of a member of the outermost object; empty when it is absent.
std::string_view member(std::string_view object, std::string_view key);

/// A string member without its quotes, escapes left as they are; empty when absent or not a string.
std::string_view string_member(std::string_view object, std::string_view key);

/// `text` as a JSON string, with quotes.
std::string quoted(std::string_view text);

}  // namespace bench::json_scan
