#include "protocol/utf8.hpp"

#include <gtest/gtest.h>

#include <cstdint>

#include "base/bytes.hpp"

namespace perijove {
namespace {

std::string encode(std::uint32_t point) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  if (point < 0x80) return {byte(point)};
  if (point < 0x800) return {byte(0xc0 | point >> 6), byte(0x80 | (point & 63))};
  if (point < 0x10000) {
    return {byte(0xe0 | point >> 12), byte(0x80 | (point >> 6 & 63)), byte(0x80 | (point & 63))};
  }
  return {byte(0xf0 | point >> 18), byte(0x80 | (point >> 12 & 63)), byte(0x80 | (point >> 6 & 63)),
          byte(0x80 | (point & 63))};
}

TEST(Utf8, KnowsEveryCharacterAndNoSurrogate) {
  for (std::uint32_t point = 0; point < 0x110000; ++point) {
    const std::string text = encode(point);
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    ASSERT_EQ(utf8_character_size(text), surrogate ? 0 : text.size()) << std::hex << point;
    ASSERT_EQ(utf8_character_size(text + "x"), surrogate ? 0 : text.size()) << std::hex << point;
    if (text.size() > 1) {
      ASSERT_EQ(utf8_character_size(ByteView(text).substr(0, text.size() - 1)), 0u) << point;
    }
  }
}

TEST(Utf8, RefusesWhatIsNoCharacter) {
  for (const ByteView text :
       {"", "\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf",
        "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe",
        "\xff", "\xc3(", "\xe2\x82(", "\xf0\x9f\x98(", "\xed\xa0\x80"}) {
    EXPECT_EQ(utf8_character_size(text), 0u);
  }
}

TEST(Utf8, KeepsValidText) {
  const std::string text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n";
  EXPECT_EQ(to_utf8(text, 100), text);
  EXPECT_EQ(to_utf8(text, text.size()), text);
  EXPECT_EQ(to_utf8("", 100), "");
}

TEST(Utf8, CutsBetweenCharacters) {
  const std::string text = "a\xf0\x9f\x98\x80z";
  EXPECT_EQ(to_utf8(text, 6), text);
  EXPECT_EQ(to_utf8(text, 5), "a\xf0\x9f\x98\x80");
  for (const std::size_t too_short : {1u, 2u, 3u, 4u}) EXPECT_EQ(to_utf8(text, too_short), "a");
  EXPECT_EQ(to_utf8(text, 0), "");
}

TEST(Utf8, ReplacesEveryByteThatBelongsToNone) {
  EXPECT_EQ(to_utf8("a\xff\xc3", 100), "a\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(to_utf8("\xff\xff", 5), "\xef\xbf\xbd");
}

}  // namespace
}  // namespace perijove
