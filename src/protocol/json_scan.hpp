#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.hpp"
#include "protocol/json.hpp"

namespace perijove {

/// Whether `text` is exactly one JSON value by RFC 8259, in valid UTF-8, nested at most
/// kJsonDepthMax deep. Builds nothing: what passes may be spliced into another JSON text (the
/// legacy websocket framing) without changing that text's structure. About 1 GB/s on plain text.
bool is_json_value(ByteView text);

/// One member of a JSON object, as views into its text.
struct JsonMember {
  ByteView key;    ///< Without quotes, escapes not resolved.
  ByteView value;  ///< The raw text of the value, without white space around it.
};

/// Walks the members of the object that is `text`, without building it.
///
///     JsonMembers members(header);
///     while (auto member = members.next()) ...
///     if (!members.complete()) ...   // not one valid object
///
/// Values are scanned by the same rules as is_json_value, nested at most `depth_max` deep, the
/// object itself not counted. next() ends the walk at the first fault.
class JsonMembers {
 public:
  explicit JsonMembers(ByteView text, int depth_max = kJsonDepthMax);

  /// The next member; nullopt at the end or at a fault.
  std::optional<JsonMember> next();

  /// After next() returned nullopt: whether the whole text was one object and nothing else.
  bool complete() const { return complete_; }

 private:
  ByteView text_;
  int depth_max_;
  std::size_t at_ = 0;
  bool first_ = true;
  bool done_ = false;
  bool complete_ = false;
};

/// The characters of a JSON string literal (with its quotes), escapes resolved; nullopt when `raw`
/// is not a string. Lone surrogates become U+FFFD.
std::optional<std::string> json_string(ByteView raw);

/// Appends `text` to `out` as a JSON string literal with its quotes; invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, ByteView text);

}  // namespace perijove
