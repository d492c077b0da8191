#include "engine/command_runner.hpp"

#include <gmock/gmock.h>

#include <optional>

#include "support/loop.hpp"

namespace perijove {
namespace {

using execution::Outcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A program that does what the test says.
class Script final : public KernelPlace {
 public:
  class Running final : public RunningCommand {
   public:
    explicit Running(Script& script) : script_(script) {}
    ~Running() override { script_.told.emplace_back("gone"); }
    void interrupt() override {
      script_.told.emplace_back("interrupt");
      if (script_.on_interrupt) script_.on_interrupt();
    }
    void kill() override { script_.told.emplace_back("kill"); }

   private:
    Script& script_;
  };

  std::unique_ptr<RunningCommand> run(PlacedCommand command, PlacedCommandEvents wanted) override {
    argv = std::move(command.argv);
    events = std::move(wanted);
    return std::make_unique<Running>(*this);
  }
  bool shares_files() const override { return true; }
  FileOwner file_owner() const override { return {}; }
  void put_files(std::string, std::function<void(Result<void>)>) override {}
  std::shared_ptr<void> get_files(std::function<void(std::string_view)>,
                                  std::function<void(Result<void>)>) override {
    return nullptr;
  }

  std::vector<std::string> argv;
  PlacedCommandEvents events;
  std::vector<std::string> told;
  std::function<void()> on_interrupt;
};

class CommandRunnerTest : public ::testing::Test {
 protected:
  void run(const ExecutionOptions& options = {}) {
    runner_->run(script_, {.argv = {"bash", "file.sh"}, .env = {}}, options,
                 [this](RunResult result) {
                   result_ = std::move(result);
                   shard_.stop();
                 });
  }
  const RunResult& result() {
    shard_.run_until([this] { return result_.has_value(); });
    EXPECT_TRUE(result_);
    return *result_;
  }
  std::string texts(const RunResult& run, const std::string& name) {
    std::string text;
    for (const Output& output : run.collected->outputs()) {
      if (const auto* stream = std::get_if<StreamOutput>(&output); stream && stream->name == name) {
        text += stream->text;
      }
    }
    return text;
  }

  Shard shard_;
  Script script_;
  std::vector<std::string> streamed_;
  std::shared_ptr<CommandRunner> runner_ = std::make_shared<CommandRunner>(
      shard_,
      [this](const Output& output) { streamed_.push_back(std::get<StreamOutput>(output).text); });
  std::optional<RunResult> result_;
};

TEST_F(CommandRunnerTest, GivesTheOutputOfAProgramAsItComes) {
  run();
  EXPECT_THAT(script_.argv, ElementsAre("bash", "file.sh"));
  script_.events.on_output(false, "out\n");
  EXPECT_THAT(streamed_, ElementsAre("out\n"));
  script_.events.on_output(true, "err\n");
  script_.events.on_end(0);
  EXPECT_TRUE(result().ok());
  EXPECT_EQ(texts(result(), "stdout"), "out\n");
  EXPECT_EQ(texts(result(), "stderr"), "err\n");
  EXPECT_THAT(script_.told, ElementsAre("gone"));
}

TEST_F(CommandRunnerTest, AnExitCodeIsAnError) {
  run();
  script_.events.on_end(3);
  EXPECT_EQ(result().verdict.outcome, Outcome::error);
  EXPECT_FALSE(result().verdict.state_lost);
  ASSERT_TRUE(result().error());
  EXPECT_EQ(result().error()->message, "exit status 3");
}

TEST_F(CommandRunnerTest, WhatCannotBeRunSaysWhy) {
  run();
  script_.events.on_end(Error{Code::not_found, "no such container"});
  EXPECT_EQ(result().verdict.outcome, Outcome::error);
  EXPECT_EQ(result().error()->message, "no such container");
}

TEST_F(CommandRunnerTest, JoinsCharactersThatComeInPieces) {
  run();
  script_.events.on_output(false, "a\xe2\x82");
  script_.events.on_output(false,
                           "\xac\xff"
                           "b\xc3");
  script_.events.on_end(0);
  EXPECT_EQ(texts(result(), "stdout"),
            "a\xe2\x82\xac\xef\xbf\xbd"
            "b\xef\xbf\xbd");
}

TEST_F(CommandRunnerTest, IsInterruptedAtItsTimeLimit) {
  script_.on_interrupt = [this] { script_.events.on_end(130); };
  run({.limit = std::chrono::milliseconds(1)});
  EXPECT_EQ(result().verdict.outcome, Outcome::timed_out);
  EXPECT_THAT(result().verdict.note, HasSubstr("time limit"));
  EXPECT_THAT(result().verdict.note, ::testing::Not(HasSubstr("variables")));
}

TEST_F(CommandRunnerTest, IsKilledWhenItDoesNotYield) {
  run({.limit = std::chrono::milliseconds(1), .grace = std::chrono::milliseconds(1)});
  EXPECT_EQ(result().verdict.outcome, Outcome::timed_out);
  EXPECT_FALSE(result().verdict.stuck);
  EXPECT_FALSE(result().verdict.state_lost);
  EXPECT_THAT(result().verdict.note, HasSubstr("it was killed"));
  EXPECT_THAT(script_.told, ElementsAre("interrupt", "interrupt", "gone"));
}

TEST_F(CommandRunnerTest, MayBeCancelled) {
  script_.on_interrupt = [this] { script_.events.on_end(130); };
  run();
  runner_->cancel();
  EXPECT_EQ(result().verdict.outcome, Outcome::cancelled);
}

TEST_F(CommandRunnerTest, AnInterruptIsTheProgramsToTake) {
  run();
  runner_->interrupt();
  EXPECT_THAT(script_.told, ElementsAre("interrupt"));
  script_.events.on_output(false, "going on");
  script_.events.on_end(0);
  EXPECT_TRUE(result().ok());
}

TEST_F(CommandRunnerTest, CanBeGivenUp) {
  run();
  script_.events.on_output(false, "so far");
  const RunResult given_up = runner_->abandon();
  EXPECT_EQ(given_up.verdict.outcome, Outcome::cancelled);
  EXPECT_EQ(texts(given_up, "stdout"), "so far");
  EXPECT_THAT(script_.told, ElementsAre("gone"));
  EXPECT_FALSE(result_);
}

}  // namespace
}  // namespace perijove
