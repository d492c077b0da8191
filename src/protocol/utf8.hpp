#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.hpp"

namespace perijove {

/// Bytes of the character that `text` begins with, by Unicode's table 3-7 of well-formed UTF-8 (no
/// overlong forms, no surrogates); 0 when it begins with none.
constexpr std::size_t utf8_character_size(ByteView text) {
  const auto byte = [text](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
  };
  const auto continues = [&](std::size_t at) { return (byte(at) & 0xc0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return text.empty() ? 0 : 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = lead == 0xed ? 0x9f : 0xbf;
    return byte(1) >= low && byte(1) <= high && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
    return byte(1) >= low && byte(1) <= high && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

/// `text` as valid UTF-8 of at most `bytes_max` bytes: cut between characters, with U+FFFD for
/// every byte that belongs to none.
std::string to_utf8(ByteView text, std::size_t bytes_max);

}  // namespace perijove
