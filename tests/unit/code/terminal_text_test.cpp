#include "code/terminal_text.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

using namespace std::string_literals;

TEST(TerminalText, ShowsTheLastStateOfAProgressBar) {
  EXPECT_EQ(terminal_text("\r  0%|      | 0/3\r 33%|##    | 1/3\r100%|######| 3/3\ndone\n"),
            "100%|######| 3/3\ndone\n");
}

TEST(TerminalText, KeepsWhatAShorterLineLeavesUncovered) {
  EXPECT_EQ(terminal_text("abcdef\rxy"), "xycdef");
  EXPECT_EQ(terminal_text("abcdef\r      \rxy\n"), "xy\n");
}

TEST(TerminalText, ObeysEraseInLine) {
  EXPECT_EQ(terminal_text("abcdef\rxy\x1b[K"), "xy");
  EXPECT_EQ(terminal_text("abcdef\r\x1b[2Kxy"), "xy");
  EXPECT_EQ(terminal_text("abcdef\b\b\b\x1b[1K"), "    ef");
}

TEST(TerminalText, GoesBackOverWrittenCharacters) {
  EXPECT_EQ(terminal_text("loading -\b\\\b|\b/"), "loading /");
  EXPECT_EQ(terminal_text("\b\bab"), "ab");
  EXPECT_EQ(terminal_text("äö\büx"), "äüx");
}

TEST(TerminalText, TakesWindowsLineBreaksForLineBreaks) {
  EXPECT_EQ(terminal_text("a\r\nb\r\r\nc\r"), "a\nb\nc");
}

TEST(TerminalText, StripsEscapeSequencesOfEveryKind) {
  EXPECT_EQ(terminal_text("\x1b[0;31mred\x1b[0m \x1b[38;2;1;2;3mx\x1b[?25l"), "red x");
  EXPECT_EQ(terminal_text("\x1b]0;title\atext"), "text");
  EXPECT_EQ(terminal_text("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"), "link");
  EXPECT_EQ(terminal_text("a\x1bP1;2|data\x1b\\b\x1b_app\x1b\\c\x1b(Bd\x1b=e\x1b"
                          "7f"),
            "abcdef");
  EXPECT_EQ(terminal_text("\xc2\x9b"
                          "31mred\xc2\x9d"
                          "0;title\xc2\x9c!"),
            "red!");
  EXPECT_EQ(terminal_text("bell\a and \x0e\x0f\x7fnothing\tbut a tab"),
            "bell and nothing\tbut a tab");
}

TEST(TerminalText, LosesNoTextToAnUnfinishedSequence) {
  EXPECT_EQ(terminal_text("\x1b]0;title without end\nnext"), "0;title without end\nnext");
  EXPECT_EQ(terminal_text("\x1b["), "");
  EXPECT_EQ(terminal_text("a\x1b"), "a");
  EXPECT_EQ(terminal_text("\x1b[31\x1b[32mgreen"), "31green");
}

TEST(TerminalText, ReplacesWhatIsNoText) {
  EXPECT_EQ(terminal_text("a\0b"s), "a\uFFFDb");
  EXPECT_EQ(terminal_text("\xff\xfe \xe4"), "\uFFFD\uFFFD \uFFFD");
  EXPECT_EQ(terminal_text("x\r\xff"), "\uFFFD");
}

TEST(TerminalText, LeavesAloneWhatItIsNotAskedFor) {
  const std::string text = "\x1b[31ma\rb\b\x1b[0m";
  EXPECT_EQ(terminal_text(text, {.strip_escapes = false, .redraw = false}), text);
  EXPECT_EQ(terminal_text(text, {.strip_escapes = true, .redraw = false}), "a\rb\b");
  EXPECT_EQ(terminal_text("\x1b[31mred\x1b[0m", {.strip_escapes = false}), "\x1b[31mred\x1b[0m");
}

TEST(TerminalText, TakesTimeInProportionToItsInput) {
  // Quadratic, each would take hours.
  std::string introducers;
  std::string overwritten(1'000'000, 'x');
  for (int i = 0; i < 300'000; ++i) {
    introducers += "\x1b]\xc2\x9d";
    overwritten += "\ry";
  }
  EXPECT_EQ(terminal_text(introducers), "");
  EXPECT_EQ(terminal_text(overwritten), "y" + std::string(999'999, 'x'));
}

}  // namespace
}  // namespace perijove
