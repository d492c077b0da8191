#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace perijove {

/// The ids of one header, read without building the rest. Views into the header's text, or into
/// `decoded` for the rare id that is written with escapes; so it moves but does not copy.
struct HeaderIds {
  HeaderIds() = default;
  HeaderIds(HeaderIds&&) = default;
  HeaderIds& operator=(HeaderIds&&) = default;
  HeaderIds(const HeaderIds&) = delete;
  HeaderIds& operator=(const HeaderIds&) = delete;

  ByteView msg_id;    ///< Empty when absent: the parent header of a message that answers nothing.
  ByteView msg_type;  ///< Empty when absent.
  ByteView session;   ///< Empty when absent, as OpenHands sends it.

  std::vector<std::string> decoded;
};

/// Reads the ids of a header or parent header. nullopt when `json` is not one object; a field that
/// is missing or no string is left empty, and unknown fields are passed over: smolagents omits the
/// date, OpenHands sends an empty session, protocol 5.5 adds subshell_id, and one odd field must
/// not fail a message.
std::optional<HeaderIds> peek_header(ByteView json);

}  // namespace perijove
