#include "io/process_tree.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "support/processes.hpp"

namespace perijove {
namespace {

using ::testing::Contains;
using testing::is_running;
using ::testing::IsEmpty;

// Starts `sleep 1000` with one variable in its environment and nothing else.
pid_t start_sleeper(const char* variable) {
  const pid_t pid = fork();
  if (pid == 0) {
    const char* const argv[] = {"/bin/sleep", "1000", nullptr};
    const char* const env[] = {variable, nullptr};
    setsid();
    execve(argv[0], const_cast<char* const*>(argv), const_cast<char* const*>(env));
    _exit(127);
  }
  // Until it is executed its environment is still ours.
  std::string name;
  while (pid > 0 && name != "sleep")
    std::ifstream("/proc/" + std::to_string(pid) + "/comm") >> name;
  return pid;
}

// The same as an orphan that this process has adopted.
pid_t start_orphan(const char* variable) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t parent = fork();
  if (parent == 0) {
    const pid_t orphan = start_sleeper(variable);
    _exit(write(ends[1], &orphan, sizeof orphan) == sizeof orphan ? 0 : 1);
  }
  pid_t orphan = -1;
  waitpid(parent, nullptr, 0);
  if (read(ends[0], &orphan, sizeof orphan) != sizeof orphan) orphan = -1;
  close(ends[0]);
  close(ends[1]);
  return orphan;
}

class ProcessTreeTest : public ::testing::Test {
 protected:
  ProcessTreeTest() { prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~ProcessTreeTest() override {
    for (const pid_t pid : children_of(getpid())) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }
};

TEST_F(ProcessTreeTest, FindsTheChildrenOfAllThreads) {
  const pid_t first = start_sleeper("A=1");
  pid_t second = 0;
  std::thread([&] {
    second = start_sleeper("A=1");
    EXPECT_THAT(children_of(getpid()), Contains(first));
    EXPECT_THAT(children_of(getpid()), Contains(second));
  }).join();
  EXPECT_THAT(children_of(getpid()), Contains(first));
}

TEST_F(ProcessTreeTest, AProcessThatIsGoneHasNoChildren) {
  const pid_t pid = start_sleeper("A=1");
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  EXPECT_THAT(children_of(pid), IsEmpty());
}

TEST_F(ProcessTreeTest, KillsAdoptedOrphansThatBearTheMark) {
  const pid_t leader = start_sleeper("MARK=1");
  const pid_t orphan = start_orphan("MARK=1");
  ASSERT_GT(orphan, 0);
  ASSERT_THAT(children_of(getpid()), Contains(orphan));
  kill_descendants(leader, "MARK=1", {leader});
  int status = 0;
  EXPECT_EQ(waitpid(orphan, &status, 0), orphan);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(is_running(leader)) << "the leader is its owner's to kill";
}

TEST_F(ProcessTreeTest, TakesNoOtherMarkForIts) {
  const pid_t leader = start_sleeper("MARK=1");
  const pid_t longer = start_orphan("MARK=12");
  const pid_t shorter = start_orphan("MARK=");
  const pid_t other_name = start_orphan("XMARK=1");
  kill_descendants(leader, "MARK=1", {leader});
  for (const pid_t pid : {longer, shorter, other_name}) {
    ASSERT_GT(pid, 0);
    EXPECT_TRUE(is_running(pid));
  }
}

TEST_F(ProcessTreeTest, DirectChildrenAreNoOrphans) {
  const pid_t leader = start_sleeper("MARK=1");
  const pid_t other_leader = start_sleeper("MARK=1");
  kill_descendants(leader, "MARK=1", {leader, other_leader});
  EXPECT_TRUE(is_running(other_leader));
}

TEST_F(ProcessTreeTest, KillsWhateverBearsAMarkWhoseverItIs) {
  const pid_t marked = start_orphan("MARK=kill-marked");
  const pid_t longer = start_orphan("MARK=kill-marked-not");
  ASSERT_GT(marked, 0);
  ASSERT_GT(longer, 0);
  kill_marked("");
  EXPECT_TRUE(is_running(marked)) << "the empty mark is nobody's";
  kill_marked("MARK=kill-marked");
  int status = 0;
  EXPECT_EQ(waitpid(marked, &status, 0), marked);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(is_running(longer));
}

}  // namespace
}  // namespace perijove
