#include "executor/block_report.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using execution::Outcome;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BlockReportTest : public ::testing::Test {
 protected:
  BlockContext context() const {
    return {.directory = directory_,
            .policy = policy_,
            .stem = "outputs/0001",
            .index = 0,
            .language = "python",
            .code = "code"};
  }

  static RunResult run(Outcome outcome, const std::vector<std::pair<std::string, json>>& outputs) {
    auto collector = std::make_shared<OutputCollector>();
    for (const auto& [type, content] : outputs) collector->add(type, content.dump());
    RunResult made;
    made.verdict.outcome = outcome;
    made.collected = std::move(collector);
    return made;
  }
  static std::pair<std::string, json> error(const std::string& name, const std::string& message) {
    return {"error",
            {{"ename", name}, {"evalue", message}, {"traceback", {name + ": " + message}}}};
  }
  BlockResult report(Outcome outcome,
                     const std::vector<std::pair<std::string, json>>& outputs = {}) const {
    return report_block(run(outcome, outputs), context()).result;
  }

  testing::TempDir temp_;
  WorkDir directory_ = *WorkDir::open(temp_.str());
  OutputPolicy policy_;
};

// rows: H13 H21
TEST_F(BlockReportTest, EveryOutcomeHasItsStatusAndExitCode) {
  struct Row {
    Outcome outcome;
    CodeStatus status;
    int exit_code;
  };
  const Row rows[] = {
      {Outcome::ok, CodeStatus::ok, 0},
      {Outcome::error, CodeStatus::error, 1},
      {Outcome::aborted, CodeStatus::error, 1},
      {Outcome::needs_input, CodeStatus::error, 1},
      {Outcome::timed_out, CodeStatus::timeout, 124},
      {Outcome::cancelled, CodeStatus::cancelled, 125},
      {Outcome::interrupted, CodeStatus::interrupted, 130},
      {Outcome::died, CodeStatus::kernel_died, 137},
  };
  for (const auto& [outcome, status, code] : rows) {
    EXPECT_EQ(report(outcome).status, status) << outcome;
    EXPECT_EQ(report(outcome).exit_code, code) << outcome;
  }
}

TEST_F(BlockReportTest, ADeathIsOneOfMemoryByEvidenceOnly) {
  BlockContext context = this->context();
  for (const std::optional<bool> evidence : {std::optional<bool>(), std::optional(false)}) {
    context.out_of_memory = evidence;
    EXPECT_EQ(report_block(run(Outcome::died, {}), context).result.status, CodeStatus::kernel_died);
  }
  context.out_of_memory = true;
  const BlockResult result = report_block(run(Outcome::died, {}), context).result;
  EXPECT_EQ(result.status, CodeStatus::out_of_memory);
  EXPECT_EQ(result.exit_code, 137);
}

TEST_F(BlockReportTest, ACancellationForAllBlocksTimeIsATimeout) {
  BlockContext context = this->context();
  context.ran_out_of_total_time = true;
  EXPECT_EQ(report_block(run(Outcome::cancelled, {}), context).result.exit_code, 124);
}

TEST_F(BlockReportTest, AKeyboardInterruptIsOneWhenSomebodyInterrupted) {
  const auto outputs = {error("KeyboardInterrupt", "")};
  EXPECT_EQ(report(Outcome::error, outputs).status, CodeStatus::error) << "the code raised it";
  BlockContext context = this->context();
  context.was_interrupted = true;
  EXPECT_EQ(report_block(run(Outcome::error, outputs), context).result.exit_code, 130);
  EXPECT_EQ(report_block(run(Outcome::error, {error("ValueError", "")}), context).result.exit_code,
            1);
}

// rows: H20
TEST_F(BlockReportTest, AnExitIsNotAnErrorWhenItsCodeIsZero) {
  for (const char* const none : {"0", "None", ""}) {
    const BlockResult result = report(Outcome::error, {error("SystemExit", none)});
    EXPECT_EQ(result.status, CodeStatus::ok) << none;
    EXPECT_EQ(result.exit_code, 0) << none;
    EXPECT_FALSE(result.error) << none;
  }
  const BlockResult three = report(Outcome::error, {error("SystemExit", "3")});
  EXPECT_EQ(three.status, CodeStatus::error);
  EXPECT_EQ(three.exit_code, 3);
  EXPECT_EQ(report(Outcome::error, {error("SystemExit", "some text")}).exit_code, 1);
  EXPECT_EQ(report(Outcome::timed_out, {error("SystemExit", "3")}).exit_code, 124)
      << "it exited because its time was over";
}

TEST_F(BlockReportTest, ACommandsExitCodeIsTheBlocks) {
  const auto exited = [this](const std::string& message) {
    return report(Outcome::error, {error("CommandFailed", message)}).exit_code;
  };
  EXPECT_EQ(exited("exit status 7"), 7);
  EXPECT_EQ(exited("exit status 255"), 255);
  EXPECT_EQ(exited("exit status 256"), 1);
  EXPECT_EQ(exited("exit status x"), 1);
  EXPECT_EQ(exited("exit status 99999999999999999999"), 1);
  EXPECT_EQ(exited("exit status "), 1) << "a number is missing";
}

TEST_F(BlockReportTest, TellsWhatWasTooMuchForMemory) {
  auto collector = std::make_shared<OutputCollector>(OutputLimits{.text_bytes_max = 10});
  collector->add("stream", R"({"name": "stdout", "text": "0123456789abcdef"})");
  RunResult made;
  made.collected = collector;
  const BlockReport report = report_block(made, context());
  ASSERT_THAT(report.warnings, SizeIs(1));
  EXPECT_THAT(report.warnings[0], HasSubstr("bytes are missing"));
}

// ---- files ----

// rows: K12
TEST_F(BlockReportTest, FindsWhatIsNewAndWhatIsDifferent) {
  temp_.write("same", "x");
  temp_.write("grown", "x");
  temp_.write("replaced", "x");
  temp_.write("removed", "x");
  const WorkDirSnapshot before = take_snapshot(directory_);
  temp_.write("grown", "xy");
  ASSERT_TRUE(directory_.write("replaced", "y"));  // the same size, another file
  temp_.write("sub/new.csv", "a,b");
  std::filesystem::remove(temp_.path() / "removed");
  const auto changes = find_changes(directory_, before, take_snapshot(directory_), 4);
  ASSERT_THAT(changes, SizeIs(3));
  EXPECT_EQ(changes[0].path, "grown");
  EXPECT_FALSE(changes[0].created);
  EXPECT_EQ(changes[1].path, "replaced");
  EXPECT_EQ(changes[2].path, "sub/new.csv");
  EXPECT_TRUE(changes[2].created);
  EXPECT_EQ(changes[2].mime_type, "text/csv");
  EXPECT_EQ(changes[2].size_bytes, 3u);
  EXPECT_EQ(changes[2].block, 4u);
  EXPECT_EQ(changes[2].sha256, "1eb7c54d52831bbfe8942af0b1c56b7409523a59ed6ca99c1174fef7eb32c1b5");
  EXPECT_THAT(find_changes(directory_, before, before, 0), IsEmpty());
}

TEST_F(BlockReportTest, SaysNothingOfFilesThatAreTooManyToLookAt) {
  WorkDirSnapshot before = take_snapshot(directory_);
  before.complete = false;
  temp_.write("new", "x");
  EXPECT_THAT(find_changes(directory_, before, take_snapshot(directory_), 0), IsEmpty());
}

// ---- budgets ----

CodeResult of(const std::vector<std::string>& texts) {
  CodeResult result;
  result.execution_id = "e_1";
  for (const std::string& text : texts) {
    BlockResult block;
    block.stdout_text = block.output = text;
    result.blocks.push_back(block);
  }
  return result;
}

// rows: L13
TEST(FitResult, JoinsTheBlocksTexts) {
  CodeResult result = of({"one\n", "two\n"});
  result.blocks[1].stderr_text = "oops\n";
  fit_result(result, {});
  EXPECT_EQ(result.stdout_text, "one\ntwo\n");
  EXPECT_EQ(result.output, "one\ntwo\n");
  EXPECT_EQ(result.stderr_text, "oops\n");
  EXPECT_FALSE(result.stdout_cut || result.stderr_cut || result.output_cut);
}

TEST(FitResult, EachTextHasItsBudget) {
  CodeResult result = of({std::string(300, 'a'), std::string(50, 'b')});
  OutputPolicy policy;
  policy.budget.chars_max = 100;
  policy.budget.strategy = CutStrategy::head;
  fit_result(result, policy);
  ASSERT_TRUE(result.stdout_cut && result.output_cut);
  EXPECT_EQ(result.stdout_cut->total_chars, 350u);
  EXPECT_LE(result.stdout_cut->kept_chars, 100u);
  EXPECT_FALSE(result.stderr_cut);
  EXPECT_TRUE(result.blocks[0].stdout_text.starts_with(std::string(100, 'a')));
  EXPECT_LT(result.blocks[0].stdout_text.size(), 300u);
  EXPECT_EQ(result.blocks[1].stdout_text, std::string(50, 'b'));
  EXPECT_THAT(result.output, HasSubstr("GET /v1/executions/e_1/output"));
}

TEST(FitResult, AnErrorComesOnTopOfTheBudget) {
  CodeResult result = of({std::string(300, 'a')});
  result.error = CodeError{.type = "ValueError", .message = "bad"};
  result.error->traceback = "Traceback\nValueError: bad";
  result.blocks[0].error = result.error;
  OutputPolicy policy;
  policy.budget.chars_max = 10;
  fit_result(result, policy);
  EXPECT_TRUE(result.output.ends_with("Traceback\nValueError: bad\n"));
  EXPECT_TRUE(result.blocks[0].output.ends_with("Traceback\nValueError: bad\n"));
  EXPECT_EQ(result.stdout_text.find("ValueError"), std::string::npos);
}

TEST(FitResult, AnErrorWithoutTracebackIsSaidInOneLine) {
  CodeResult result = of({"x"});
  result.error = CodeError{.type = "kernel_busy", .message = "still runs"};
  fit_result(result, {});
  EXPECT_EQ(result.output, "x\nkernel_busy: still runs\n");
}

TEST(FitResult, PeopleReadWhatATerminalWouldShow) {
  CodeResult result = of({"10%\r20%\r\x1b[31m30%\x1b[0m\n"});
  fit_result(result, {});
  EXPECT_EQ(result.stdout_text, "30%\n");
}

}  // namespace
}  // namespace perijove
