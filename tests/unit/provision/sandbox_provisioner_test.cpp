// Kernels under bubblewrap, as root with users of their own and again as an ordinary user.
#include "provision/sandbox/sandbox_provisioner.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <map>
#include <optional>
#include <sstream>

#include "io/process_tree.hpp"
#include "provision/sandbox/cgroup.hpp"
#include "support/loop.hpp"
#include "support/processes.hpp"
#include "support/run_program.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using testing::is_running;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::run_until;
using ::testing::StartsWith;

constexpr char kPython[] = "/usr/bin/python3";

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class SandboxProvisionerTest : public ::testing::Test {
 protected:
  SandboxProvisionerTest() : runtime_dir_(make_runtime_dir(temp_.str() + "/run")) {
    prepare_process_supervision(shard_);
    fs::create_directory(work_dir());
  }
  ~SandboxProvisionerTest() override {
    kernel_.reset();
    second_.reset();
    EXPECT_TRUE(run_until(shard_.loop(), [] { return children_of(getpid()).empty(); }));
  }

  void SetUp() override {
    std::optional<Result<std::vector<std::string>>> told;
    provisioner_->probe(
        shard_, [&told](Result<std::vector<std::string>> facts) { told = std::move(facts); });
    ASSERT_TRUE(until([&told] { return told.has_value(); }));
    if (!*told) GTEST_SKIP() << told->error();
    facts_ = **told;
  }

  static RuntimeDir make_runtime_dir(const std::string& base) {
    auto made = RuntimeDir::create(base);
    EXPECT_TRUE(made) << made.error();
    return *std::move(made);
  }

  std::string work_dir() const { return temp_.str() + "/work"; }

  LaunchRequest request(std::vector<std::string> argv) const {
    LaunchRequest made;
    made.kernel_id = KernelId("0a1b2c3d-0000-4000-8000-000000000000");
    made.spec.name = "test";
    made.spec.argv = std::move(argv);
    made.env = {{"PATH", "/usr/bin:/bin"}, {"LANG", "C.UTF-8"}};
    made.work_dir = work_dir();
    return made;
  }
  LaunchRequest shell(const std::string& script) const { return request({"sh", "-c", script}); }
  LaunchRequest python(const std::string& code) const {
    return request({kPython, "-u", "-c", code});
  }

  LaunchEvents events() {
    return {.on_endpoints = [this](const Endpoints& told) { endpoints_.push_back(told); },
            .on_failed = [this](Error error) { failures_.push_back(std::move(error)); },
            .on_output = [this](ByteView bytes) { output_ += bytes; },
            .on_exit = [this](ProcessExit status) { exits_.push_back(status); }};
  }

  void launch(LaunchRequest launched) {
    kernel_ = provisioner_->launch(shard_, std::move(launched), events());
    ASSERT_TRUE(kernel_);
  }

  // What a kernel that ends by itself has written.
  std::string output_of(LaunchRequest launched) {
    output_.clear();
    exits_.clear();
    launch(std::move(launched));
    EXPECT_TRUE(until([this] { return !exits_.empty() || !failures_.empty(); })) << output_;
    for (const Error& failure : failures_) ADD_FAILURE() << failure;
    return output_;
  }

  template <typename Condition>
  bool until(Condition done) {
    return run_until(shard_.loop(), done);
  }

  testing::TempDir temp_;
  Shard shard_;
  RuntimeDir runtime_dir_;
  std::unique_ptr<Provisioner> provisioner_ = make_sandbox_provisioner(runtime_dir_);
  std::vector<std::string> facts_;
  std::unique_ptr<LaunchedKernel> kernel_;
  std::unique_ptr<LaunchedKernel> second_;
  std::vector<Endpoints> endpoints_;
  std::vector<Error> failures_;
  std::string output_;
  std::vector<ProcessExit> exits_;
};

TEST_F(SandboxProvisionerTest, TellsWhatThisMachineHas) {
  EXPECT_EQ(provisioner_->kind(), "sandbox");
  EXPECT_THAT(facts_, Contains(StartsWith("bubblewrap ")));
  EXPECT_THAT(facts_, Contains(HasSubstr("system calls are filtered")));
  EXPECT_THAT(facts_, Contains(AnyOf(HasSubstr("cgroups: memory"), HasSubstr("cgroup"))));
}

TEST_F(SandboxProvisionerTest, WithoutBubblewrapItSaysSo) {
  const auto without = make_sandbox_provisioner(runtime_dir_, {.bwrap = "no-such-program"});
  std::optional<Result<std::vector<std::string>>> told;
  without->probe(shard_, [&told](Result<std::vector<std::string>> facts) { told = facts; });
  ASSERT_TRUE(until([&told] { return told.has_value(); }));
  ASSERT_FALSE(*told);
  EXPECT_THAT(told->error().message, HasSubstr("apt install bubblewrap"));
  kernel_ = without->launch(shard_, shell("true"), events());
  ASSERT_TRUE(until([this] { return !failures_.empty(); }));
  EXPECT_EQ(failures_[0].code, Code::failed_precondition);
  kernel_.reset();
}

TEST_F(SandboxProvisionerTest, RefusesWhatItDoesNotHave) {
  EXPECT_TRUE(provisioner_->check({}));
  EXPECT_TRUE(provisioner_->check({.kind = "sandbox", .network = "host", .mounts = {}}));
  const auto network = provisioner_->check({.kind = "sandbox", .network = "bridge", .mounts = {}});
  ASSERT_FALSE(network);
  EXPECT_EQ(network.error().code, Code::invalid_argument);
  const auto option = provisioner_->check(
      {.kind = "sandbox", .network = "", .mounts = {}, .options = R"({"tmp_byte": 1})"});
  ASSERT_FALSE(option);
  EXPECT_THAT(option.error().message, HasSubstr("did you mean 'tmp_bytes'?"));
  const Mount lent{.source = runtime_dir_.path(), .target = "/data"};
  const auto mount = provisioner_->check({.kind = "sandbox", .network = "", .mounts = {lent}});
  ASSERT_FALSE(mount);
  EXPECT_EQ(mount.error().code, Code::permission_denied);
}

TEST_F(SandboxProvisionerTest, AKernelIsAloneAndNobody) {
  const std::string seen = output_of(
      shell("hostname; id -u; pwd; ls /; ls -d /proc/[0-9]*; grep -E 'Cap(Eff|Bnd)|NoNewPrivs|"
            "Seccomp:' /proc/self/status; echo fds; ls /proc/self/fd; echo net; "
            "cat /proc/net/dev | tail -n +3 | cut -d: -f1"));
  EXPECT_THAT(seen, StartsWith("kernel\n1000\n" + work_dir() + "\n"));
  EXPECT_THAT(seen, Not(HasSubstr("root\n")));
  EXPECT_THAT(seen, HasSubstr("/proc/1\n/proc/2\nCap"));
  EXPECT_THAT(seen, HasSubstr("CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
                              "NoNewPrivs:\t1\nSeccomp:\t2\n"));
  EXPECT_THAT(seen, HasSubstr("fds\n0\n1\n2\n3\nnet\n")) << "3 is that of ls";
  EXPECT_THAT(seen, ::testing::EndsWith("net\n    lo\n"));
}

TEST_F(SandboxProvisionerTest, ItsEnvironmentIsThatOfTheRequest) {
  LaunchRequest launched = request({"env"});
  launched.env["MINE"] = "two words\nand a line";
  launched.env["HOME"] = "/root";
  launched.env["LD_PRELOAD"] = "";
  const std::string seen = output_of(std::move(launched));
  EXPECT_THAT(seen, HasSubstr("MINE=two words\nand a line\n"));
  EXPECT_THAT(seen, HasSubstr("HOME=/home/kernel\n"));
  EXPECT_THAT(seen, HasSubstr("IPYTHONDIR=/home/kernel/.ipython\n"));
  EXPECT_THAT(seen, Not(HasSubstr("PERIJOVE")));
}

TEST_F(SandboxProvisionerTest, OnlyItsOwnDirectoriesAreWritable) {
  const std::string seen = output_of(
      shell("for f in /x /usr/x /etc/x /etc/passwd /dev/x /proc/sys/kernel/core_pattern "
            "/proc/sysrq-trigger; do sh -c \"echo >>$f\" 2>/dev/null && echo \"wrote $f\"; done; "
            "for f in /tmp/x ~/x /dev/shm/x x; do echo >$f && echo \"ok $f\"; done"));
  EXPECT_EQ(seen, "ok /tmp/x\nok /home/kernel/x\nok /dev/shm/x\nok x\n");
  EXPECT_TRUE(fs::exists(work_dir() + "/x"));
}

// What the gateway puts there before and while the kernel runs, and what the kernel leaves.
TEST_F(SandboxProvisionerTest, GatewayAndKernelCanChangeEachOthersFiles) {
  temp_.write("work/old/data.txt", "old\n");
  launch(shell(
      "echo more >>old/data.txt && echo new >old/new.txt && echo ready; "
      "while [ ! -e go/on ]; do sleep 0.01; done; echo late >>go/on && rm go/on && rmdir go && "
      "echo done"));
  ASSERT_TRUE(until([this] { return output_.find("ready\n") != output_.npos || !exits_.empty(); }));
  temp_.write("work/old/new.txt", "changed outside");
  fs::create_directory(work_dir() + "/next");
  temp_.write("work/next/on", "go");
  fs::rename(work_dir() + "/next", work_dir() + "/go");
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(output_, "ready\ndone\n");
  EXPECT_EQ(read_file(work_dir() + "/old/data.txt"), "old\nmore\n");
  EXPECT_EQ(read_file(work_dir() + "/old/new.txt"), "changed outside");
}

TEST_F(SandboxProvisionerTest, TwoKernelsOfAWorkDirectoryShareIt) {
  launch(shell("umask 077; echo secret >shared; echo ready; while :; do sleep 0.1; done"));
  ASSERT_TRUE(until([this] { return output_ == "ready\n"; }));
  second_ = provisioner_->launch(
      shard_, shell("cat shared; echo changed >>shared; ls -d /proc/[0-9]* | wc -l"), events());
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_THAT(output_, StartsWith("ready\nsecret\n"));
  EXPECT_EQ(read_file(work_dir() + "/shared"), "secret\nchanged\n");
}

TEST_F(SandboxProvisionerTest, IpykernelBindsItsSockets) {
  if (!fs::exists("/usr/lib/python3/dist-packages/ipykernel")) {
    GTEST_SKIP() << "python3-ipykernel is not installed";
  }
  launch(request({kPython, "-m", "ipykernel_launcher", "-f", "{connection_file}"}));
  ASSERT_TRUE(until([this] { return !endpoints_.empty() || !exits_.empty(); }));
  ASSERT_EQ(endpoints_.size(), 1u) << output_;
  EXPECT_THAT(endpoints_[0].shell, StartsWith("ipc:///proc/self/fd/"));
  EXPECT_THAT(kernel_->describe(), AllOf(StartsWith("pid "), ::testing::EndsWith(" in sandbox")));
  kernel_->terminate();
  EXPECT_TRUE(until([this] { return !exits_.empty(); }));
}

TEST_F(SandboxProvisionerTest, AProgramOutsideTheSystemIsShownWithItsDirectory) {
  temp_.write("opt/tool/bin/run", "#!/bin/sh\nls \"$(dirname \"$0\")/..\"; echo x >>\"$0\"\n");
  temp_.write("opt/tool/lib/part", "");
  temp_.write("opt/tool/secret", "");
  const std::string program = temp_.str() + "/opt/tool/bin/run";
  fs::permissions(program, fs::perms(0777));
  fs::permissions(temp_.path(), fs::perms(0700));
  const std::string seen = output_of(request({program}));
  EXPECT_THAT(seen, StartsWith("bin\nlib\n")) << "and nothing else of it";
  EXPECT_THAT(seen, HasSubstr("Read-only file system"));
}

TEST_F(SandboxProvisionerTest, MountsAreAsReadOnlyAsAsked) {
  temp_.write("data/in.txt", "in\n");
  temp_.write("more/x", "");
  LaunchRequest launched =
      shell("cat /data/in.txt; (echo >/data/out) 2>/dev/null || echo refused; echo ok >/more/out");
  launched.isolation.mounts = {
      {.source = temp_.str() + "/data", .target = "/data", .read_only = true},
      {.source = temp_.str() + "/more", .target = "/more", .read_only = false}};
  EXPECT_EQ(output_of(std::move(launched)), "in\nrefused\n");
  EXPECT_EQ(read_file(temp_.str() + "/more/out"), "ok\n");
}

TEST_F(SandboxProvisionerTest, AWorkDirectoryOfTheSystemIsRefused) {
  LaunchRequest launched = shell("true");
  launched.work_dir = "/usr";
  launch(std::move(launched));
  ASSERT_TRUE(until([this] { return !failures_.empty(); }));
  EXPECT_EQ(failures_[0].code, Code::permission_denied);
}

TEST_F(SandboxProvisionerTest, AKernelOfTcpNeedsTheHostsNetwork) {
  LaunchRequest launched = shell("exec sleep 1000");
  launched.spec.metadata = R"({"perijove":{"transport":"tcp"}})";
  launch(launched);
  ASSERT_TRUE(until([this] { return !failures_.empty(); }));
  EXPECT_THAT(failures_[0].message, HasSubstr("network 'host'"));
  launched.isolation.network = "host";
  launch(std::move(launched));
  ASSERT_TRUE(until([this] { return !endpoints_.empty(); }));
  EXPECT_THAT(endpoints_[0].shell, StartsWith("tcp://127.0.0.1:"));
  EXPECT_EQ(kernel_->isolation().network, "host");
}

// Ends

TEST_F(SandboxProvisionerTest, ExitCodesAreTold) {
  output_of(shell("exit 3"));
  EXPECT_EQ(exits_[0].code, 3);
}

// Linux 6.15 and later know by what a process had ended that was reaped by another.
bool system_knows_ends() {
  utsname name{};
  int major = 0, minor = 0;
  char dot = 0;
  uname(&name);
  std::istringstream(name.release) >> major >> dot >> minor;
  return std::pair(major, minor) >= std::pair(6, 15);
}

TEST_F(SandboxProvisionerTest, ASignalIsNoExitCode) {
  for (const char* end : {"kill -SEGV $$", "exit 139"}) {
    exits_.clear();
    output_.clear();
    fs::remove(work_dir() + "/go");
    launch(shell(std::string("echo ready; while [ ! -e go ]; do sleep 0.01; done; ") + end));
    ASSERT_TRUE(until([this] { return output_ == "ready\n"; }));
    const auto outside = children_of(getpid());
    ASSERT_EQ(outside.size(), 1u);
    const std::string not_seen = "pid " + std::to_string(outside[0]) + " in sandbox";
    ASSERT_TRUE(until([&] { return kernel_->describe() != not_seen; }));
    temp_.write("work/go", "");
    ASSERT_TRUE(until([this] { return !exits_.empty(); }));
    const bool is_signal = system_knows_ends() && std::string_view(end).starts_with("kill");
    EXPECT_EQ(exits_[0].signal, is_signal ? std::optional(SIGSEGV) : std::nullopt) << end;
    EXPECT_EQ(exits_[0].code, is_signal ? std::nullopt : std::optional(139)) << end;
    kernel_.reset();
  }
}

// Python itself ignores interrupts while os.system() waits.
TEST_F(SandboxProvisionerTest, AnInterruptReachesWhatTheKernelStarted) {
  launch(python(
      "import os\n"
      "os.system('/usr/bin/python3 -uc \"import time; print(\\'ready\\'); time.sleep(1000)\"')\n"
      "print('go on')\n"));
  ASSERT_TRUE(until([this] { return output_ == "ready\n"; }));
  kernel_->interrupt([] {});
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_THAT(output_, HasSubstr("KeyboardInterrupt"));
  EXPECT_THAT(output_, ::testing::EndsWith("go on\n"));
}

TEST_F(SandboxProvisionerTest, TerminationIsPassedOn) {
  launch(shell("trap 'echo terminated; exit 7' TERM; echo ready; while :; do sleep 0.01; done"));
  ASSERT_TRUE(until([this] { return output_ == "ready\n"; }));
  kernel_->terminate();
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_THAT(output_, ::testing::EndsWith("\nterminated\n")) << "its sleep was ended, too";
  EXPECT_EQ(exits_[0].code, 7);
}

TEST_F(SandboxProvisionerTest, KillingEndsEverything) {
  launch(
      shell("trap '' INT TERM; setsid sh -c 'trap \"\" HUP TERM; echo ready; sleep 1000' & wait"));
  ASSERT_TRUE(until([this] { return output_ == "ready\n"; }));
  kernel_->kill();
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(exits_[0].signal, SIGKILL);
  EXPECT_NE(exits_[0].out_of_memory, true);
}

TEST_F(SandboxProvisionerTest, NothingIsLeftWhenItIsDestroyed) {
  LaunchRequest launched = shell("setsid sleep 1000 & echo ready; sleep 1000");
  launched.limits.memory_bytes_max = std::uint64_t{256} << 20;
  launch(std::move(launched));
  ASSERT_TRUE(until([this] { return output_ == "ready\n"; }));
  const auto outside = children_of(getpid());
  ASSERT_EQ(outside.size(), 1u);
  const auto inside = children_of(outside[0]);
  ASSERT_EQ(inside.size(), 1u);
  const fs::path directory = fs::path(kernel_->connection_file()).parent_path();
  kernel_.reset();
  EXPECT_FALSE(is_running(outside[0]));
  EXPECT_FALSE(is_running(inside[0])) << "and with it all processes of its namespace";
  EXPECT_FALSE(fs::exists(directory));
  EXPECT_TRUE(fs::is_empty(fs::path(runtime_dir_.path()) / "processes"));
  for (const CgroupPlace& place : usable_cgroups()) {
    for (const auto& entry : fs::directory_iterator(place.directory)) {
      EXPECT_THAT(entry.path().filename().string(),
                  Not(StartsWith("perijove-" + std::to_string(getpid()) + "-")));
    }
  }
}

// Limits

TEST_F(SandboxProvisionerTest, AForkBombEndsSomewhereByDefault) {
  const std::string seen =
      output_of(python("import os, signal, time\n"
                       "count = 0\n"
                       "try:\n"
                       "    for _ in range(5000):\n"
                       "        if os.fork() == 0:\n"
                       "            signal.pause()\n"
                       "        count += 1\n"
                       "except BlockingIOError:\n"
                       "    print('bounded', count < 600)\n"));
  EXPECT_EQ(seen, "bounded True\n");
  EXPECT_THAT(kernel_->isolation().limits, Contains(AllOf(Field(&HeldLimit::name, "processes"),
                                                          Field(&HeldLimit::value, 512u))));
}

TEST_F(SandboxProvisionerTest, EveryLimitIsHeldAndSaysByWhat) {
  LaunchRequest launched = python(
      "import errno, os, resource\n"
      "try:\n"
      "    b = bytearray(1 << 30)\n"
      "    for i in range(0, len(b), 4096): b[i] = 1\n"
      "    print('got it all')\n"
      "except MemoryError:\n"
      "    print('MemoryError')\n");
  launched.limits = {.memory_bytes_max = std::uint64_t{200} << 20,
                     .cpu_time_max = std::chrono::seconds(100),
                     .processors_max = 0.5,
                     .file_bytes_max = 1 << 20,
                     .open_files_max = 64,
                     .processes_max = 20};
  output_of(launched);
  const IsolationReport report = kernel_->isolation();
  EXPECT_EQ(report.kind, "sandbox");
  EXPECT_EQ(report.network, "none");
  std::map<std::string, std::string> held;
  for (const HeldLimit& limit : report.limits) held[limit.name] = limit.held_by;
  EXPECT_EQ(held.size(), 7u);
  EXPECT_EQ(held["file_size"], "RLIMIT_FSIZE");
  EXPECT_EQ(held["open_files"], "RLIMIT_NOFILE");
  EXPECT_EQ(held["cpu_time"], "RLIMIT_CPU");
  EXPECT_EQ(held["tmp_size"], "tmpfs");
  if (held["memory"] == "RLIMIT_DATA") {
    EXPECT_EQ(output_, "MemoryError\n");
    EXPECT_THAT(report.notes, Contains(HasSubstr("no cgroup")));
  } else {
    EXPECT_THAT(held["memory"], StartsWith("cgroup v"));
    EXPECT_EQ(exits_[0].signal, SIGKILL);
    EXPECT_EQ(exits_[0].out_of_memory, true);
    EXPECT_EQ(output_, "");
  }

  launched.spec.argv.back() =
      "import os\n"
      "try:\n"
      "    with open('big', 'wb') as f:\n"
      "        for _ in range(100): f.write(bytes(1 << 16)); f.flush()\n"
      "except OSError as e: print(e.strerror)\n"
      "try:\n"
      "    kept = [os.open('/dev/null', 0) for _ in range(100)]\n"
      "except OSError as e: print(e.strerror)\n";
  EXPECT_EQ(output_of(launched), "File too large\nToo many open files\n");
  EXPECT_EQ(fs::file_size(work_dir() + "/big"), 1u << 20);
}

TEST_F(SandboxProvisionerTest, TheFileSystemsInMemoryAreBounded) {
  LaunchRequest launched = shell(
      "for f in /tmp/x ~/x /dev/shm/x; do head -c 100000000 /dev/zero 2>&1 >$f | "
      "grep -o 'No space left on device'; stat -c %s $f; done");
  launched.isolation.options = R"({"tmp_bytes": 1048576})";
  const std::string full = "No space left on device\n";
  EXPECT_EQ(output_of(std::move(launched)),
            full + "1048576\n" + full + "1048576\n" + full + "67108864\n");
}

// The filter

TEST_F(SandboxProvisionerTest, DeniedSystemCallsFail) {
  const std::string seen = output_of(python(R"(
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *arguments):
    result = libc.syscall(number, *arguments)
    print(name, 'ok' if result >= 0 else errno.errorcode[ctypes.get_errno()])
if os.uname().machine != 'x86_64':
    print('other')
else:
    call('unshare', 272, 0x10000000)
    call('clone', 56, 0x10000011, 0, 0, 0, 0)
    call('clone3', 435, 0, 0)
    call('mount', 165, 0, 0, 0, 0, 0)
    call('ptrace', 101, 0, 0, 0, 0)
    call('process_vm_readv', 310, 1, 0, 0, 0, 0, 0)
    call('bpf', 321, 0, 0, 0)
    call('io_uring_setup', 425, 1, 0)
    call('keyctl', 250, 0, 0, 0, 0, 0)
    call('userfaultfd', 323, 0)
    call('perf_event_open', 298, 0, 0, -1, -1, 0)
    call('open_by_handle_at', 304, -1, 0, 0)
    call('setns', 308, 0, 0)
    call('TIOCSTI', 16, 0, 0x5412, b'x')
    call('getpid', 39)
for family in (1, 2, 10, 16, 17, 38, 40):
    try:
        socket.socket(family, socket.SOCK_RAW if family == 16 else socket.SOCK_STREAM).close()
        print(family, 'ok')
    except OSError as error:
        print(family, errno.errorcode[error.errno])
)"));
  if (seen.starts_with("other")) GTEST_SKIP() << "numbers of another architecture";
  EXPECT_EQ(seen,
            "unshare EPERM\nclone EPERM\nclone3 ENOSYS\nmount EPERM\nptrace EPERM\n"
            "process_vm_readv EPERM\nbpf EPERM\nio_uring_setup EPERM\nkeyctl EPERM\n"
            "userfaultfd EPERM\nperf_event_open EPERM\nopen_by_handle_at EPERM\nsetns EPERM\n"
            "TIOCSTI EPERM\ngetpid ok\n1 ok\n2 ok\n10 ok\n16 ok\n17 EAFNOSUPPORT\n"
            "38 EAFNOSUPPORT\n40 EAFNOSUPPORT\n");
}

// Who it is outside

TEST_F(SandboxProvisionerTest, OutsideItIsNeverRoot) {
  launch(shell("touch made; echo ready; exec sleep 1000"));
  ASSERT_TRUE(until([this] { return output_ == "ready\n"; }));
  struct stat status {};
  ASSERT_EQ(stat((work_dir() + "/made").c_str(), &status), 0);
  if (geteuid() == 0) {
    EXPECT_GE(status.st_uid, SandboxOptions().uid_first);
    EXPECT_LT(status.st_uid, SandboxOptions().uid_first + SandboxOptions().uid_count);
    struct stat directory {};
    ASSERT_EQ(stat(work_dir().c_str(), &directory), 0);
    EXPECT_EQ(directory.st_uid, 0u) << "no file changes its owner";
    EXPECT_EQ(directory.st_mode & 0007, 0005u) << "nor what others may do";
  } else {
    EXPECT_EQ(status.st_uid, geteuid());
  }
}

// The same once more as somebody who is nobody.
TEST(SandboxProvisionerAsAUserTest, DoesAllThatWithoutRoot) {
  if (geteuid() != 0) GTEST_SKIP() << "these tests run as an ordinary user already";
  const testing::TempDir temp;
  constexpr char kUser[] = "1899999999";
  ASSERT_EQ(chown(temp.str().c_str(), 1899999999, 1899999999), 0);
  const std::string self = fs::read_symlink("/proc/self/exe");
  for (fs::path above = self; above.has_relative_path(); above = above.parent_path()) {
    struct stat status {};
    if (stat(above.c_str(), &status) != 0 || (status.st_mode & 0005) != 0005) {
      GTEST_SKIP() << "other users cannot run " << self << ": see the mode of " << above;
    }
  }
  const auto end = testing::run_program(
      {.argv = {"setpriv", "--reuid", kUser, "--regid", kUser, "--clear-groups", "--", self,
                "--gtest_brief=1", "--gtest_filter=SandboxProvisionerTest.*"},
       .env = {{"PATH", "/usr/bin:/bin"}, {"TMPDIR", temp.str()}},
       .work_dir = "/"});
  EXPECT_TRUE(end.ok) << end.output;
  EXPECT_THAT(end.output, HasSubstr("PASSED"));
}

}  // namespace
}  // namespace perijove
