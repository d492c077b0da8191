#include "io/start_process.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file_descriptor.hpp"
#include "io/user_namespace.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using ::testing::HasSubstr;

// Runs a shell script whose output goes to a file without a name.
class StartProcessTest : public ::testing::Test {
 protected:
  StartProcessTest() : output_(memfd_create("output", MFD_CLOEXEC)) {
    start_.program = "/bin/sh";
    start_.env = {"PATH=/usr/bin:/bin"};
    start_.work_dir = "/";
    start_.output = start_.error_output = output_.get();
  }

  std::string output_of(const std::string& script) {
    EXPECT_EQ(ftruncate(output_.get(), 0), 0);
    lseek(output_.get(), 0, SEEK_SET);
    start_.argv = {"sh", "-c", script};
    const auto pid = start_process(start_);
    EXPECT_TRUE(pid) << pid.error();
    if (!pid) return {};
    waitpid(*pid, &status_, 0);
    std::string text(10'000, '\0');
    const ssize_t size = pread(output_.get(), text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(size));
    return text;
  }

  FileDescriptor output_;
  ProcessStart start_;
  int status_ = 0;
};

TEST_F(StartProcessTest, DescriptorsAreNumberedFromThree) {
  const FileDescriptor a(memfd_create("a", 0)), b(memfd_create("b", MFD_CLOEXEC));
  start_.descriptors = {b.get(), a.get()};
  EXPECT_EQ(output_of("for n in 0 1 2 3 4; do readlink /proc/$$/fd/$n; done; "
                      // Without a child: for one, the shell itself would have a pipe open.
                      "for n in 0 1 2 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$n ] || printf \"$n \"; "
                      "done"),
            "/dev/null\n/memfd:output (deleted)\n/memfd:output (deleted)\n/memfd:b (deleted)\n"
            "/memfd:a (deleted)\n0 1 2 3 4 ");
}

TEST_F(StartProcessTest, LimitsHoldFromTheFirstInstruction) {
  start_.limits = {.memory_bytes_max = std::uint64_t{100} << 20,
                   .cpu_time_max = std::chrono::seconds(7),
                   .processors_max = 0.5,
                   .file_bytes_max = 4096,
                   .open_files_max = 33};
  EXPECT_EQ(output_of("ulimit -d; ulimit -t; ulimit -f; ulimit -n; nproc"),
            "102400\n7\n8\n33\n1\n");
}

// Root inside is nobody outside: it may not even do there what anybody's owner may.
TEST_F(StartProcessTest, AUserNamespaceHasTheUsersThatItWasGiven) {
  constexpr uid_t kFirst = 1'900'004'000;
  const bool is_root = geteuid() == 0;
  const auto made = is_root
                        ? make_user_namespace({{.inside = 0, .outside = kFirst, .count = 1},
                                               {.inside = 7, .outside = kFirst + 1, .count = 2}})
                        : make_user_namespace({{.inside = 0, .outside = geteuid(), .count = 1}});
  if (!made) GTEST_SKIP() << made.error();
  start_.user_namespace = made->get();
  if (is_root) start_.identity = ProcessIdentity{.uid = 8, .gid = 8};
  EXPECT_EQ(output_of("id -u; id -g"), is_root ? "8\n8\n" : "0\n0\n");
  if (!is_root) return;
  EXPECT_THAT(output_of("cat /proc/self/uid_map"), HasSubstr("1900004001"));
  start_.identity = ProcessIdentity{.uid = 0, .gid = 0};
  EXPECT_EQ(
      output_of("id -u; kill -0 1 2>/dev/null || echo no; cat /etc/shadow 2>/dev/null || echo no"),
      "0\nno\nno\n");
  start_.identity = ProcessIdentity{.uid = 5, .gid = 5};
  start_.argv = {"sh", "-c", "id -u"};
  const auto stranger = start_process(start_);
  ASSERT_FALSE(stranger);
  EXPECT_THAT(stranger.error().message, HasSubstr("become another user"));
}

TEST_F(StartProcessTest, TellsWhichStepFailed) {
  start_.argv = {"x"};
  start_.program = "/no/such/program";
  const auto missing = start_process(start_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_EQ(missing.error().message, "cannot run /no/such/program: No such file or directory");
  start_.program = "/bin/sh";
  start_.work_dir = "/no/such/directory";
  EXPECT_THAT(start_process(start_).error().message, HasSubstr("(enter its work directory)"));
  start_.cgroups = {"/no/such/cgroup"};
  EXPECT_THAT(start_process(start_).error().message, HasSubstr("/no/such/cgroup"));
}

class AsRootTest : public StartProcessTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can start processes of others";
    start_.identity = ProcessIdentity{.uid = 1899999998, .gid = 1899999998};
  }
};

TEST_F(AsRootTest, AnotherUserHasNothingOfRoot) {
  EXPECT_EQ(output_of("id -u; id -G; grep -E 'Cap(Prm|Eff|Amb)' /proc/self/status; "
                      "cat /etc/shadow 2>&1"),
            "1899999998\n1899999998\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
            "CapAmb:\t0000000000000000\ncat: /etc/shadow: Permission denied\n");
  EXPECT_EQ(prctl(PR_GET_DUMPABLE), 1) << "we stay who we are";
  EXPECT_EQ(geteuid(), 0u);
}

TEST_F(AsRootTest, StagedMountsAreItsOwn) {
  const testing::TempDir temp;
  temp.write("private/inner/file", "text\n");
  ASSERT_EQ(chmod((temp.str() + "/private").c_str(), 0700), 0);
  const FileDescriptor directory(open((temp.str() + "/private/inner").c_str(), O_PATH));
  const FileDescriptor file(open((temp.str() + "/private/inner/file").c_str(), O_PATH));
  start_.identity->mounts = {{.source = directory.get(), .name = "0"},
                             {.source = file.get(), .name = "1"}};
  EXPECT_EQ(output_of("ls /tmp; cat /tmp/0/file /tmp/1"), "0\n1\ntext\ntext\n");
  EXPECT_TRUE(std::filesystem::exists(temp.path())) << "nobody else's /tmp is covered";
}

}  // namespace
}  // namespace perijove
