#include "app/exec_source.hpp"

#include <gmock/gmock.h>

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LanguageOfFile, GoesByTheEnding) {
  EXPECT_EQ(language_of_file("a/b.py"), "python");
  EXPECT_EQ(language_of_file("B.R"), "r");
  EXPECT_EQ(language_of_file("notes.md"), "markdown");
  EXPECT_EQ(language_of_file("script"), "");
  EXPECT_EQ(language_of_file(".py"), "") << "that is a name, not an ending";
}

TEST(ReadMarkdown, TakesTheLanguageOfTheFirstBlock) {
  const auto source = read_markdown("```py\na\n```\n```python3\nb\n```\n", "", false);
  ASSERT_TRUE(source) << source.error();
  EXPECT_EQ(source->language, "python");
  EXPECT_THAT(source->blocks, ElementsAre("a", "b"));
  EXPECT_THAT(source->titles, ElementsAre("line 1: a", "line 4: b"));
}

TEST(ReadMarkdown, PassesOverProseAndEmptyBlocks) {
  const auto source = read_markdown(
      "```\nx\n```\n```json\n{}\n```\n```python\n\n```\n```python\na\n```\n", "", false);
  ASSERT_TRUE(source) << source.error();
  EXPECT_THAT(source->blocks, ElementsAre("a"));
  EXPECT_EQ(source->skipped, 0u);
}

TEST(ReadMarkdown, RefusesAnotherLanguageUnlessToldToSkipIt) {
  const char kText[] = "```python\na\n```\n\n```bash\nls\n```\n";
  const auto refused = read_markdown(kText, "", false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unimplemented);
  EXPECT_THAT(refused.error().message, HasSubstr("line 5 is bash"));
  const auto skipped = read_markdown(kText, "sh", true);
  ASSERT_TRUE(skipped) << skipped.error();
  EXPECT_THAT(skipped->blocks, ElementsAre("ls"));
  EXPECT_EQ(skipped->skipped, 1u);
}

TEST(ReadMarkdown, RefusesATextThatIsCut) {
  const auto cut = read_markdown("```python\nimport os\nos.remo", "", false);
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message, HasSubstr("no closing fence"));
}

TEST(ReadMarkdown, RefusesATextWithoutCode) {
  EXPECT_FALSE(read_markdown("words", "", false));
  EXPECT_FALSE(read_markdown("```r\n1\n```", "python", true));
}

}  // namespace
}  // namespace perijove
