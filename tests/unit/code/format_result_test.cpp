#include "code/format_result.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CodeResult result_of(const std::string& output, int exit_code = 0) {
  CodeResult result;
  result.output = output;
  result.stdout_text = output;
  result.exit_code = exit_code;
  result.status = exit_code == 0 ? CodeStatus::ok : CodeStatus::error;
  return result;
}

CodeResult failed() {
  CodeResult result = result_of("before\n", 1);
  result.error = CodeError{};
  result.error->type = "ValueError";
  result.error->message = "bad";
  result.error->traceback = "Traceback (most recent call last):\nValueError: bad";
  return result;
}

TEST(FormatRaw, IsTheOutputOrSaysThatThereIsNone) {
  EXPECT_EQ(format_raw(result_of("42\n")), "42\n");
  EXPECT_EQ(format_raw(result_of("")), "(no output)");
}

TEST(FormatRaw, ShowsTheErrorExactlyOnce) {
  CodeResult result = failed();
  const std::string shown = "before\nTraceback (most recent call last):\nValueError: bad";
  EXPECT_EQ(format_raw(result), shown);
  result.output = shown;
  EXPECT_EQ(format_raw(result), shown);
  result.output.clear();
  result.error->traceback.clear();
  result.error->hint = "say something else";
  EXPECT_EQ(format_raw(result), "ValueError: bad\nsay something else");
}

TEST(FormatRaw, ShowsTheNote) {
  CodeResult result = result_of("1\n2", 124);
  result.note = "interrupted after 60 s; variables kept";
  EXPECT_EQ(format_raw(result), "1\n2\ninterrupted after 60 s; variables kept");
}

// The sentences of autogen-agentchat 0.7.5, agents/_code_executor_agent.py.
// rows: H31
TEST(FormatAutogen, SpeaksAsItsCodeExecutorAgent) {
  EXPECT_EQ(format_autogen(result_of("42\n")), "42\n");
  EXPECT_EQ(format_autogen(result_of(" \n", 0)),
            "The script ran but produced no output to console. The POSIX exit code was: 0. If you "
            "were expecting output, consider revising the script to ensure content is printed to "
            "stdout.");
  EXPECT_THAT(format_autogen(result_of("", 3)), HasSubstr("The POSIX exit code was: 3. If"));
  EXPECT_EQ(
      format_autogen(result_of("oh\n", 2)),
      "The script ran, then exited with an error (POSIX exit code: 2)\nIts output was:\noh\n");
}

// rows: U09
TEST(FormatExitcode, SpeaksAsAg2) {
  EXPECT_EQ(format_exitcode(result_of("42\n")),
            "exitcode: 0 (execution succeeded)\nCode output: 42\n");
  EXPECT_EQ(format_exitcode(result_of("", 124)), "exitcode: 124 (execution failed)\nCode output: ");
}

TEST(FormatOpenhands, SaysThatNothingWasPrinted) {
  EXPECT_EQ(format_openhands(result_of("42")), "42");
  EXPECT_EQ(format_openhands(result_of("")), "[Code executed successfully with no output]");
  EXPECT_EQ(format_openhands(result_of("oh\n", 1)), "oh\n[Command finished with exit code 1]");
  EXPECT_EQ(format_openhands(result_of("", 1)), "[Command finished with exit code 1]");
}

TEST(FormatAnthropic, IsACodeExecutionResult) {
  CodeResult result = failed();
  result.stderr_text = "warned\n";
  result.output_files.push_back({"outputs/a.png", "image/png", 3, "", {}, {}});
  EXPECT_EQ(nlohmann::json::parse(format_anthropic(result)),
            nlohmann::json::parse(R"({"type": "code_execution_result", "stdout": "before\n",
  "stderr": "warned\nTraceback (most recent call last):\nValueError: bad", "return_code": 1,
  "content": [{"type": "code_execution_output", "file_id": "outputs/a.png"}]})"));
  EXPECT_THAT(format_anthropic(result_of("\xff")), HasSubstr("\uFFFD"));
}

TEST(FormatMarkdown, ShowsStatusOutputFilesAndWarnings) {
  CodeResult result = result_of("42");
  result.output_files.push_back({"out`puts/a\n.png", "image/png", 3, "", 640u, 480u});
  result.warnings = {"no isolation"};
  EXPECT_EQ(format_markdown(result),
            "**ok** (exit code 0)\n\n```text\n42\n```\n\nFiles:\n\n"
            "- ``` out`puts/a .png ``` (image/png, 640x480, 3 bytes)\n\nWarnings:\n\n"
            "- no isolation\n");
  EXPECT_EQ(format_markdown(result_of("")), "**ok** (exit code 0)\n\n(no output)\n");
}

TEST(FormatMarkdown, LetsNoOutputCloseItsFence) {
  EXPECT_THAT(format_markdown(result_of("````\n# mine\n")),
              HasSubstr("\n`````text\n````\n# mine\n`````\n"));
}

TEST(FormatResult, KnowsItsFormatsByName) {
  EXPECT_THAT(format_names(),
              ElementsAre("raw", "autogen", "exitcode", "openhands", "anthropic", "markdown"));
  for (const std::string_view name : format_names()) {
    EXPECT_TRUE(format_result(name, result_of("x"))) << name;
  }
  EXPECT_EQ(*format_result("exitcode", result_of("x")), format_exitcode(result_of("x")));
  const auto unknown = format_result("autogne", {});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::not_found);
  EXPECT_EQ(unknown.error().message,
            "there is no result format 'autogne'; did you mean 'autogen'? known are: raw, autogen, "
            "exitcode, openhands, anthropic, markdown");
}

// rows: U10
TEST(ExtractExecutionResults, ReadsWhatFormatExitcodeWrites) {
  for (const int code : {0, 1, 124}) {
    const auto reply = extract_execution_results(format_exitcode(result_of("a\n\nb", code)));
    EXPECT_EQ(reply.exit_code, code);
    EXPECT_EQ(reply.output, "a\n\nb");
    EXPECT_EQ(reply.succeeded, code == 0);
  }
}

// rows: U10
TEST(ExtractExecutionResults, ReadsTheFormOfTheGuides) {
  const auto reply = extract_execution_results("x exitcode: 7 (..)\nCode output:\nline\n");
  EXPECT_EQ(reply.exit_code, 7);
  EXPECT_EQ(reply.output, "line");
}

// rows: U10
TEST(ExtractExecutionResults, SaysMinusOneWhenThereIsNoCode) {
  for (const char* text : {"", "exitcode: x", "exitcode: 99999999999999", "Code output:"}) {
    const auto reply = extract_execution_results(text);
    EXPECT_EQ(reply.exit_code, -1) << text;
    EXPECT_EQ(reply.output, "") << text;
    EXPECT_FALSE(reply.succeeded) << text;
  }
}

// rows: H32
TEST(FenceBlocks, ShowsCodeAsAutoGenAsksForApproval) {
  const std::vector<CodeBlock> blocks = {{.language = "python", .code = "x = 1"},
                                         {.language = "sh", .code = "ls"}};
  EXPECT_EQ(fence_blocks(blocks), "```python\nx = 1\n```\n\n```sh\nls\n```");
}

TEST(FenceBlocks, NoCodeEndsItsFence) {
  const std::vector<CodeBlock> blocks = {{.language = "python", .code = "s = '\n```\n'"}};
  EXPECT_EQ(fence_blocks(blocks), "````python\ns = '\n```\n'\n````");
}

TEST(FenceBlocks, ShowsTheEntryPoint) {
  const std::vector<CodeBlock> blocks = {
      {.language = "python", .files = {{"main.py", "run()"}}, .entry_point = "main.py"}};
  EXPECT_EQ(fence_blocks(blocks), "```python\nrun()\n```");
}

}  // namespace
}  // namespace perijove
