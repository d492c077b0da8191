#include "protocol/python_text.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PythonText, SplitsAtEveryLineBreakOfPython) {
  EXPECT_THAT(split_python_lines("a\nb\rc\r\nd\ve\ff\x1cg\x1dh\x1ei"),
              ElementsAre("a\n", "b\r", "c\r\n", "d\v", "e\f", "f\x1c", "g\x1d", "h\x1e", "i"));
  EXPECT_THAT(split_python_lines("a\xc2\x85"
                                 "b\xe2\x80\xa8"
                                 "c\xe2\x80\xa9"
                                 "d"),
              ElementsAre("a\xc2\x85", "b\xe2\x80\xa8", "c\xe2\x80\xa9", "d"));
}

TEST(PythonText, SplitsNothingElse) {
  EXPECT_THAT(split_python_lines("a\tb\x1f \xc2\xa0\xe2\x80\xa6\xe2"),
              ElementsAre("a\tb\x1f \xc2\xa0\xe2\x80\xa6\xe2"));
  EXPECT_THAT(split_python_lines(""), IsEmpty());
  EXPECT_THAT(split_python_lines("\n\n"), ElementsAre("\n", "\n"));
}

TEST(PythonText, WritesFloatsAsPythonDoes) {
  const std::pair<double, const char*> rows[] = {
      {0, "0.0"},
      {-0.0, "-0.0"},
      {1, "1.0"},
      {0.1, "0.1"},
      {1e-4, "0.0001"},
      {1e-5, "1e-05"},
      {1e15, "1000000000000000.0"},
      {1e16, "1e+16"},
      {1.5e300, "1.5e+300"},
      {5e-324, "5e-324"},
      {0.1 + 0.2, "0.30000000000000004"},
      {123456789012345.6, "123456789012345.6"},
      {HUGE_VAL, "inf"},
      {-HUGE_VAL, "-inf"},
      {std::nan(""), "nan"},
      {std::numeric_limits<double>::max(), "1.7976931348623157e+308"},
  };
  for (const auto& [value, text] : rows) EXPECT_EQ(format_python_float(value), text);
}

TEST(PythonText, QuotesAsReprDoes) {
  EXPECT_EQ(python_quoted(""), "''");
  EXPECT_EQ(python_quoted("a\\b\nc"), R"('a\\b\nc')");
  EXPECT_EQ(python_quoted("it's"), R"("it's")");
  EXPECT_EQ(python_quoted("it's \"so\""), R"('it\'s "so"')");
}

}  // namespace
}  // namespace perijove
