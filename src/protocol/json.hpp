#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/bytes.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// Deepest nesting that any JSON of ours may have. nlohmann's dump and copy recurse once per level
/// and overflow the stack near 100,000; real Jupyter messages stay below 20.
inline constexpr int kJsonDepthMax = 128;

/// Parses one JSON text from a stranger. Refuses (invalid_argument, with the byte where it went
/// wrong): anything but exactly one value, invalid UTF-8, nesting beyond kJsonDepthMax.
Result<nlohmann::json> parse_json(ByteView text);

/// The text of `value` without white space; bytes that are not UTF-8 become U+FFFD, never a throw.
std::string dump_json(const nlohmann::json& value);

/// The same over several lines, indented by `indent` spaces, for files that people read.
std::string dump_json_pretty(const nlohmann::json& value, int indent = 1);

}  // namespace perijove
