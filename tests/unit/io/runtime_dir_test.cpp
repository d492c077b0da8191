#include "io/runtime_dir.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "support/processes.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::is_running;
using ::testing::IsEmpty;

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

// A process in a group of its own that does nothing; killed at the end.
class Sleeper {
 public:
  explicit Sleeper(const char* variable = "A=1") : pid_(fork()) {
    if (pid_ == 0) {
      setpgid(0, 0);
      const char* const argv[] = {"/bin/sleep", "1000", nullptr};
      const char* const env[] = {variable, nullptr};
      execve(argv[0], const_cast<char* const*>(argv), const_cast<char* const*>(env));
      _exit(127);
    }
    setpgid(pid_, pid_);
    // Until it is executed its environment is still ours.
    for (std::string name; name != "sleep";) {
      std::ifstream("/proc/" + std::to_string(pid_) + "/comm") >> name;
    }
  }
  ~Sleeper() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  pid_t pid() const { return pid_; }

  /// Waits for its end; it stays a zombie, so that its number stays its own.
  bool is_killed_at_last() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) == 0 &&
           info.si_code == CLD_KILLED && info.si_status == SIGKILL;
  }

 private:
  pid_t pid_;
};

class RuntimeDirTest : public ::testing::Test {
 protected:
  RuntimeDir create() {
    auto made = RuntimeDir::create(base_);
    EXPECT_TRUE(made) << made.error();
    return *std::move(made);
  }

  // A gateway that started `processes` and was then killed. Returns its directory.
  std::string killed_gateway(const std::vector<pid_t>& processes, const std::string& marker = {}) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const pid_t gateway = fork();
    if (gateway == 0) {
      auto directory = RuntimeDir::create(base_);
      for (const pid_t pid : processes) directory->record_process(pid, marker);
      const std::string path = directory->path() + '\n';
      if (write(ends[1], path.data(), path.size()) < 0) _exit(1);
      for (;;) pause();
    }
    std::string path;
    for (char c = 0; read(ends[0], &c, 1) == 1 && c != '\n';) path += c;
    kill(gateway, SIGKILL);
    waitpid(gateway, nullptr, 0);
    close(ends[0]);
    close(ends[1]);
    return path;
  }

  testing::TempDir temp_;
  std::string base_ = temp_.str() + "/base";
};

TEST_F(RuntimeDirTest, MakesItsBaseAndItselfForItsUserOnly) {
  const mode_t mask = umask(0);
  const RuntimeDir directory = create();
  umask(mask);
  EXPECT_EQ(directory.path(), base_ + "/" + std::to_string(getpid()));
  EXPECT_EQ(mode_of(base_), 0700u);
  EXPECT_EQ(mode_of(directory.path()), 0700u);
}

TEST_F(RuntimeDirTest, IsRemovedAtItsEndWithAllThatIsInIt) {
  std::string path;
  {
    RuntimeDir directory = create();
    path = directory.path();
    ASSERT_TRUE(directory.make_kernel_dir("kernel"));
    directory.record_process(getpid());
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(base_));
}

TEST_F(RuntimeDirTest, MovesWithItsOwner) {
  std::optional<RuntimeDir> first(create());
  const std::string path = first->path();
  const RuntimeDir second = *std::move(first);
  first.reset();
  EXPECT_TRUE(fs::exists(path));
  EXPECT_EQ(second.path(), path);
}

TEST_F(RuntimeDirTest, RefusesABaseThatIsNotItsOwn) {
  const auto refused = [this](const std::string& base) {
    const auto made = RuntimeDir::create(base);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Code::permission_denied);
    EXPECT_THAT(made.error().message, HasSubstr(base));
    EXPECT_THAT(made.error().message, HasSubstr("--runtime-dir"));
    EXPECT_THAT(RuntimeDir::find_strays(base), IsEmpty());
  };
  fs::create_directory(base_);
  for (const mode_t open_to_others : {0755u, 0770u, 0701u, 0777u}) {
    chmod(base_.c_str(), open_to_others);
    refused(base_);
  }
  chmod(base_.c_str(), 0700);
  fs::create_directory_symlink(base_, temp_.path() / "link");
  refused(temp_.str() + "/link");
  temp_.write("file", "");
  refused(temp_.str() + "/file");
  if (geteuid() == 0) {
    ASSERT_EQ(chown(base_.c_str(), 65534, 65534), 0);
    refused(base_);
  }
}

TEST_F(RuntimeDirTest, SaysWhereItCannotBeMade) {
  const auto made = RuntimeDir::create(temp_.str() + "/missing/base");
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr(temp_.str() + "/missing/base"));
}

TEST_F(RuntimeDirTest, TwoOfOneProcessDoNotTakeEachOthersPlace) {
  std::optional<RuntimeDir> first(create());
  const std::optional<RuntimeDir> second(create());
  ASSERT_NE(first->path(), second->path());
  EXPECT_EQ(second->path(), first->path() + "-2");
  EXPECT_THAT(RuntimeDir::find_strays(base_), IsEmpty());
  first.reset();
  EXPECT_TRUE(fs::exists(second->path()));
}

TEST_F(RuntimeDirTest, AStrayUnderItsNumberIsLeftForItsFinder) {
  fs::create_directory(base_);
  chmod(base_.c_str(), 0700);
  const std::string stray = base_ + "/" + std::to_string(getpid());
  fs::create_directory(stray);
  EXPECT_EQ(create().path(), stray + "-2");
  EXPECT_TRUE(fs::exists(stray));
}

TEST_F(RuntimeDirTest, EachLaunchOfAKernelHasADirectoryThatWasNeverUsed) {
  RuntimeDir directory = create();
  std::set<std::string> paths;
  for (int launch = 0; launch < 3; ++launch) {
    const auto made = directory.make_kernel_dir("0123456789-abc");
    ASSERT_TRUE(made) << made.error();
    EXPECT_EQ(mode_of(*made), 0700u);
    EXPECT_THAT(*made, ::testing::StartsWith(directory.path() + "/01234567-"));
    EXPECT_TRUE(paths.insert(*made).second);
    std::ofstream(*made + "/file") << "x";
    RuntimeDir::remove_kernel_dir(*made);
    EXPECT_FALSE(fs::exists(*made));
  }
}

TEST_F(RuntimeDirTest, ALivingGatewayIsNoStray) {
  RuntimeDir directory = create();
  const Sleeper kernel;
  directory.record_process(kernel.pid());
  EXPECT_THAT(RuntimeDir::find_strays(base_), IsEmpty());
  EXPECT_TRUE(fs::exists(directory.path()));
}

TEST_F(RuntimeDirTest, FindsWhatAKilledGatewayLeft) {
  const Sleeper kernel, other;
  const std::string path = killed_gateway({kernel.pid()});
  ASSERT_TRUE(fs::exists(path));
  const auto strays = RuntimeDir::find_strays(base_);
  ASSERT_EQ(strays.size(), 1u);
  EXPECT_EQ(strays[0].directory, path);
  EXPECT_THAT(strays[0].processes, ElementsAre(kernel.pid()));

  RuntimeDir::remove_stray(strays[0]);
  EXPECT_TRUE(kernel.is_killed_at_last());
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(is_running(other.pid()));
  EXPECT_THAT(RuntimeDir::find_strays(base_), IsEmpty());
}

TEST_F(RuntimeDirTest, WhatAStrayStartedIsEndedByItsMark) {
  const Sleeper daemon("MARK=of-the-kernel"), other("MARK=of-another");
  std::string path;
  {
    const Sleeper kernel;
    path = killed_gateway({kernel.pid()}, "MARK=of-the-kernel");
  }  // it ended with its gateway
  const auto strays = RuntimeDir::find_strays(base_);
  ASSERT_EQ(strays.size(), 1u);
  EXPECT_THAT(strays[0].processes, IsEmpty());
  RuntimeDir::remove_stray(strays[0]);
  EXPECT_TRUE(daemon.is_killed_at_last());
  EXPECT_TRUE(is_running(other.pid()));
}

TEST_F(RuntimeDirTest, AForgottenProcessIsNobodysStray) {
  RuntimeDir directory = create();
  const Sleeper kernel;
  directory.record_process(kernel.pid());
  directory.forget_process(kernel.pid());
  EXPECT_TRUE(fs::is_empty(directory.path() + "/processes"));
  directory.forget_process(12345678);  // never recorded
}

TEST_F(RuntimeDirTest, AProcessThatEndedIsNotListed) {
  std::string path;
  {
    const Sleeper kernel;
    path = killed_gateway({kernel.pid()});
  }
  const auto strays = RuntimeDir::find_strays(base_);
  ASSERT_EQ(strays.size(), 1u);
  EXPECT_THAT(strays[0].processes, IsEmpty());
}

// As when a number has passed to a stranger: it is running, but started at another time.
void pretend_another_start(const std::string& directory, pid_t pid) {
  std::ofstream(directory + "/processes/" + std::to_string(pid)) << "1";
}

TEST_F(RuntimeDirTest, NeverListsAStrangerUnderARecordedNumber) {
  const Sleeper stranger;
  pretend_another_start(killed_gateway({stranger.pid()}), stranger.pid());
  const auto strays = RuntimeDir::find_strays(base_);
  ASSERT_EQ(strays.size(), 1u);
  EXPECT_THAT(strays[0].processes, IsEmpty());
  RuntimeDir::remove_stray(strays[0]);
  EXPECT_TRUE(is_running(stranger.pid()));
}

TEST_F(RuntimeDirTest, NeverKillsAStrangerThatCameAfterTheSearch) {
  const Sleeper stranger;
  const std::string path = killed_gateway({stranger.pid()});
  const auto strays = RuntimeDir::find_strays(base_);
  ASSERT_EQ(strays.size(), 1u);
  ASSERT_THAT(strays[0].processes, ElementsAre(stranger.pid()));
  pretend_another_start(path, stranger.pid());
  RuntimeDir::remove_stray(strays[0]);
  EXPECT_TRUE(is_running(stranger.pid()));
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(RuntimeDirTest, RecordsThatMakeNoSenseAreIgnored) {
  const std::string path = killed_gateway({});
  for (const char* name : {"0", "1", "-1", "abc", "99999999999999", "12x"}) {
    std::ofstream(path + "/processes/" + name) << "1";
  }
  std::ofstream(path + "/processes/" + std::to_string(getpid()));  // empty
  const auto strays = RuntimeDir::find_strays(base_);
  ASSERT_EQ(strays.size(), 1u);
  EXPECT_THAT(strays[0].processes, IsEmpty());
}

TEST_F(RuntimeDirTest, WhatIsNoGatewaysDirectoryIsLeftAlone) {
  { const RuntimeDir directory = create(); }
  fs::create_directory(base_ + "/something");
  std::ofstream(base_ + "/file") << "x";
  EXPECT_THAT(RuntimeDir::find_strays(base_), IsEmpty());
  EXPECT_TRUE(fs::exists(base_ + "/something"));
}

TEST_F(RuntimeDirTest, GatewaysThatStartTogetherDoNotTakeEachOtherForStrays) {
  constexpr int kGateways = 8, kRounds = 25;
  std::vector<pid_t> gateways;
  for (int i = 0; i < kGateways; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      for (int round = 0; round < kRounds; ++round) {
        for (const auto& stray : RuntimeDir::find_strays(base_)) RuntimeDir::remove_stray(stray);
        const auto directory = RuntimeDir::create(base_);
        if (!directory || !fs::exists(directory->path() + "/lock")) _exit(1);
      }
      _exit(0);
    }
    gateways.push_back(pid);
  }
  for (const pid_t pid : gateways) {
    int status = -1;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
}

TEST(RuntimeDirDefaultBase, IsTheUsersRuntimeDirectoryWhenThereIsOne) {
  const testing::TempDir temp;
  const char* const before = std::getenv("XDG_RUNTIME_DIR");
  const std::optional<std::string> kept =
      before == nullptr ? std::nullopt : std::optional<std::string>(before);
  const std::string otherwise = "/tmp/perijove-" + std::to_string(geteuid());
  setenv("XDG_RUNTIME_DIR", temp.str().c_str(), 1);
  EXPECT_EQ(RuntimeDir::default_base(), temp.str() + "/perijove");
  for (const std::string& unusable :
       {temp.str() + "/missing", std::string("relative"), std::string()}) {
    setenv("XDG_RUNTIME_DIR", unusable.c_str(), 1);
    EXPECT_EQ(RuntimeDir::default_base(), otherwise) << unusable;
  }
  unsetenv("XDG_RUNTIME_DIR");
  EXPECT_EQ(RuntimeDir::default_base(), otherwise);
  if (kept) setenv("XDG_RUNTIME_DIR", kept->c_str(), 1);
}

}  // namespace
}  // namespace perijove
