#include "net/http_conditions.hpp"

#include <gtest/gtest.h>

#include <string>

namespace perijove {
namespace {

// `FIRST+LENGTH`, `whole` or `none`.
std::string asked(std::string_view header, std::uint64_t size) {
  const RangeRequest range = read_range(header, size);
  if (range.kind == RangeRequest::Kind::whole) return "whole";
  if (range.kind == RangeRequest::Kind::unsatisfiable) return "none";
  return std::to_string(range.first) + "+" + std::to_string(range.length);
}

TEST(ReadRange, TakesTheThreeForms) {
  EXPECT_EQ(asked("bytes=0-499", 10'000), "0+500");
  EXPECT_EQ(asked("bytes=9500-", 10'000), "9500+500");
  EXPECT_EQ(asked("bytes=-500", 10'000), "9500+500");
  EXPECT_EQ(asked("Bytes = 1-1", 2), "1+1");
}

TEST(ReadRange, CutsWhatReachesBeyondTheEnd) {
  EXPECT_EQ(asked("bytes=5-99999999999999999999999", 10), "5+5");
  EXPECT_EQ(asked("bytes=-11", 10), "0+10");
}

TEST(ReadRange, SaysWhatCannotBeHad) {
  EXPECT_EQ(asked("bytes=10-", 10), "none");
  EXPECT_EQ(asked("bytes=99999999999999999999999-", 10), "none");
  EXPECT_EQ(asked("bytes=-0", 10), "none");
  EXPECT_EQ(asked("bytes=0-", 0), "none");
  EXPECT_EQ(asked("bytes=-1", 0), "none");
}

TEST(ReadRange, SendsTheWholeForAnythingElse) {
  for (const char* header : {"", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b",
                             "bytes=1-2,4-5", "lines=1-2", "bytes=+1-2", "bytes=1-2x"}) {
    EXPECT_EQ(asked(header, 10), "whole") << header;
  }
}

TEST(NamesEtag, FindsOneOfSeveral) {
  EXPECT_TRUE(names_etag("\"x\", \"abc\"", "abc", false));
  EXPECT_TRUE(names_etag("\"a,b\"", "a,b", false));
  EXPECT_TRUE(names_etag("*", "abc", false));
  EXPECT_TRUE(names_etag("abc", "abc", false));
  EXPECT_FALSE(names_etag("\"x\",\"ab\"", "abc", false));
  EXPECT_FALSE(names_etag("", "abc", false));
  EXPECT_FALSE(names_etag("\"abc", "ab", false));
}

TEST(NamesEtag, TakesAWeakTagOnlyWhereTheStandardDoes) {
  EXPECT_FALSE(names_etag("W/\"abc\"", "abc", false));
  EXPECT_TRUE(names_etag("W/\"abc\"", "abc", true));
  EXPECT_TRUE(names_etag("W/\"abc\", \"abc\"", "abc", false));
}

}  // namespace
}  // namespace perijove
