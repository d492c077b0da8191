#include "common/utf8.hpp"

#include <gtest/gtest.h>

namespace perijove::kernels {
namespace {

TEST(Utf8, CursorsCountCodePoints) {
  EXPECT_EQ(byte_offset("aé€😀b", 0), 0U);
  EXPECT_EQ(byte_offset("aé€😀b", 2), 3U);
  EXPECT_EQ(byte_offset("aé€😀b", 4), 10U);
  EXPECT_EQ(byte_offset("aé", 99), 3U);
  EXPECT_EQ(byte_offset("aé", -1), 3U);
  EXPECT_EQ(code_points("aé€😀b"), 5);
}

TEST(Utf8, ACharacterIsHeldBackUntilItIsComplete) {
  const std::string_view text = "a€";
  EXPECT_EQ(whole_characters(text), 4U);
  EXPECT_EQ(whole_characters(text.substr(0, 3)), 1U);
  EXPECT_EQ(whole_characters(text.substr(0, 2)), 1U);
  EXPECT_EQ(whole_characters(text.substr(0, 1)), 1U);
  EXPECT_EQ(whole_characters("\xF0\x9F\x98"), 0U);
}

TEST(Utf8, WhatCannotBecomeACharacterIsNotHeldBack) {
  EXPECT_EQ(whole_characters("a\xFF"), 2U);
  EXPECT_EQ(whole_characters("\x80\x80\x80\x80\x80"), 5U);
  EXPECT_EQ(whole_characters("\xC0"), 1U);
  EXPECT_EQ(whole_characters(""), 0U);
}

}  // namespace
}  // namespace perijove::kernels
