#include "base/text.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

TEST(Text, LowersAsciiLettersOnly) {
  EXPECT_EQ(to_lower("PyThon-3_\xc3\x84Z"), "python-3_\xc3\x84z");
}

TEST(Text, TrimsAllAsciiWhiteSpaceAtBothEnds) {
  EXPECT_EQ(trim(" \t\r\n\v\fa b\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace perijove
