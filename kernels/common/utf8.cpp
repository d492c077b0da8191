#include "common/utf8.hpp"

#include <algorithm>

namespace perijove::kernels {
namespace {

bool continues(char c) { return (c & 0xC0) == 0x80; }

/// Bytes of the character that begins so; 1 for what cannot begin one.
std::size_t length_of(char first) {
  const auto byte = static_cast<unsigned char>(first);
  if (byte >= 0xC2 && byte < 0xE0) return 2;
  if (byte >= 0xE0 && byte < 0xF0) return 3;
  if (byte >= 0xF0 && byte < 0xF5) return 4;
  return 1;
}

}  // namespace

std::size_t byte_offset(std::string_view text, int cursor) {
  if (cursor < 0) return text.size();
  std::size_t offset = 0;
  for (; cursor > 0 && offset < text.size(); --cursor) {
    do ++offset;
    while (offset < text.size() && continues(text[offset]));
  }
  return offset;
}

int code_points(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

std::size_t whole_characters(std::string_view text) {
  constexpr std::size_t kCharacterBytesMax = 4;
  const std::size_t oldest = text.size() - std::min(text.size(), kCharacterBytesMax - 1);
  for (std::size_t at = text.size(); at-- > oldest;) {
    if (continues(text[at])) continue;
    return at + length_of(text[at]) > text.size() ? at : text.size();
  }
  return text.size();
}

}  // namespace perijove::kernels
