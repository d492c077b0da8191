#include "code/text_budget.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

// `count` lines of ten characters each: 000000000\n and so on.
std::string lines(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    text += std::string(9 - number.size(), '0') + number + '\n';
  }
  return text;
}

TextBudget budget(std::size_t chars_max, CutStrategy strategy = CutStrategy::head_tail) {
  TextBudget made;
  made.chars_max = chars_max;
  made.strategy = strategy;
  return made;
}

TEST(TextBudget, LeavesATextThatFitsAlone) {
  const FittedText fitted = fit_text(lines(3), budget(30));
  EXPECT_EQ(fitted.text, lines(3));
  EXPECT_FALSE(fitted.cut);
  EXPECT_EQ(fit_text("").text, "");
  EXPECT_FALSE(fit_text("", budget(0)).cut);
}

TEST(TextBudget, KeepsHeadAndTailAtLineBoundaries) {
  const FittedText fitted = fit_text(lines(1000), budget(45));
  EXPECT_EQ(fitted.text,
            "000000000\n000000001\n… [9 960 characters omitted] …\n000000998\n000000999\n");
  ASSERT_TRUE(fitted.cut);
  EXPECT_EQ(fitted.cut->total_chars, 10'000u);
  EXPECT_EQ(fitted.cut->kept_chars, 40u);
}

TEST(TextBudget, DividesHeadAndTailByTheRatio) {
  TextBudget mostly_head = budget(40);
  mostly_head.head_ratio = 0.75;
  EXPECT_EQ(fit_text(lines(100), mostly_head).text,
            "000000000\n000000001\n000000002\n… [960 characters omitted] …\n000000099\n");
}

TEST(TextBudget, NamesWhereTheWholeIs) {
  TextBudget with_hint = budget(20);
  with_hint.whole_at = "get_output(execution_id=\"e_1\")";
  EXPECT_EQ(fit_text(lines(7125), with_hint).text,
            "000000000\n… [71 230 characters omitted; full output: "
            "get_output(execution_id=\"e_1\")] …\n000007124\n");
}

TEST(TextBudget, CutsWithinALineRatherThanGivingHalfAway) {
  const FittedText fitted = fit_text(std::string(50, 'a') + std::string(50, 'z'), budget(20));
  EXPECT_EQ(fitted.text, "aaaaaaaaaa\n… [80 characters omitted] …\nzzzzzzzzzz");
  EXPECT_EQ(fitted.cut->kept_chars, 20u);
}

TEST(TextBudget, KeepsOnlyTheHeadOrOnlyTheTail) {
  EXPECT_EQ(fit_text(lines(10), budget(25, CutStrategy::head)).text,
            "000000000\n000000001\n… [80 characters omitted] …");
  EXPECT_EQ(fit_text(lines(10), budget(25, CutStrategy::tail)).text,
            "… [80 characters omitted] …\n000000008\n000000009\n");
}

TEST(TextBudget, CountsCharactersNotBytes) {
  EXPECT_FALSE(fit_text("äöüß€😀", budget(6)).cut);
  const FittedText fitted = fit_text("äöüß€😀", budget(2, CutStrategy::head));
  EXPECT_EQ(fitted.text, "äö\n… [4 characters omitted] …");
  EXPECT_EQ(count_characters("äöüß€😀"), 6u);
}

TEST(TextBudget, CutsLongLinesAndSaysHowMuch) {
  TextBudget narrow;
  narrow.line_chars_max = 5;
  const FittedText fitted = fit_text("short\n" + std::string(1239, 'x') + "\nend", narrow);
  EXPECT_EQ(fitted.text, "short\nxxxxx … [1 234 more characters in this line]\nend");
  EXPECT_EQ(fitted.cut->total_chars, 1249u);
  EXPECT_EQ(fitted.cut->kept_chars, 15u);
  narrow.line_chars_max = 0;
  EXPECT_FALSE(fit_text(std::string(10'000, 'x'), narrow).cut);
}

TEST(TextBudget, CountsTheNotesInCutLines) {
  TextBudget tiny = budget(100);
  tiny.line_chars_max = 1;
  std::string text;
  for (int i = 0; i < 50; ++i) text += std::string(99, 'x') + '\n';
  const FittedText fitted = fit_text(text, tiny);
  EXPECT_LE(count_characters(fitted.text), 100u + 40u);
  EXPECT_EQ(fitted.cut->total_chars, 5'000u);
  EXPECT_EQ(fit_text("abcdef", tiny).text, "abcdef") << "the note would be longer";
}

TEST(TextBudget, FoldsRepeatedLinesWhenAsked) {
  std::string text = "start\n";
  for (int i = 0; i < 500; ++i) text += "retrying ...\n";
  text += "}\n}\nend\nend\nend";
  EXPECT_EQ(fit_text(text).text, text);
  TextBudget folding;
  folding.fold_repeats = true;
  const FittedText fitted = fit_text(text, folding);
  EXPECT_EQ(fitted.text, "start\nretrying ... (repeated 500x)\n}\n}\nend (repeated 3x)");
  EXPECT_FALSE(fitted.cut);
  EXPECT_EQ(fit_text("a\n\n\n\nb", folding).text, "a\n\n\n\nb");
}

TEST(TextBudget, MeasuresWhatATerminalShows) {
  std::string bar;
  for (int i = 0; i < 1000; ++i) bar += "\r" + std::string(60, '#');
  const FittedText fitted = fit_text("\x1b[31m" + bar + "\x1b[0m\n", budget(61));
  EXPECT_EQ(fitted.text, std::string(60, '#') + "\n");
  EXPECT_FALSE(fitted.cut);
}

// rows: H25
TEST(TextBudget, DoesAsTheGuidesDo) {
  const FittedText fitted = fit_text(std::string(10'001, 'x'), guide_budget());
  EXPECT_EQ(fitted.text, std::string(10'000, 'x') + "...(truncated)");
  EXPECT_EQ(fitted.cut->total_chars, 10'001u);
  EXPECT_EQ(fitted.cut->kept_chars, 10'000u);
  EXPECT_EQ(fit_text("ab\r\n\x1b[mc", guide_budget(7)).text, "ab\r\n\x1b[m...(truncated)");
  EXPECT_FALSE(fit_text(std::string(10'000, 'x'), guide_budget()).cut);
}

TEST(TextBudget, TakesTimeInProportionToItsInput) {
  const std::string short_lines(4'000'000, '\n');
  EXPECT_EQ(fit_text(short_lines, budget(2)).cut->kept_chars, 2u);
  const std::string one_line(8'000'000, 'x');
  EXPECT_EQ(fit_text(one_line).cut->kept_chars, 2'000u);
}

}  // namespace
}  // namespace perijove
