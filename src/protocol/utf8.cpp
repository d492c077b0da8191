#include "protocol/utf8.hpp"

namespace perijove {

std::string to_utf8(ByteView text, std::size_t bytes_max) {
  constexpr ByteView kReplacement = "\xef\xbf\xbd";
  std::string out;
  while (!text.empty()) {
    const std::size_t size = utf8_character_size(text);
    const ByteView character = size == 0 ? kReplacement : text.substr(0, size);
    if (out.size() + character.size() > bytes_max) break;
    out += character;
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

}  // namespace perijove
