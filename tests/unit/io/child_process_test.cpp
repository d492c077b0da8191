#include "io/child_process.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "io/file_descriptor.hpp"
#include "io/process_tree.hpp"
#include "support/loop.hpp"
#include "support/processes.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::is_running;
using testing::open_descriptors;
using testing::run_until;
using ::testing::StartsWith;

constexpr rlim_t kSoftLimit = 777;  // of open files, as if the tests had been started with it

class ChildProcessTest : public ::testing::Test {
 protected:
  ChildProcessTest() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(kSoftLimit, limit.rlim_max - 1);
    setrlimit(RLIMIT_NOFILE, &limit);
    prepare_process_supervision(shard_);
  }

  // Whatever a test left behind, adopted or not.
  ~ChildProcessTest() override {
    child_.reset();
    for (const pid_t pid : children_of(getpid())) ::kill(pid, SIGKILL);
    EXPECT_TRUE(run_until(shard_.loop(), [] { return children_of(getpid()).empty(); }));
  }

  SpawnRequest shell(const std::string& script) const {
    return {.argv = {"/bin/sh", "-c", script},
            .env = {{"PATH", "/usr/bin:/bin"}},
            .work_dir = temp_.str()};
  }

  Result<std::unique_ptr<ChildProcess>> try_spawn(const SpawnRequest& request) {
    return ChildProcess::spawn(
        shard_, request, [this](ByteView bytes) { output_ += bytes; },
        [this](ProcessExit status) {
          EXPECT_FALSE(ended_) << "on_exit is called once";
          ended_ = status;
        });
  }

  void spawn(const SpawnRequest& request) {
    auto spawned = try_spawn(request);
    ASSERT_TRUE(spawned) << spawned.error();
    child_ = *std::move(spawned);
  }
  void spawn(const std::string& script) { spawn(shell(script)); }

  // Runs a script to its end and returns what it wrote.
  std::string output_of(const SpawnRequest& request) {
    output_.clear();
    ended_.reset();
    spawn(request);
    EXPECT_TRUE(run_until(shard_.loop(), [this] { return ended_.has_value(); }));
    child_.reset();
    return output_;
  }

  bool wait_for_exit() {
    return run_until(shard_.loop(), [this] { return ended_.has_value(); });
  }
  bool wait_for_output(const std::string& text) {
    return run_until(shard_.loop(), [&] { return output_.find(text) != std::string::npos; });
  }
  bool wait_until_gone(pid_t pid) {
    return run_until(shard_.loop(), [pid] { return !is_running(pid); });
  }

  // The process ids that a script wrote, one a line.
  std::vector<pid_t> pids_written() const {
    std::istringstream lines(output_);
    std::vector<pid_t> pids;
    for (pid_t pid = 0; lines >> pid;) pids.push_back(pid);
    return pids;
  }

  testing::TempDir temp_;
  Shard shard_;
  std::string output_;
  std::optional<ProcessExit> ended_;
  std::unique_ptr<ChildProcess> child_;
};

// ---- how it ends ----

TEST_F(ChildProcessTest, ReportsTheExitCode) {
  spawn("exit 3");
  EXPECT_FALSE(child_->exit_status());
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(ended_->code, 3);
  EXPECT_FALSE(ended_->signal);
  ASSERT_TRUE(child_->exit_status());
  EXPECT_EQ(child_->exit_status()->code, 3);
  EXPECT_EQ(describe(*ended_), "exited with code 3");
}

TEST_F(ChildProcessTest, ReportsTheSignal) {
  spawn("kill -TERM $$");
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(ended_->signal, SIGTERM);
  EXPECT_EQ(describe(*ended_), "was killed by signal 15 (SIGTERM)");
}

TEST_F(ChildProcessTest, ReportsAKillFromOutside) {
  spawn("exec sleep 1000");
  ::kill(child_->pid(), SIGKILL);
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(ended_->signal, SIGKILL);
}

TEST_F(ChildProcessTest, AStopIsNoEnd) {
  spawn("kill -STOP $$; exit 5");
  ASSERT_TRUE(run_until(shard_.loop(), [this] {
    std::ifstream file("/proc/" + std::to_string(child_->pid()) + "/stat");
    const std::string stat{std::istreambuf_iterator<char>(file), {}};
    return stat.find(") T ") != std::string::npos;
  }));
  EXPECT_FALSE(ended_);
  ::kill(child_->pid(), SIGCONT);
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(ended_->code, 5);
}

TEST_F(ChildProcessTest, ClosingItsOutputIsNoEnd) {
  spawn("exec >&- 2>&-; while [ ! -e go ]; do sleep 0.01; done; exit 4");
  temp_.write("go", "");
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(ended_->code, 4);
}

// ---- its output ----

TEST_F(ChildProcessTest, OutputAndErrorsComeInOrderBeforeTheEnd) {
  spawn("i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done");
  ASSERT_TRUE(wait_for_exit());
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    expected += "out " + std::to_string(i) + "\nerr " + std::to_string(i) + "\n";
  }
  EXPECT_EQ(output_, expected);
}

TEST_F(ChildProcessTest, AFloodIsDrainedToItsLastByte) {
  spawn("head -c 20000000 /dev/zero; echo the end");
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(output_.size(), 20'000'008u);
  EXPECT_TRUE(output_.ends_with("the end\n"));
}

TEST_F(ChildProcessTest, WhatItWroteRightBeforeItWasKilledIsNotLost) {
  spawn("head -c 60000 /dev/zero; echo last words; kill -KILL $$");
  ASSERT_TRUE(wait_for_exit());
  EXPECT_TRUE(output_.ends_with("last words\n"));
}

// ---- what it is given ----

TEST_F(ChildProcessTest, ReadsAnEmptyStandardInput) {
  EXPECT_EQ(output_of(shell("cat; echo done")), "done\n");
}

TEST_F(ChildProcessTest, RunsInItsWorkDirectory) {
  EXPECT_EQ(output_of(shell("pwd -P")), temp_.str() + "\n");
}

TEST_F(ChildProcessTest, HasExactlyItsEnvironmentAndOurMark) {
  std::istringstream lines(output_of({.argv = {"/usr/bin/env"},
                                      .env = {{"A", "1"}, {"B", "x =y"}, {"EMPTY", ""}},
                                      .work_dir = temp_.str()}));
  std::vector<std::string> found;
  for (std::string line; std::getline(lines, line);) found.push_back(line);
  EXPECT_THAT(found, ElementsAre("A=1", "B=x =y", "EMPTY=", StartsWith("PERIJOVE_PROCESS=")));
}

TEST_F(ChildProcessTest, PassesEveryArgumentAsItIs) {
  EXPECT_EQ(output_of({.argv = {"/usr/bin/printf", "[%s]", "", "a b", "$HOME", "*", "\"'\\"},
                       .env = {},
                       .work_dir = temp_.str()}),
            "[][a b][$HOME][*][\"'\\]");
}

TEST_F(ChildProcessTest, InheritsNoDescriptorOfOurs) {
  // Two that are not marked to be closed, one of them far up.
  const FileDescriptor low(::open("/dev/null", O_RDONLY));
  const FileDescriptor high(::fcntl(low.get(), F_DUPFD, 500));
  ASSERT_TRUE(high);
  EXPECT_EQ(output_of(shell("i=0; while [ $i -lt 600 ]; do [ -e /proc/$$/fd/$i ] && echo $i; "
                            "i=$((i+1)); done")),
            "0\n1\n2\n");
}

TEST_F(ChildProcessTest, LeadsASessionAndGroupOfItsOwn) {
  const std::string stat = output_of(shell("cat /proc/$$/stat"));
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string state;
  pid_t parent = 0, group = 0, session = 0;
  fields >> state >> parent >> group >> session;
  const pid_t pid = std::stoi(stat);
  EXPECT_EQ(parent, getpid());
  EXPECT_EQ(group, pid);
  EXPECT_EQ(session, pid);
}

TEST_F(ChildProcessTest, BeginsWithDefaultSignals) {
  struct sigaction ignored {
  }, before{};
  ignored.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignored, &before);
  sigset_t blocked, mask_before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, &mask_before);
  const std::string output =
      output_of({.argv = {"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"},
                 .env = {},
                 .work_dir = temp_.str()});
  sigprocmask(SIG_SETMASK, &mask_before, nullptr);
  sigaction(SIGPIPE, &before, nullptr);
  const auto value = [&](const std::string& name) {
    return std::stoull(output.substr(output.find(name) + name.size()), nullptr, 16);
  };
  EXPECT_EQ(value("SigBlk:"), 0u);
  constexpr unsigned long long kInternalToGlibc = 3ull << 31;
  EXPECT_EQ(value("SigIgn:") & ~kInternalToGlibc, 0u);
}

TEST_F(ChildProcessTest, GetsTheOldLimitOfOpenFilesWhileOursIsLifted) {
  rlimit ours{};
  getrlimit(RLIMIT_NOFILE, &ours);
  EXPECT_EQ(ours.rlim_cur, ours.rlim_max);
  spawn("while [ ! -e go ]; do sleep 0.01; done; ulimit -S -n");
  temp_.write("go", "");
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(output_, std::to_string(kSoftLimit) + "\n");
}

// ---- which program ----

TEST_F(ChildProcessTest, SearchesThePathOfItsOwnEnvironment) {
  temp_.write("bin/greet", "#!/bin/sh\necho hello from $0\n");
  chmod((temp_.path() / "bin/greet").c_str(), 0700);
  temp_.write("first/greet", "not executable");
  std::filesystem::create_directories(temp_.path() / "second/greet");
  const std::string base = temp_.str();
  const std::string output = output_of(
      {.argv = {"greet"},
       .env = {{"PATH", base + "/none:" + base + "/first:" + base + "/second:" + base + "/bin"}},
       .work_dir = "/"});
  EXPECT_EQ(output, "hello from " + base + "/bin/greet\n");
}

TEST_F(ChildProcessTest, WhatIsRelativeBeginsInTheWorkDirectory) {
  temp_.write("tools/greet", "#!/bin/sh\necho hello\n");
  chmod((temp_.path() / "tools/greet").c_str(), 0700);
  EXPECT_EQ(output_of({.argv = {"./tools/greet"}, .env = {}, .work_dir = temp_.str()}), "hello\n");
  EXPECT_EQ(output_of({.argv = {"greet"}, .env = {{"PATH", "tools"}}, .work_dir = temp_.str()}),
            "hello\n");
  EXPECT_EQ(output_of({.argv = {"greet"},
                       .env = {{"PATH", "/none:"}},  // an empty entry is the current directory
                       .work_dir = temp_.str() + "/tools"}),
            "hello\n");
}

TEST_F(ChildProcessTest, NamesAMissingProgramAndWhereItWasSearched) {
  const auto spawned = try_spawn(
      {.argv = {"no-such-kernel"}, .env = {{"PATH", "/usr/bin:/bin"}}, .work_dir = temp_.str()});
  ASSERT_FALSE(spawned);
  EXPECT_EQ(spawned.error().code, Code::not_found);
  EXPECT_EQ(spawned.error().message, "program 'no-such-kernel' not found; searched: /usr/bin:/bin");
}

TEST_F(ChildProcessTest, RefusesWhatCannotBeRun) {
  temp_.write("text", "no program");
  for (const std::string& program :
       {temp_.str() + "/missing", temp_.str() + "/text", temp_.str()}) {
    const auto spawned = try_spawn({.argv = {program}, .env = {}, .work_dir = temp_.str()});
    ASSERT_FALSE(spawned) << program;
    EXPECT_EQ(spawned.error().code, Code::not_found);
    EXPECT_THAT(spawned.error().message, HasSubstr(program));
  }
  EXPECT_EQ(try_spawn({.argv = {}, .env = {}, .work_dir = "/"}).error().code,
            Code::invalid_argument);
  EXPECT_EQ(try_spawn({.argv = {""}, .env = {}, .work_dir = "/"}).error().code, Code::not_found);
}

TEST_F(ChildProcessTest, RefusesAWorkDirectoryThatIsNotThere) {
  SpawnRequest request = shell("true");
  request.work_dir = temp_.str() + "/gone";
  const auto spawned = try_spawn(request);
  ASSERT_FALSE(spawned);
  EXPECT_EQ(spawned.error().code, Code::not_found);
  EXPECT_THAT(spawned.error().message, HasSubstr(request.work_dir));
}

// ---- killing it and what it started ----

TEST_F(ChildProcessTest, AnInterruptReachesTheWholeGroup) {
  spawn(
      "trap 'echo parent' INT; sh -c 'trap \"echo child; exit\" INT; echo ready; while :; do sleep "
      "0.01; done' & echo ready; while :; do wait && exit 7; done");
  ASSERT_TRUE(run_until(shard_.loop(),
                        [this] { return std::count(output_.begin(), output_.end(), '\n') == 2; }));
  child_->signal_group(SIGUSR2);  // unhandled by both: ends them
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(ended_->signal, SIGUSR2);
}

TEST_F(ChildProcessTest, KillAllEndsTheGroup) {
  spawn("sleep 1000 & echo $!; sleep 1000 & echo $!; echo; wait");
  ASSERT_TRUE(wait_for_output("\n\n"));
  child_->kill_all();
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(ended_->signal, SIGKILL);
  const auto pids = pids_written();
  ASSERT_EQ(pids.size(), 2u);
  for (const pid_t pid : pids) EXPECT_TRUE(wait_until_gone(pid));
}

TEST_F(ChildProcessTest, WhatItLeftInItsGroupEndsWithIt) {
  spawn("sleep 1000 & echo $!; exit 0");
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(ended_->code, 0);
  ASSERT_EQ(pids_written().size(), 1u);
  EXPECT_TRUE(wait_until_gone(pids_written()[0]));
}

TEST_F(ChildProcessTest, AGrandchildInASessionOfItsOwnEndsWithIt) {
  spawn("setsid sh -c 'echo $$; exec sleep 1000' & while [ ! -e go ]; do sleep 0.01; done");
  ASSERT_TRUE(wait_for_output("\n"));
  temp_.write("go", "");
  ASSERT_TRUE(wait_for_exit());
  EXPECT_TRUE(wait_until_gone(pids_written()[0]));
}

TEST_F(ChildProcessTest, ADaemonEndsWithItThoughItsParentIsLongGone) {
  // Twice forked, in a session of its own, output closed: as daemons do it.
  spawn(
      "(setsid sh -c 'sh -c \"echo \\$\\$ >daemon; exec sleep 1000 >/dev/null 2>&1\" & exit' &); "
      "while [ ! -e go ]; do sleep 0.01; done; exit 6");
  pid_t daemon = 0;
  ASSERT_TRUE(run_until(shard_.loop(), [&] {
    return static_cast<bool>(std::ifstream(temp_.path() / "daemon") >> daemon);
  }));
  ASSERT_TRUE(run_until(shard_.loop(), [&] {  // adopted by us
    const auto adopted = children_of(getpid());
    return std::find(adopted.begin(), adopted.end(), daemon) != adopted.end();
  }));
  temp_.write("go", "");
  ASSERT_TRUE(wait_for_exit());
  EXPECT_EQ(ended_->code, 6);
  EXPECT_TRUE(wait_until_gone(daemon));
}

TEST_F(ChildProcessTest, ADescendantThatHidItsEnvironmentIsFoundThroughItsParents) {
  spawn("env -i setsid sleep 1000 & echo $!; wait");
  ASSERT_TRUE(wait_for_output("\n"));
  const pid_t hidden = pids_written()[0];
  ASSERT_TRUE(run_until(shard_.loop(), [hidden] { return getsid(hidden) == hidden; }));
  child_->kill_all();
  ASSERT_TRUE(wait_for_exit());
  EXPECT_TRUE(wait_until_gone(hidden));
}

TEST_F(ChildProcessTest, ManySessionsEndTogether) {
  spawn("i=0; while [ $i -lt 100 ]; do setsid sleep 1000 & echo $!; i=$((i+1)); done; echo; wait");
  ASSERT_TRUE(wait_for_output("\n\n"));
  const auto pids = pids_written();
  ASSERT_EQ(pids.size(), 100u);
  child_->kill_all();
  ASSERT_TRUE(wait_for_exit());
  for (const pid_t pid : pids) EXPECT_TRUE(wait_until_gone(pid));
}

TEST_F(ChildProcessTest, LeavesTheOthersAlone) {
  std::string other_output;
  auto other = ChildProcess::spawn(
      shard_, shell("setsid sleep 1000 & echo $!; wait"),
      [&](ByteView bytes) { other_output += bytes; }, [](ProcessExit) {});
  ASSERT_TRUE(other) << other.error();
  ASSERT_TRUE(run_until(shard_.loop(), [&] { return other_output.ends_with('\n'); }));
  spawn("setsid sleep 1000 & exit 0");
  ASSERT_TRUE(wait_for_exit());
  EXPECT_TRUE(is_running((*other)->pid()));
  EXPECT_TRUE(is_running(std::stoi(other_output)));
}

TEST_F(ChildProcessTest, AdoptedOrphansAreReaped) {
  spawn("(sh -c 'while [ ! -e go ]; do sleep 0.01; done' & echo $!); exec sleep 1000");
  ASSERT_TRUE(wait_for_output("\n"));
  const pid_t orphan = pids_written()[0];
  temp_.write("go", "");
  EXPECT_TRUE(run_until(shard_.loop(), [orphan] {
    return ::kill(orphan, 0) != 0 && errno == ESRCH;  // not even a zombie
  }));
  EXPECT_FALSE(ended_);
}

// ---- whose it is ----

TEST_F(ChildProcessTest, DestroyingItKillsItAtOnce) {
  spawn("sleep 1000 & echo $!; exec sleep 1000");
  ASSERT_TRUE(wait_for_output("\n"));
  const pid_t leader = child_->pid();
  const pid_t member = pids_written()[0];
  child_.reset();
  EXPECT_EQ(::kill(leader, 0), -1) << "it is reaped";
  EXPECT_TRUE(wait_until_gone(member));
  EXPECT_FALSE(ended_) << "nothing is told after the end of its owner";
}

TEST_F(ChildProcessTest, DestroyingItAfterItsEndIsQuiet) {
  spawn("exit 0");
  ASSERT_TRUE(wait_for_exit());
  child_->kill_all();
  child_->signal_group(SIGTERM);
  child_.reset();
}

TEST_F(ChildProcessTest, MayBeDestroyedWhileItTellsItsEnd) {
  std::unique_ptr<ChildProcess> child;
  bool told = false;
  auto spawned = ChildProcess::spawn(
      shard_, shell("exit 0"), [](ByteView) {},
      [&](ProcessExit) {
        child.reset();
        told = true;
      });
  ASSERT_TRUE(spawned) << spawned.error();
  child = *std::move(spawned);
  EXPECT_TRUE(run_until(shard_.loop(), [&] { return told; }));
}

TEST_F(ChildProcessTest, MayBeDestroyedWhileItTellsItsOutput) {
  for (const std::string script : {"echo x; sleep 1000", "echo x"}) {
    std::unique_ptr<ChildProcess> child;
    int calls = 0;
    auto spawned = ChildProcess::spawn(
        shard_, shell(script),
        [&](ByteView) {
          ++calls;
          child.reset();
        },
        [](ProcessExit) { ADD_FAILURE() << "told after the end of its owner"; });
    ASSERT_TRUE(spawned) << spawned.error();
    child = *std::move(spawned);
    EXPECT_TRUE(run_until(shard_.loop(), [&] { return calls == 1; }));
    shard_.loop().restart();
    shard_.loop().poll();
    EXPECT_EQ(calls, 1);
  }
}

TEST_F(ChildProcessTest, AHundredSpawnsLeaveNoDescriptor) {
  output_of(shell("true"));  // what is opened once
  const std::set<int> before = open_descriptors();
  for (int i = 0; i < 100; ++i) {
    switch (i % 3) {
      case 0:
        output_of(shell("exit 0"));
        break;
      case 1:
        spawn("sleep 1000");
        child_.reset();
        break;
      default:
        EXPECT_FALSE(try_spawn({.argv = {"/no/such"}, .env = {}, .work_dir = "/"}));
    }
    shard_.loop().restart();
    shard_.loop().poll();
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace perijove
