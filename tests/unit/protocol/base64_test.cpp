#include "protocol/base64.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

TEST(Base64, DecodesWithAndWithoutLineBreaks) {
  EXPECT_EQ(*decode_base64("iVBORw0KGgo="), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(*decode_base64("iVBO\nRw0K\r\nGgo=\n"), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(*decode_base64("YQ=="), "a");
  EXPECT_EQ(*decode_base64("AAAA"), std::string(3, '\0'));
  EXPECT_EQ(*decode_base64(""), "");
}

TEST(Base64, DecodesWhatIsLargerThanItsPieces) {
  std::string text;
  std::string expected;
  while (text.size() < 3'000'000) {
    text += "cGVyaWpvdmUh";
    expected += "perijove!";
    if (text.size() % 76 < 12) text += '\n';
  }
  EXPECT_EQ(*decode_base64(text), expected);
}

TEST(Base64, RefusesAnythingElse) {
  for (const char* text :
       {"not base64!", "YQ", "YQ=", "Y", "YW-_", "YWJj-YWJj", "=YWJ", "<svg/>"}) {
    const auto decoded = decode_base64(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code, Code::invalid_argument);
  }
}

}  // namespace
}  // namespace perijove
