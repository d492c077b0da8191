#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

/// One line per event on standard error: `time level event key=value ...`. Events are nouns in the
/// field's terms (kernel_started, websocket_closed). Values are escaped, so that what a kernel or a
/// client sent cannot start a line of its own. Bodies, code, keys and tokens are never logged.
/// Thread-safe.
namespace perijove::log {

enum class Level { debug, info, warning, error, off };

/// `debug`, `info`, `warning`, `error` or `off`; false and no change for any other name.
bool set_level(std::string_view name);
void set_level(Level level);
bool enabled(Level level);

using Field = std::pair<std::string_view, std::string>;
using Fields = std::initializer_list<Field>;

void write(Level level, std::string_view event, Fields fields);

inline void debug(std::string_view event, Fields fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, event, fields);
}
inline void info(std::string_view event, Fields fields = {}) {
  if (enabled(Level::info)) write(Level::info, event, fields);
}
inline void warning(std::string_view event, Fields fields = {}) {
  write(Level::warning, event, fields);
}
inline void error(std::string_view event, Fields fields = {}) {
  write(Level::error, event, fields);
}

/// `text` with control characters, quotes and backslashes escaped and cut at 1,000 characters, in
/// quotes when it holds a space; what write() prints for a value.
std::string escape_value(std::string_view text);

}  // namespace perijove::log
