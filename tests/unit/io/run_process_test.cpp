#include "io/run_process.hpp"

#include <gmock/gmock.h>
#include <signal.h>

#include <string>

#include "support/loop.hpp"
#include "support/processes.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class RunProcessTest : public ::testing::Test {
 protected:
  SpawnRequest shell(const std::string& script) const {
    return {.argv = {"/bin/sh", "-c", script},
            .env = {{"PATH", "/usr/bin:/bin"}},
            .work_dir = temp_.str()};
  }

  Result<ProcessOutput> run(const SpawnRequest& request, const RunBounds& bounds = {}) {
    std::optional<Result<ProcessOutput>> result;
    const auto owner = run_process(shard_, request, bounds, [&](Result<ProcessOutput> done) {
      EXPECT_FALSE(result) << "done is called once";
      result = std::move(done);
    });
    EXPECT_FALSE(result) << "done is called from the loop";
    if (!testing::run_until(shard_.loop(), [&] { return result.has_value(); })) {
      return Error{Code::internal, "it did not end"};
    }
    return *result;
  }

  testing::TempDir temp_;
  Shard shard_;
};

TEST_F(RunProcessTest, KeepsBothOutputsApart) {
  const auto run = this->run(shell("echo out; echo err >&2; echo more; exit 3"));
  ASSERT_TRUE(run) << run.error();
  EXPECT_EQ(run->output, "out\nmore\n");
  EXPECT_EQ(run->error_output, "err\n");
  EXPECT_EQ(run->exit.code, 3);
}

TEST_F(RunProcessTest, FeedsItsInputToTheEnd) {
  SpawnRequest request = shell("wc -c");
  request.input = std::string(300'000, 'x');  // more than a pipe holds
  const auto run = this->run(request);
  ASSERT_TRUE(run) << run.error();
  EXPECT_EQ(std::stoi(run->output), 300'000);
}

TEST_F(RunProcessTest, AnEmptyInputEndsAtOnce) {
  SpawnRequest request = shell("cat; echo end");
  request.input = "";
  const auto run = this->run(request);
  ASSERT_TRUE(run) << run.error();
  EXPECT_EQ(run->output, "end\n");
}

TEST_F(RunProcessTest, KeepsTheEndOfALongComplaint) {
  const auto run = this->run(shell("head -c 100000 /dev/zero | tr '\\0' x >&2; echo last >&2"));
  ASSERT_TRUE(run) << run.error();
  EXPECT_EQ(run->error_output.size(), kErrorOutputBytesMax);
  EXPECT_TRUE(run->error_output.ends_with("xlast\n"));
}

TEST_F(RunProcessTest, KillsWhatIsOverItsTime) {
  const auto run = this->run(shell("echo $$ > pid; exec sleep 1000"),
                             {.time_max = std::chrono::milliseconds(300)});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Code::deadline_exceeded);
  EXPECT_EQ(run.error().message, "/bin/sh did not end within 300 ms");
  std::ifstream file(temp_.path() / "pid");
  pid_t pid = 0;
  if (file >> pid) {
    EXPECT_FALSE(testing::is_running(pid));
  }
}

TEST_F(RunProcessTest, KillsWhatSaysTooMuch) {
  const auto run = this->run(shell("yes"), {.output_bytes_max = 1000});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Code::resource_exhausted);
}

TEST_F(RunProcessTest, AMissingProgramIsAnErrorOfTheLoop) {
  const auto run = this->run({.argv = {"/no/such"}, .env = {}, .work_dir = "/"});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Code::not_found);
}

TEST_F(RunProcessTest, DroppingItsOwnerKillsIt) {
  auto owner =
      run_process(shard_, shell("echo $$ > pid; exec sleep 1000"), {},
                  [](const Result<ProcessOutput>&) { ADD_FAILURE() << "told after its end"; });
  pid_t pid = 0;
  ASSERT_TRUE(testing::run_until(shard_.loop(), [&] {
    std::ifstream file(temp_.path() / "pid");
    return bool(file >> pid);
  }));
  owner.reset();
  EXPECT_FALSE(testing::is_running(pid));
  shard_.loop().restart();
  shard_.loop().poll();
}

TEST_F(RunProcessTest, MayBeDroppedByItsOwnAnswer) {
  std::shared_ptr<void> owner;
  bool told = false;
  owner = run_process(shard_, shell("echo x"), {}, [&](const Result<ProcessOutput>&) {
    owner.reset();
    told = true;
  });
  EXPECT_TRUE(testing::run_until(shard_.loop(), [&] { return told; }));
}

TEST_F(RunProcessTest, LimitsAreThoseOfTheProcess) {
  SpawnRequest request = shell(
      "while ! grep -q 'Max data size *67108864 ' /proc/self/limits; do "
      ":; done; ulimit -t; nproc");
  request.limits = {
      .memory_bytes_max = 64 << 20, .cpu_time_max = std::chrono::seconds(77), .processors_max = 1};
  const auto run = this->run(request);
  ASSERT_TRUE(run) << run.error();
  EXPECT_EQ(run->output, "77\n1\n");
}

TEST_F(RunProcessTest, ALimitOfTimeEndsItsProcess) {
  SpawnRequest request = shell("while :; do :; done");
  request.limits.cpu_time_max = std::chrono::seconds(1);
  const auto run = this->run(request);
  ASSERT_TRUE(run) << run.error();
  // The soft limit's signal or, where both limits are one, the hard limit's.
  EXPECT_TRUE(run->exit.signal == SIGXCPU || run->exit.signal == SIGKILL) << describe(run->exit);
}

}  // namespace
}  // namespace perijove
