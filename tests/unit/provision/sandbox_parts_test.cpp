// What a sandbox is made of, part by part: requests, mounts, bubblewrap's options, cgroups, users,
// access lists, the files of a program.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "provision/sandbox/bwrap_command.hpp"
#include "provision/sandbox/cgroup.hpp"
#include "provision/sandbox/mount_policy.hpp"
#include "provision/sandbox/program_files.hpp"
#include "provision/sandbox/sandbox_request.hpp"
#include "provision/sandbox/seccomp_filter.hpp"
#include "provision/sandbox/uid_pool.hpp"
#include "provision/sandbox/work_dir_access.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

IsolationRequest with_options(const std::string& options) {
  IsolationRequest request;
  request.options = options;
  return request;
}

TEST(SandboxRequestTest, ReadsOptions) {
  EXPECT_FALSE(parse_sandbox_request({})->host_network);
  const auto parsed = parse_sandbox_request(with_options(R"({"tmp_bytes": 4194304})"));
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(parsed->tmp_bytes, 4u << 20);
}

TEST(SandboxRequestTest, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> wrong[] = {{R"({"tmp_size": 1})", "'tmp_size'"},
                                                       {R"({"tmp_bytes": "1"})", "'tmp_bytes'"},
                                                       {R"({"tmp_bytes": 1})", "'tmp_bytes'"},
                                                       {R"({"tmp_bytes": 1e30})", "'tmp_bytes'"},
                                                       {"[]", "an array"},
                                                       {"{", ""}};
  for (const auto& [options, named] : wrong) {
    const auto parsed = parse_sandbox_request(with_options(options));
    ASSERT_FALSE(parsed) << options;
    EXPECT_EQ(parsed.error().code, Code::invalid_argument);
    EXPECT_THAT(parsed.error().message, HasSubstr(named));
  }
}

class MountPolicyTest : public ::testing::Test {
 protected:
  Result<void> lend(const std::string& source, bool read_only = true,
                    const std::string& target = "/data") const {
    return check_mount({.source = source, .target = target, .read_only = read_only}, policy_);
  }
  MountPolicy policy_ = make_mount_policy("/tmp/perijove-0", "/home/ann", "/srv/docker.sock");
};

TEST_F(MountPolicyTest, LendsWhatIsNobodyElses) {
  for (const char* path : {"/data", "/home/ann/project", "/opt/models", "/tmp/other", "/etc",
                           "/usr/share/dict", "/home/ann"}) {
    EXPECT_TRUE(lend(path)) << path;
  }
  for (const char* path : {"/data", "/home/ann/project", "/tmp/perijove-01"}) {
    EXPECT_TRUE(lend(path, false)) << path;
  }
}

TEST_F(MountPolicyTest, LendsNoWayOut) {
  for (const char* path : {"/", "/tmp", "/tmp/perijove-0", "/tmp/perijove-0/1/k", "/proc",
                           "/proc/1/root", "/sys", "/dev", "/dev/sda", "/run", "/run/docker.sock",
                           "/run/user/1000", "/srv", "/srv/docker.sock"}) {
    const auto checked = lend(path);
    ASSERT_FALSE(checked) << path;
    EXPECT_EQ(checked.error().code, Code::permission_denied) << path;
  }
}

TEST_F(MountPolicyTest, LendsNothingForWritingThatOthersRun) {
  for (const char* path : {"/usr", "/usr/local/bin", "/etc", "/etc/cron.d", "/boot", "/var",
                           "/var/spool/cron", "/home/ann", "/home"}) {
    EXPECT_FALSE(lend(path, false)) << path;
  }
}

TEST_F(MountPolicyTest, TakesPlainPathsOnly) {
  for (const char* path : {"", "data", "/data/../etc", "/data/", "//data", "/data/./x"}) {
    const auto checked = lend(path);
    ASSERT_FALSE(checked) << path;
    EXPECT_EQ(checked.error().code, Code::invalid_argument) << path;
  }
  EXPECT_FALSE(lend(std::string("/da\0ta", 6)));
}

TEST_F(MountPolicyTest, NothingHidesTheSandboxsOwnFiles) {
  for (const char* target : {"/", "/usr", "/usr/lib/python3", "/etc/passwd", "/proc/1", "/dev/shm",
                             "/tmp", "/home", "/home/kernel", "/tmp/perijove-0/1/k"}) {
    EXPECT_FALSE(lend("/data", true, target)) << target;
  }
  for (const char* target : {"/tmp/data", "/home/kernel/data", "/home/ann/data", "/mnt"}) {
    EXPECT_TRUE(lend("/data", true, target)) << target;
  }
}

TEST_F(MountPolicyTest, AWorkDirectoryMustNotBeMoreThanOne) {
  EXPECT_TRUE(check_work_dir("/home/ann/project", policy_));
  EXPECT_TRUE(check_work_dir("/tmp/session-1", policy_));
  for (const char* path : {"/", "/tmp", "/home/ann", "/home", "/usr/x", "/etc", "/run/user/0/x",
                           "/tmp/perijove-0/x", "work", "/home/.."}) {
    EXPECT_FALSE(check_work_dir(path, policy_)) << path;
  }
}

TEST_F(MountPolicyTest, ALinkInASourceIsRefused) {
  const testing::TempDir temp;
  temp.write("real/file", "x");
  fs::create_symlink("real", temp.path() / "link");
  fs::create_symlink("/etc/shadow", temp.path() / "real/shadow");
  ASSERT_EQ(mkfifo((temp.str() + "/pipe").c_str(), 0600), 0);
  EXPECT_TRUE(open_mount_source(temp.str() + "/real"));
  EXPECT_TRUE(open_mount_source(temp.str() + "/real/file"));
  EXPECT_EQ(open_mount_source(temp.str() + "/link/file").error().code, Code::permission_denied);
  EXPECT_EQ(open_mount_source(temp.str() + "/real/shadow").error().code, Code::permission_denied);
  EXPECT_EQ(open_mount_source(temp.str() + "/pipe").error().code, Code::invalid_argument);
  EXPECT_EQ(open_mount_source(temp.str() + "/none").error().code, Code::not_found);
}

// bubblewrap's options

SandboxPlan plan() {
  SandboxPlan plan;
  plan.system_links = {{"usr/bin", "/bin"}};
  plan.system_directories = {"/usr"};
  plan.system_files = {"/etc/fonts"};
  plan.files = {{5, "/etc/passwd"}};
  plan.binds = {{"/a/files/deep", "/a/files/deep", true}, {"/tmp/0", "/a/files", false}};
  plan.seccomp_descriptor = 4;
  plan.env = {{"PATH", "/usr/bin"}, {"X", "a b"}};
  plan.work_dir = "/a/files";
  plan.tmp_bytes = 1000;
  return plan;
}

// Whether `part` stands in `all` in one piece, and where.
std::size_t position(const std::vector<std::string>& all, const std::vector<std::string>& part) {
  const auto found = std::search(all.begin(), all.end(), part.begin(), part.end());
  EXPECT_NE(found, all.end()) << ::testing::PrintToString(part);
  return static_cast<std::size_t>(found - all.begin());
}

TEST(BwrapOptionsTest, EverythingIsItsOwn) {
  const auto options = bwrap_options(plan());
  for (const char* each : {"--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net",
                           "--unshare-uts", "--unshare-cgroup-try", "--disable-userns",
                           "--die-with-parent", "--new-session", "--clearenv"}) {
    EXPECT_THAT(options, Contains(each));
  }
  position(options, {"--cap-drop", "ALL"});
  position(options, {"--seccomp", "4"});
  position(options, {"--uid", "1000", "--gid", "1000"});
  position(options, {"--hostname", "kernel"});
  position(options, {"--ro-bind", "/usr", "/usr"});
  position(options, {"--symlink", "usr/bin", "/bin"});
  position(options, {"--ro-bind-data", "5", "/etc/passwd"});
  position(options, {"--setenv", "X", "a b"});
}

// It is root of a user namespace already, and goes into the pid namespaces of others.
TEST(BwrapOptionsTest, AForkServerHasNeitherUsersNorProcessesOfItsOwn) {
  SandboxPlan server = plan();
  server.seccomp_descriptor = -1;
  server.forks = SandboxPlan::Forks::for_its_own_user;
  auto options = bwrap_options(server);
  for (const char* each : {"--unshare-user", "--unshare-pid", "--disable-userns", "--uid",
                           "--seccomp", "--cap-add", "--proc"}) {
    EXPECT_THAT(options, Not(Contains(each)));
  }
  for (const char* each : {"--unshare-net", "--unshare-ipc", "--die-with-parent", "--clearenv"}) {
    EXPECT_THAT(options, Contains(each));
  }
  position(options, {"--cap-drop", "ALL"});
  position(options, {"--ro-bind", "/proc", "/proc"});
  server.forks = SandboxPlan::Forks::for_other_users;
  options = bwrap_options(server);
  position(options, {"--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"});
}

TEST(BwrapOptionsTest, LaterMountsLieOnEarlierOnes) {
  const auto options = bwrap_options(plan());
  const auto tmp = position(options, {"--size", "1000", "--perms", "1777", "--tmpfs", "/tmp"});
  const auto work = position(options, {"--bind", "/tmp/0", "/a/files"});
  const auto deep = position(options, {"--ro-bind", "/a/files/deep", "/a/files/deep"});
  const auto closed = position(options, {"--remount-ro", "/"});
  EXPECT_LT(tmp, work);
  EXPECT_LT(work, deep) << "whatever their order in the plan";
  EXPECT_LT(deep, closed);
  EXPECT_LT(position(options, {"--tmpfs", "/dev/shm"}),
            position(options, {"--remount-ro", "/dev"}));
}

TEST(BwrapOptionsTest, TheHostsNetworkIsForThoseWhoAskForIt) {
  SandboxPlan shared = plan();
  shared.host_network = true;
  EXPECT_THAT(bwrap_options(shared), Not(Contains("--unshare-net")));
}

TEST(BwrapOptionsTest, TheEnvironmentPointsNowhereOutside) {
  const Environment env = sandbox_environment({{"HOME", "/root"},
                                               {"XDG_RUNTIME_DIR", "/run/user/0"},
                                               {"SSH_AUTH_SOCK", "/tmp/agent"},
                                               {"JPY_PARENT_PID", "4711"},
                                               {"LANG", "C.UTF-8"}});
  EXPECT_THAT(env,
              UnorderedElementsAre(std::pair("HOME", "/home/kernel"), std::pair("LANG", "C.UTF-8"),
                                   std::pair("IPYTHONDIR", "/home/kernel/.ipython"),
                                   std::pair("USER", "kernel"), std::pair("LOGNAME", "kernel"),
                                   std::pair("TMPDIR", "/tmp")));
}

TEST(SeccompFilterTest, IsAProgramOfWholeInstructions) {
  const auto filter = make_seccomp_filter();
  ASSERT_TRUE(filter) << filter.error();
  EXPECT_EQ(filter->size() % 8, 0u);
  EXPECT_GT(filter->size(), 50u * 8);
}

// cgroups

TEST(CgroupPlacesTest, ReadsHybridHierarchies) {
  const auto places = parse_cgroup_places(
      "9:name=systemd:/\n8:pids:/\n4:memory:/api/one\n3:cpuset:/\n2:cpu,cpuacct:/x\n0::/unified\n",
      "30 25 0:26 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
      "31 25 0:27 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n"
      "32 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
      "34 25 0:30 / /proc rw - proc proc rw\n");
  ASSERT_EQ(places.size(), 4u);
  EXPECT_EQ(places[0].directory, "/sys/fs/cgroup/pids");
  EXPECT_EQ(places[1].directory, "/sys/fs/cgroup/memory/api/one");
  EXPECT_THAT(places[1].controllers, ElementsAre("memory"));
  EXPECT_EQ(places[2].directory, "/sys/fs/cgroup/cpu,cpuacct/x");
  EXPECT_THAT(places[2].controllers, ElementsAre("cpu"));
  EXPECT_EQ(places[3].version, 2);
  EXPECT_EQ(places[3].directory, "/sys/fs/cgroup/unified/unified");
}

TEST(CgroupPlacesTest, InAContainerTheTopIsOurs) {
  const std::string mount = "33 25 0:29 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
  EXPECT_EQ(parse_cgroup_places("0::/docker/abc/sub\n", mount).at(0).directory,
            "/sys/fs/cgroup/sub");
  EXPECT_EQ(parse_cgroup_places("0::/elsewhere\n", mount).at(0).directory, "/sys/fs/cgroup");
  EXPECT_EQ(parse_cgroup_places("0::/docker/abc/perijove-gateway\n", mount).at(0).directory,
            "/sys/fs/cgroup")
      << "where this process was put before";
}

TEST(CgroupPlacesTest, NonsenseIsNoPlace) {
  for (const char* text : {"", "\n", ":", "::", "0::", "4:memory:/", "x\ny:z"}) {
    EXPECT_THAT(parse_cgroup_places(text, "1 2 3\n- cgroup2\n"), IsEmpty()) << text;
  }
}

TEST(KernelCgroupsTest, WhatCannotBeHeldIsLeftToAnother) {
  const testing::TempDir no_cgroup;
  ProcessLimits limits{.memory_bytes_max = 1000, .processors_max = 1.5, .processes_max = 10};
  IsolationReport report;
  for (const int version : {1, 2}) {
    const auto made = KernelCgroups::make({{.version = version,
                                            .controllers = {"memory", "pids", "cpu"},
                                            .directory = no_cgroup.str()}},
                                          limits, report);
    EXPECT_THAT(made->directories(), IsEmpty());
    EXPECT_FALSE(made->oom_kills());
  }
  EXPECT_THAT(report.limits, IsEmpty());
  EXPECT_EQ(limits.memory_bytes_max, 1000u);
  EXPECT_EQ(limits.processors_max, 1.5);
  EXPECT_EQ(limits.processes_max, 10u);
  EXPECT_TRUE(fs::is_empty(no_cgroup.path()));
}

// Users

class UidPoolTest : public ::testing::Test {
 protected:
  UidPoolTest() {
    fs::create_directory(temp_.path() / "a");
    fs::create_directory(temp_.path() / "b");
  }
  FileDescriptor opened(const char* name) const {
    return FileDescriptor(open((temp_.path() / name).c_str(), O_PATH | O_CLOEXEC));
  }
  testing::TempDir temp_;
  std::string locks_ = temp_.str() + "/locks";
};

TEST_F(UidPoolTest, ADirectoryHasOneUserWhileItIsInUse) {
  UidPool pool(1000000, 10, locks_);
  auto first = pool.lease(opened("a"), std::nullopt);
  ASSERT_TRUE(first) << first.error();
  const auto again = pool.lease(opened("a"), std::nullopt);
  const auto other = pool.lease(opened("b"), std::nullopt);
  EXPECT_EQ((*first)->uid, (*again)->uid);
  EXPECT_NE((*first)->uid, (*other)->uid);
  EXPECT_TRUE(pool.contains((*first)->uid));
  EXPECT_FALSE(pool.is_free((*other)->uid));
  EXPECT_TRUE(pool.is_free(1000009));
}

TEST_F(UidPoolTest, TakesTheUserThatTheDirectoryHadWhenItIsFree) {
  UidPool pool(1000000, 10, locks_);
  const auto first = pool.lease(opened("a"), 1000007);
  EXPECT_EQ((*first)->uid, 1000007u);
  const auto other = pool.lease(opened("b"), 1000007);
  EXPECT_NE((*other)->uid, 1000007u) << "it is in use";
  UidPool outside(1000000, 10, locks_);
  const auto foreign = outside.lease(opened("b"), 4);
  EXPECT_NE((*foreign)->uid, 4u) << "it is not of the pool";
}

TEST_F(UidPoolTest, TwoGatewaysNeverShareAUser) {
  UidPool one(1000000, 2, locks_);
  UidPool two(1000000, 2, locks_);
  auto a = one.lease(opened("a"), std::nullopt);
  auto b = two.lease(opened("a"), std::nullopt);
  ASSERT_TRUE(a && b);
  EXPECT_NE((*a)->uid, (*b)->uid);
  const auto none = two.lease(opened("b"), std::nullopt);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::resource_exhausted);
  *a = nullptr;
  EXPECT_TRUE(two.lease(opened("b"), std::nullopt)) << "given back";
}

// Access lists

TEST(AccessListTest, AddsAUserAndNobodyElse) {
  AccessList list = AccessList::from_mode(0750);
  list.allow(7, 7);
  EXPECT_EQ(list.bytes(), std::string("\2\0\0\0"
                                      "\1\0\7\0\xff\xff\xff\xff"
                                      "\2\0\7\0\7\0\0\0"
                                      "\4\0\5\0\xff\xff\xff\xff"
                                      "\x10\0\7\0\xff\xff\xff\xff"
                                      "\x20\0\0\0\xff\xff\xff\xff",
                                      44));
}

TEST(AccessListTest, WhatTheMaskKeptFromOthersStaysKept) {
  AccessList list = AccessList::from_mode(0770);
  list.allow(8, 7);
  std::string bytes = list.bytes();
  bytes[bytes.find("\x10\0\7", 0, 3) + 2] = 4;  // as chmod g-wx does
  auto masked = AccessList::parse(bytes);
  ASSERT_TRUE(masked);
  masked->allow(7, 7);
  EXPECT_EQ(masked->bytes(), std::string("\2\0\0\0"
                                         "\1\0\7\0\xff\xff\xff\xff"
                                         "\2\0\7\0\7\0\0\0"
                                         "\2\0\4\0\x8\0\0\0"
                                         "\4\0\4\0\xff\xff\xff\xff"
                                         "\x10\0\7\0\xff\xff\xff\xff"
                                         "\x20\0\0\0\xff\xff\xff\xff",
                                         52));
}

TEST(AccessListTest, AFileThatGetsAnotherGroupLeavesItsRightsToTheOldOne) {
  AccessList list = AccessList::from_mode(0750);
  list.allow(7, 7);
  AccessList forgotten = list;
  list.move_group(9);
  EXPECT_EQ(list.bytes(), std::string("\2\0\0\0"
                                      "\1\0\7\0\xff\xff\xff\xff"
                                      "\2\0\7\0\7\0\0\0"
                                      "\4\0\0\0\xff\xff\xff\xff"
                                      "\x8\0\5\0\x9\0\0\0"
                                      "\x10\0\7\0\xff\xff\xff\xff"
                                      "\x20\0\0\0\xff\xff\xff\xff",
                                      52));
  forgotten.move_group(std::nullopt);
  EXPECT_EQ(forgotten.bytes().size(), 44u);
}

TEST(AccessListTest, RefusesWhatIsNone) {
  for (const std::string& bytes :
       {std::string(), std::string("\1\0\0\0", 4), std::string("\2\0\0\0\1", 5)}) {
    EXPECT_FALSE(AccessList::parse(bytes));
  }
}

class GrantAccessTest : public ::testing::Test {
 protected:
  Result<void> grant(uid_t uid, std::size_t entries_max = 1000) const {
    const FileDescriptor directory(open(root().c_str(), O_PATH | O_CLOEXEC));
    return grant_access(
        directory, root(), uid, [](uid_t named) { return named == 5; }, entries_max);
  }
  std::string root() const { return temp_.str() + "/root"; }
  std::vector<uid_t> users(const std::string& path, const char* which) const {
    std::string bytes(1000, '\0');
    const ssize_t size = getxattr((root() + path).c_str(), which, bytes.data(), bytes.size());
    if (size < 0) return {};
    return AccessList::parse(bytes.substr(0, static_cast<std::size_t>(size)))->named_users();
  }
  testing::TempDir temp_;
};

TEST_F(GrantAccessTest, ReachesTheTreeAndNothingBesideIt) {
  temp_.write("root/a/file", "x");
  temp_.write("outside/file", "x");
  fs::create_symlink("../outside", root() + "/link");
  fs::create_hard_link(temp_.path() / "outside/file", root() + "/hard");
  const auto granted = grant(7);
  if (!granted && granted.error().code == Code::failed_precondition) {
    GTEST_SKIP() << granted.error();
  }
  ASSERT_TRUE(granted) << granted.error();
  constexpr char kAccess[] = "system.posix_acl_access";
  EXPECT_THAT(users("", kAccess), ElementsAre(7));
  EXPECT_THAT(users("/a", "system.posix_acl_default"), Contains(7));
  EXPECT_THAT(users("/a/file", kAccess), ElementsAre(7));
  EXPECT_THAT(users("/hard", kAccess), IsEmpty()) << "it has a name outside";
  EXPECT_THAT(users("/../outside", kAccess), IsEmpty());
  temp_.write("root/a/later", "x");
  EXPECT_THAT(users("/a/later", kAccess), Contains(7));
  struct stat status {};
  ASSERT_EQ(stat((root() + "/a/file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0117, 0004u) << "neither executable nor writable for others";
}

TEST_F(GrantAccessTest, UsersOfThePastAreForgotten) {
  temp_.write("root/file", "x");
  const auto granted = grant(5);
  if (!granted) GTEST_SKIP() << granted.error();
  ASSERT_TRUE(grant(7));
  EXPECT_THAT(users("/file", "system.posix_acl_access"), ElementsAre(7));
  EXPECT_THAT(users("", "system.posix_acl_default"), Not(Contains(5)));
}

TEST_F(GrantAccessTest, AGroupMayByItsBitsWhatTheListGave) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files to any group";
  temp_.write("root/a/file", "x");
  if (const auto granted = grant(7); !granted) GTEST_SKIP() << granted.error();
  const auto hand_over = [&](gid_t gid) {
    const FileDescriptor directory(open(root().c_str(), O_PATH | O_CLOEXEC));
    return hand_to_group(directory, root(), gid, [](gid_t old) { return old == 5; });
  };
  ASSERT_TRUE(hand_over(5));
  ASSERT_TRUE(hand_over(7));
  temp_.write("root/a/later", "x");
  for (const char* const path : {"", "/a", "/a/file", "/a/later"}) {
    struct stat status {};
    ASSERT_EQ(stat((root() + path).c_str(), &status), 0);
    EXPECT_EQ(status.st_gid, 7u) << path;
    const bool directory = S_ISDIR(status.st_mode);
    EXPECT_EQ(status.st_mode & 0070, directory ? 0070u : 0060u) << path;
    EXPECT_EQ((status.st_mode & S_ISGID) != 0, directory) << path;
  }
}

TEST_F(GrantAccessTest, DoesNotGoOnForever) {
  for (int i = 0; i < 5; ++i) temp_.write("root/" + std::to_string(i), "x");
  EXPECT_EQ(grant(7, 4).error().code, Code::resource_exhausted);
}

// Files of a program

class ProgramFilesTest : public ::testing::Test {
 protected:
  void make_program(const std::string& path) const {
    temp_.write(path, "#!/bin/sh\n");
    fs::permissions(temp_.path() / path, fs::perms(0755));
  }
  std::vector<std::string> files(const std::string& program,
                                 std::vector<std::string> more = {}) const {
    std::vector<std::string> argv = {program};
    argv.insert(argv.end(), more.begin(), more.end());
    auto found = program_files(program, argv, "", policy_, {"/usr", "/bin"});
    for (std::string& each : found) {
      if (each.starts_with(temp_.str())) each.erase(0, temp_.str().size() + 1);
    }
    return found;
  }
  testing::TempDir temp_;
  MountPolicy policy_ = make_mount_policy(temp_.str() + "/run", temp_.str() + "/home", "");
};

TEST_F(ProgramFilesTest, TheSystemsOwnNeedNothing) {
  EXPECT_THAT(files("/usr/bin/env"), IsEmpty());
}

TEST_F(ProgramFilesTest, AVirtualEnvironmentBringsThatWhichItCameFrom) {
  make_program("python/bin/python3.12");
  temp_.write("python/lib/python3.12/os.py", "");
  temp_.write("python/share/private", "");
  temp_.write("venv/pyvenv.cfg", "");
  temp_.write("venv/lib/site.py", "");
  fs::create_directories(temp_.path() / "venv/bin");
  fs::create_symlink(temp_.path() / "python/bin/python3.12", temp_.path() / "venv/bin/python3");
  EXPECT_THAT(
      files(temp_.str() + "/venv/bin/python3"),
      UnorderedElementsAre("venv/bin", "venv/lib", "venv/pyvenv.cfg", "python/bin", "python/lib"));
}

TEST_F(ProgramFilesTest, AProgramBesideOtherThingsComesAlone) {
  make_program("home/kernel");
  make_program("build/kernels/echo");
  EXPECT_THAT(files(temp_.str() + "/home/kernel"), ElementsAre("home/kernel"));
  EXPECT_THAT(files(temp_.str() + "/build/kernels/echo"), ElementsAre("build/kernels"));
}

TEST_F(ProgramFilesTest, ArgumentsThatAreFilesComeToo) {
  temp_.write("scripts/kernel.py", "");
  temp_.write("run/1/connection.json", "");
  EXPECT_THAT(files("/usr/bin/python3", {temp_.str() + "/scripts/kernel.py", "-f",
                                         temp_.str() + "/run/1/connection.json", "/nothing"}),
              ElementsAre("scripts/kernel.py"));
}

}  // namespace
}  // namespace perijove
