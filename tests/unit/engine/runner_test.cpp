// The runner drives a real kernel here, the echo kernel of this build: what it is for is getting
// through with whatever a process does.

#include "engine/runner.hpp"

#include <gmock/gmock.h>
#include <signal.h>

#include <charconv>
#include <filesystem>

#include "base/log.hpp"
#include "io/runtime_dir.hpp"
#include "provision/local/local_provisioner.hpp"
#include "support/loop.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using execution::Outcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_until;
using testing::TempDir;

constexpr char kEchoKernel[] = PERIJOVE_BINARY_DIR "/kernels/echo/perijove-kernel-echo";

class BlockRunnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kEchoKernel)) {
      GTEST_SKIP() << "the echo kernel is not built: " << kEchoKernel;
    }
    log::set_level(log::Level::off);
    auto runtime_dir = RuntimeDir::create(temp_.str() + "/run");
    ASSERT_TRUE(runtime_dir) << runtime_dir.error();
    runtime_dir_.emplace(*std::move(runtime_dir));
    provisioner_ = make_local_provisioner(*runtime_dir_);

    LaunchRequest launch;
    launch.kernel_id = KernelId(make_uuid());
    launch.spec.name = "echo";
    launch.spec.argv = {kEchoKernel, "-f", "{connection_file}"};
    launch.spec.interrupt_mode = InterruptMode::message;
    launch.env = {{"PATH", "/usr/bin:/bin"}};
    launch.work_dir = temp_.str();
    kernel_ =
        std::make_shared<Kernel>(shard_, *provisioner_, launch, KernelOptions(), Kernel::Hooks());
    std::optional<Result<void>> ready;
    kernel_->start([&](const Result<void>& result) { ready = result; });
    ASSERT_TRUE(run_until(shard_.loop(), [&] { return ready.has_value(); }));
    ASSERT_TRUE(*ready) << ready->error();
    runner_ = make_runner();
  }

  void TearDown() override {
    if (!kernel_) return;
    bool stopped = false;
    kernel_->stop([&](const Result<void>&) { stopped = true; }, true);
    EXPECT_TRUE(run_until(shard_.loop(), [&] { return stopped; }));
  }

  std::shared_ptr<BlockRunner> make_runner() {
    BlockRunner::Events events;
    events.on_output = [this](const Output& output) {
      if (const auto* stream = std::get_if<StreamOutput>(&output)) printed_ += stream->text;
    };
    events.on_late_output = [this] { ++late_; };
    if (answer_) {
      events.on_input = [this](const InputRequest& request) {
        asked_.push_back(request);
        runner_->answer_input(*answer_);
      };
    }
    return std::make_shared<BlockRunner>(shard_, kernel_, std::move(events));
  }

  RunResult run(BlockRunner& runner, std::string_view code, const BlockOptions& options = {}) {
    std::optional<RunResult> done;
    runner.run(code, options, [&](RunResult result) { done = std::move(result); });
    EXPECT_TRUE(run_until(shard_.loop(), [&] { return done.has_value(); })) << code;
    return done ? *done : RunResult{.verdict = {}, .collected = nullptr};
  }
  RunResult run(std::string_view code, const BlockOptions& options = {}) {
    return run(*runner_, code, options);
  }

  static std::string text(const RunResult& result) {
    std::string text;
    for (const Output& output : result.collected->outputs()) {
      if (const auto* stream = std::get_if<StreamOutput>(&output)) text += stream->text;
      if (const auto* display = std::get_if<DisplayOutput>(&output)) {
        text += plain_text(display->data) + "\n";
      }
    }
    return text;
  }

  pid_t kernel_pid() const {
    const std::string process = kernel_->details().process;  // "pid 4711"
    const std::string digits = process.substr(process.find(' ') + 1);
    pid_t pid = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    EXPECT_GT(pid, 1) << process;
    return pid;
  }

  static BlockOptions limited(Duration limit, Duration grace = std::chrono::seconds(20)) {
    BlockOptions options;
    options.execution.limit = limit;
    options.execution.grace = grace;
    return options;
  }

  TempDir temp_;
  std::optional<RuntimeDir> runtime_dir_;
  Shard shard_;
  std::unique_ptr<Provisioner> provisioner_;
  std::shared_ptr<Kernel> kernel_;
  std::shared_ptr<BlockRunner> runner_;
  std::optional<std::string> answer_;
  std::vector<InputRequest> asked_;
  std::string printed_;
  int late_ = 0;
};

TEST_F(BlockRunnerTest, RunsBlocksInOneKernelAndGathersWhatTheyPutOut) {
  EXPECT_TRUE(run("set x 41").ok());
  const RunResult result = run("print one\nresult two");
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.verdict, (execution::Verdict{Outcome::ok, false, ""}));
  EXPECT_EQ(text(result), "one\ntwo\n");
  EXPECT_EQ(result.collected->execution_count(), 2);
  EXPECT_EQ(text(run("get x")), "41\n");
  EXPECT_EQ(printed_, "one\n");
}

TEST_F(BlockRunnerTest, TellsAnExceptionFromOurOwnFailures) {
  const RunResult result = run("error ValueError bad");
  EXPECT_EQ(result.verdict.outcome, Outcome::error);
  ASSERT_TRUE(result.error());
  EXPECT_EQ(result.error()->name, "ValueError");
  EXPECT_EQ(result.error()->message, "bad");
}

TEST_F(BlockRunnerTest, AsksWhatTheKernelSpeaks) {
  std::optional<std::string> info;
  runner_->ask_language_info([&](std::string text) { info = std::move(text); });
  ASSERT_TRUE(run_until(shard_.loop(), [&] { return info.has_value(); }));
  EXPECT_THAT(*info, HasSubstr(R"("name":"echo")"));
}

TEST_F(BlockRunnerTest, KeepsTheStateOfABlockThatYieldsAtItsLimit) {
  run("set x 41");
  const RunResult result = run("print begun\nsleep 600", limited(std::chrono::milliseconds(50)));
  EXPECT_EQ(result.verdict.outcome, Outcome::timed_out);
  EXPECT_FALSE(result.verdict.state_lost);
  EXPECT_EQ(text(run("get x")), "41\n");
}

TEST_F(BlockRunnerTest, RestartsTheKernelOfABlockThatDoesNotYield) {
  run("set x 41");
  const auto options = limited(std::chrono::milliseconds(50), std::chrono::milliseconds(50));
  const RunResult result = run("ignore-interrupt on\nsleep 600", options);
  EXPECT_EQ(result.verdict.outcome, Outcome::timed_out);
  EXPECT_TRUE(result.verdict.state_lost);
  EXPECT_EQ(result.error()->name, "TimedOut");

  const RunResult next = run("print fresh");
  EXPECT_EQ(text(next), "fresh\n") << "it is not lost with the old process";
  EXPECT_FALSE(next.verdict.state_lost) << "that was told already";
  EXPECT_EQ(run("get x").error()->name, "NameError");
}

TEST_F(BlockRunnerTest, LeavesAStuckBlockToACallerWhoEndsTheKernel) {
  auto options = limited(std::chrono::milliseconds(50), std::chrono::milliseconds(50));
  options.execution.if_stuck = execution::IfStuck::leave;
  const pid_t before = kernel_pid();
  const RunResult result = run("ignore-interrupt on\nsleep 600", options);
  EXPECT_EQ(result.verdict.outcome, Outcome::timed_out);
  EXPECT_EQ(kernel_pid(), before);
}

TEST_F(BlockRunnerTest, SaysHowAKernelDiedAndGoesOnInTheNextOne) {
  const RunResult result = run("print last words\nsleep 0.1\ndie 3");
  EXPECT_EQ(result.verdict.outcome, Outcome::died);
  EXPECT_TRUE(result.verdict.state_lost);
  EXPECT_THAT(result.verdict.note, HasSubstr("exited with code 3"));
  EXPECT_EQ(text(result), "last words\n");

  const RunResult next = run("print fresh");
  EXPECT_EQ(text(next), "fresh\n");
  EXPECT_FALSE(next.verdict.state_lost) << "that was told already";
  const auto outputs = result.collected->outputs();
  EXPECT_EQ(std::count_if(
                outputs.begin(), outputs.end(),
                [](const Output& output) { return std::holds_alternative<ErrorOutput>(output); }),
            1)
      << "the gateway's answers to what the dead kernel owed are no outputs";
}

TEST_F(BlockRunnerTest, TellsTheNextBlockOfADeathInBetween) {
  run("set x 41");
  const pid_t before = kernel_pid();
  ::kill(before, SIGKILL);
  ASSERT_TRUE(run_until(shard_.loop(), [&] {
    return kernel_->state() == lifecycle::State::ready && kernel_pid() != before;
  }));
  const RunResult result = run("print fresh");
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(result.verdict.state_lost);
  EXPECT_THAT(result.verdict.note, HasSubstr("earlier variables are gone"));
  EXPECT_FALSE(run("print again").verdict.state_lost);
}

TEST_F(BlockRunnerTest, RunsNothingInAKernelThatWasStopped) {
  bool stopped = false;
  kernel_->stop([&](const Result<void>&) { stopped = true; }, true);
  ASSERT_TRUE(run_until(shard_.loop(), [&] { return stopped; }));
  const RunResult result = run("print x");
  EXPECT_EQ(result.verdict.outcome, Outcome::died);
  EXPECT_TRUE(result.verdict.state_lost);
}

TEST_F(BlockRunnerTest, EndsABlockThatIsCancelled) {
  std::optional<RunResult> done;
  runner_->run("print begun\nsleep 600", {}, [&](RunResult result) { done = std::move(result); });
  ASSERT_TRUE(run_until(shard_.loop(), [&] { return printed_ == "begun\n"; }));
  runner_->cancel();
  ASSERT_TRUE(run_until(shard_.loop(), [&] { return done.has_value(); }));
  EXPECT_EQ(done->verdict.outcome, Outcome::cancelled);
  EXPECT_TRUE(run("print on").ok());
}

TEST_F(BlockRunnerTest, GivesUpABlockWithWhatThereIs) {
  bool called = false;
  runner_->run("print begun\nsleep 600", {}, [&](const RunResult&) { called = true; });
  ASSERT_TRUE(run_until(shard_.loop(), [&] { return printed_ == "begun\n"; }));
  const RunResult result = runner_->abandon();
  EXPECT_EQ(text(result), "begun\n");
  EXPECT_FALSE(runner_->running());
  EXPECT_FALSE(called);
}

TEST_F(BlockRunnerTest, GivesUpABlockWithWhatWaitsToBeRead) {
  // The journal has it all when the kernel is idle again. This reader is slower, if the kernel has
  // not been slower still.
  for (int attempt = 0; attempt < 50 && !runner_->running(); ++attempt) {
    printed_.clear();
    runner_->run("flood 12 1048576", {}, [](const RunResult&) {});
    ASSERT_TRUE(run_until(shard_.loop(), [&] {
      return !printed_.empty() && kernel_->summary().execution_state == ExecutionState::idle;
    }));
  }
  ASSERT_TRUE(runner_->running()) << "it has read everything, every time";
  const std::string all = text(runner_->abandon());
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 12);
}

TEST_F(BlockRunnerTest, AnswersWhatCodeAsks) {
  answer_ = "bob";
  runner_ = make_runner();
  const RunResult result = run("input who?\npassword secret?");
  EXPECT_EQ(text(result), "bob\nbob\n");
  ASSERT_EQ(asked_.size(), 2u);
  EXPECT_EQ(asked_[0].prompt, "who?");
  EXPECT_FALSE(asked_[0].password);
  EXPECT_TRUE(asked_[1].password);
}

TEST_F(BlockRunnerTest, LetsNoCodeWaitForInputThatNobodyGives) {
  const RunResult result = run("input who?");
  EXPECT_EQ(result.verdict.outcome, Outcome::error);
  EXPECT_EQ(result.error()->name, "StdinNotImplementedError");
}

TEST_F(BlockRunnerTest, UpdatesADisplayOfAnEarlierBlock) {
  const RunResult first = run("display-id a one");
  const RunResult second = run("update-display a two");
  EXPECT_EQ(text(first), "two\n");
  EXPECT_EQ(text(second), "");
  EXPECT_EQ(late_, 1);
}

// rows: J14
TEST_F(BlockRunnerTest, HearsNothingOfOtherClients) {
  const auto other = make_runner();
  printed_.clear();
  const RunResult result = run(*other, "print other");
  EXPECT_EQ(text(result), "other\n");
  EXPECT_EQ(printed_, "other\n") << "once, for the runner that ran it";
}

TEST_F(BlockRunnerTest, CallsNobodyOnceItIsGone) {
  bool called = false;
  runner_->run("print begun\nsleep 0.05", {}, [&](const RunResult&) { called = true; });
  runner_.reset();
  ASSERT_TRUE(run_until(
      shard_.loop(), [&] { return kernel_->summary().execution_state == ExecutionState::idle; }));
  EXPECT_FALSE(called);
  EXPECT_EQ(printed_, "");
}

TEST_F(BlockRunnerTest, KeepsEveryLineOfAFlood) {
  const RunResult result = run("lines 20000");
  const std::string lines = text(result);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 20'000);
  EXPECT_TRUE(lines.ends_with("\n20000\n"));
}

}  // namespace
}  // namespace perijove
