#include "app/units.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ParseDuration, TakesSecondsAndUnits) {
  EXPECT_EQ(*parse_duration("90", "x"), seconds(90));
  EXPECT_EQ(*parse_duration(" 1.5 ", "x"), milliseconds(1500));
  EXPECT_EQ(*parse_duration("250ms", "x"), milliseconds(250));
  EXPECT_EQ(*parse_duration("10 m", "x"), seconds(600));
  EXPECT_EQ(*parse_duration("2H", "x"), seconds(7200));
  EXPECT_EQ(*parse_duration("0", "x"), seconds(0));
}

TEST(ParseDuration, RefusesWhatIsNoTime) {
  for (const char* text : {"", "soon", "-1", "1e400", "nan", "inf", "5 parsecs", "400d", "1,5"}) {
    const auto parsed = parse_duration(text, "--timeout");
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::invalid_argument);
    EXPECT_TRUE(parsed.error().message.starts_with("--timeout")) << parsed.error().message;
  }
}

TEST(DurationText, ReadsBackAsTheSame) {
  for (const Duration duration : {Duration(seconds(0)), Duration(seconds(90)),
                                  Duration(milliseconds(250)), Duration(milliseconds(1500))}) {
    EXPECT_EQ(*parse_duration(duration_text(duration), "x"), duration) << duration_text(duration);
  }
  EXPECT_EQ(duration_text(seconds(60)), "60");
}

TEST(ParseBytes, TakesPowersOf1024) {
  EXPECT_EQ(*parse_bytes("1048576", "x"), 1'048'576u);
  EXPECT_EQ(*parse_bytes("64k", "x"), 65'536u);
  EXPECT_EQ(*parse_bytes("8 MiB", "x"), 8u << 20);
  EXPECT_EQ(*parse_bytes("0.5G", "x"), 512u << 20);
}

TEST(ParseBytes, RefusesWhatIsNoSize) {
  for (const char* text : {"", "big", "-1", "8 apples", "99999999T"}) {
    EXPECT_FALSE(parse_bytes(text, "x")) << text;
  }
}

TEST(BytesText, ReadsBackAsTheSame) {
  for (const std::uint64_t bytes : {0ull, 1ull, 1000ull, 65'536ull, 8ull << 20, 4ull << 30}) {
    EXPECT_EQ(*parse_bytes(bytes_text(bytes), "x"), bytes) << bytes_text(bytes);
  }
  EXPECT_EQ(bytes_text(8u << 20), "8 MiB");
}

TEST(ParseCount, KeepsToItsRange) {
  EXPECT_EQ(*parse_count("65535", "x", 0, 65'535), 65'535u);
  for (const char* text : {"", "65536", "-1", "1.0", "0x10", "1 2", "99999999999999999999"}) {
    EXPECT_FALSE(parse_count(text, "x", 0, 65'535)) << text;
  }
}

}  // namespace
}  // namespace perijove
