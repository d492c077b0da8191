#include "app/console.hpp"

#include <gtest/gtest.h>

#include "app/completion.hpp"
#include "app/job.hpp"
#include "app/job_report.hpp"
#include "app/table.hpp"

namespace perijove {
namespace {

TEST(StripAnsi, RemovesColoursTitlesAndCursorMoves) {
  EXPECT_EQ(strip_ansi("\x1b[0;31mred\x1b[0m"), "red");
  EXPECT_EQ(strip_ansi("\x1b[38;5;241ma\x1b[39m\x1b[2Kb"), "ab");
  EXPECT_EQ(strip_ansi("\x1b]0;title\x07text"), "text");
  EXPECT_EQ(strip_ansi("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"), "link");
}

TEST(StripAnsi, SurvivesWhatIsCut) {
  for (const char* text : {"\x1b", "\x1b[", "\x1b[31", "\x1b]0;title", "\x1b]\x1b"}) {
    const std::string plain = strip_ansi(text);
    EXPECT_LE(plain.size(), std::string_view(text).size());
  }
}

TEST(Fit, CutsByCharactersNotBytes) {
  EXPECT_EQ(fit("short", 10), "short");
  EXPECT_EQ(fit("exactly", 7), "exactly");
  EXPECT_EQ(fit("äöüß", 4), "äöüß");
  EXPECT_EQ(fit("äöüßx", 4), "äöü…");
  EXPECT_EQ(fit("anything", 0), "…");
}

TEST(Fit, LetsNoControlCharacterThrough) { EXPECT_EQ(fit("a\tb\x1b[m\n", 20), "a b [m "); }

TEST(FormatTable, AlignsColumnsAndEndsNoLineInSpaces) {
  EXPECT_EQ(format_table({{"A", "LONG"}, {"äö", ""}, {"x", "y"}}), "A   LONG\näö\nx   y");
  EXPECT_EQ(format_table({}), "");
}

TEST(TitleOf, IsTheFirstLineThatSaysSomething) {
  EXPECT_EQ(title_of("\n   \n  x = 1\ny = 2"), "x = 1");
  EXPECT_EQ(title_of(""), "");
}

TEST(JobExitCode, PutsTheSignalFirst) {
  JobOutcome outcome;
  EXPECT_EQ(outcome.exit_code(), 0);
  outcome.error = Error{Code::not_found, "no kernel"};
  EXPECT_EQ(outcome.exit_code(), exit_code(Code::not_found));
  outcome.signal = 2;
  EXPECT_EQ(outcome.exit_code(), 130);
}

TEST(JobExitCode, Is124OutOfTimeAndOneForOtherFailures) {
  const auto code = [](execution::Outcome outcome) {
    RunResult result;
    result.verdict.outcome = outcome;
    result.collected = std::make_shared<OutputCollector>();
    JobOutcome job;
    job.failure = std::move(result);
    return job.exit_code();
  };
  EXPECT_EQ(code(execution::Outcome::timed_out), 124);
  EXPECT_EQ(code(execution::Outcome::error), 1);
  EXPECT_EQ(code(execution::Outcome::died), 1);
}

TEST(CompletionScript, IsThereForThreeShells) {
  const std::vector<CompletionLevel> levels = {{"", {"run"}, {"--help"}}, {"run", {}, {"-o"}}};
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_NE(completion_script(shell, levels).find("run"), std::string::npos) << shell;
  }
  EXPECT_EQ(completion_script("csh", levels), "");
}

}  // namespace
}  // namespace perijove
