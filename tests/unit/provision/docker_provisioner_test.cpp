// The Docker provisioner on a real daemon.
#include "provision/docker/docker_provisioner.hpp"

#include <signal.h>

#include <fstream>
#include <sstream>

#include "docker_test.hpp"

namespace perijove {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using DockerProvisionerTest = DockerTest;

TEST_F(DockerProvisionerTest, AKernelAnswersOverItsSockets) {
  launch(ipykernel());
  ASSERT_TRUE(until([this] { return !endpoints_.empty() || !failures_.empty(); })) << output_;
  ASSERT_THAT(failures_, IsEmpty()) << failures_[0];
  EXPECT_THAT(endpoints_[0].shell, StartsWith("ipc:///proc/self/fd/"));
  EXPECT_EQ(execute("open('made', 'w').write('by the kernel')"), "ok");
  EXPECT_TRUE(fs::exists(work_dir() + "/made"));
  EXPECT_EQ(execute("1/0"), "ZeroDivisionError");
  EXPECT_THAT(kernel_->describe(),
              StartsWith("container perijove-" + kernel_id_.substr(0, 8) + "-"));
  const IsolationReport report = kernel_->isolation();
  EXPECT_EQ(report.kind, "docker");
  EXPECT_EQ(report.network, "none");
}

// What is asked of the system inside, one answer a line.
constexpr const char* kLook =
    "id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr '\\n\\t' '  '; "
    "echo; "
    "ls /sys/class/net; pwd; echo $HOME $GIVEN; cat /proc/1/comm; env | grep -c gateway; "
    "touch /etc/x 2>&1";

TEST_F(DockerProvisionerTest, AContainerHasNothingByDefault) {
  const std::string output = output_of(shell(kLook));
  std::istringstream lines(output);
  std::vector<std::string> told;
  for (std::string line; std::getline(lines, line);) told.push_back(line);
  ASSERT_EQ(told.size(), 8u) << output;
  EXPECT_NE(told[0], "0");
  EXPECT_EQ(told[1], "CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 ");
  EXPECT_EQ(told[2], "lo");
  EXPECT_EQ(told[3], "/workspace");
  EXPECT_EQ(told[4], "/tmp value");
  EXPECT_THAT(told[5], ::testing::AnyOf("docker-init", "tini"));
  EXPECT_EQ(told[6], "0") << "what describes the gateway's machine stays there";
  EXPECT_THAT(told[7], HasSubstr("Permission denied"));
  EXPECT_EQ(exits_[0].code, 1);
}

TEST_F(DockerProvisionerTest, SystemCallsThatEscapeAreFiltered) {
  LaunchRequest python = request();
  python.spec.argv = {"python3", "-c", R"(
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    ctypes.set_errno(0)
    libc.syscall(*arguments)
    print(name, ctypes.get_errno())
call('unshare', 272, 0x10000000)
call('ptrace', 101, 16, 1, 0, 0)
call('io_uring_setup', 425, 1, 0)
call('bpf', 321, 0, 0, 0)
call('clone', 56, 0x10000000 | 17, 0, 0, 0, 0)
for family in 1, 2, 16, 17, 38, 40:
    try:
        socket.socket(family, socket.SOCK_RAW if family == 17 else socket.SOCK_DGRAM).close()
        print(family, 'opened')
    except OSError as error:
        print(family, error.errno)
)"};
  EXPECT_EQ(output_of(std::move(python)),
            "unshare 1\nptrace 1\nio_uring_setup 1\nbpf 1\nclone 1\n1 opened\n2 opened\n16 opened\n"
            "17 97\n38 97\n40 97\n");
}

TEST_F(DockerProvisionerTest, ItsOptionsAreThoseOfTheContainer) {
  const json docker = {
      {"container_name", test_name("options")},
      {"environment", {{"FROM_OPTIONS", "yes"}}},
      {"extra_hosts", {{"peer.test", "192.0.2.7"}}},
      {"read_only", true},
      {"tmpfs", {{"/scratch", "size=1m,mode=1777"}}},
      {"resource_limits", {{"memory", "200m"}, {"cpus", "0.5"}, {"pids", 60}}},
      {"shm_size", "16m"},
      {"ulimits", {{"nofile", 300}}},
      {"labels", {{"team", "tests"}}},
      {"container_work_dir", "/elsewhere"},
  };
  LaunchRequest launched = shell(
      "echo $FROM_OPTIONS; grep -c '192.0.2.7.*peer.test' /etc/hosts; touch /usr/x 2>&1; "
      "touch /tmp/x /scratch/y && echo writable; ulimit -n; pwd; df /dev/shm | tail -n 1 | "
      "tr -s ' ' | cut -d ' ' -f 2; sleep 1000",
      docker);
  launched.limits.memory_bytes_max = 100 * 1024 * 1024;
  launched.limits.file_bytes_max = 1 << 20;
  launch(std::move(launched));
  ASSERT_TRUE(until_output("16384")) << output_;
  EXPECT_EQ(output_,
            "yes\n1\ntouch: cannot touch '/usr/x': Read-only file system\nwritable\n300\n"
            "/elsewhere\n16384\n");
  const json container = inspect();
  EXPECT_EQ(container["Name"], "/" + test_name("options"));
  const json& host = container["HostConfig"];
  EXPECT_EQ(host["Memory"], 100 * 1024 * 1024) << "the tighter of both";
  EXPECT_EQ(host["MemorySwap"], 100 * 1024 * 1024);
  EXPECT_EQ(host["NanoCpus"], 500'000'000);
  EXPECT_EQ(host["PidsLimit"], 60);
  EXPECT_EQ(host["NetworkMode"], "none");
  EXPECT_EQ(host["Privileged"], false);
  EXPECT_EQ(container["Config"]["Labels"]["team"], "tests");
  std::vector<std::string> limits;
  for (const HeldLimit& limit : kernel_->isolation().limits) {
    limits.push_back(limit.name + "=" + std::to_string(limit.value));
  }
  EXPECT_THAT(limits, ElementsAre("memory=104857600", "swap=0", "cpus=500", "processes=60",
                                  "file_size=1048576", "open_files=300", "shm_size=16777216"));
}

TEST_F(DockerProvisionerTest, VolumesAreWritableOnlyWhereTheyShouldBe) {
  for (const char* name : {"read", "write"}) {
    fs::create_directory(temp_.path() / name);
    fs::permissions(temp_.path() / name, fs::perms::all);
  }
  temp_.write("read/file", "text");
  const json docker = {{"extra_volumes",
                        {{temp_.str() + "/read", {{"bind", "/in"}, {"mode", "ro"}}},
                         {temp_.str() + "/write", {{"bind", "/out"}, {"mode", "rw"}}}}}};
  const std::string output =
      output_of(shell("cat /in/file; echo; touch /in/x 2>&1; cp /in/file /out/copy; ls", docker));
  EXPECT_THAT(output, StartsWith("text\ntouch: cannot touch '/in/x': Read-only file system\n"));
  EXPECT_TRUE(fs::exists(temp_.path() / "write/copy"));
}

TEST_F(DockerProvisionerTest, TheKernelStartsAfterItsInitCommand) {
  EXPECT_EQ(output_of(shell("cat first; echo then",
                            {{"init_command", "for i in 1 2 3; do echo $i >>first; done"}})),
            "1\n2\n3\nthen\n");
}

TEST_F(DockerProvisionerTest, AFailedInitCommandIsTheStartsFailure) {
  const Error failure = failure_of(shell("echo never", {{"init_command", "echo why >&2; exit 3"}}));
  EXPECT_EQ(failure.code, Code::failed_precondition);
  EXPECT_THAT(failure.message, AllOf(HasSubstr("init_command"), HasSubstr("code 3")));
  EXPECT_THAT(output_, AllOf(HasSubstr("why"), Not(HasSubstr("never"))));
}

TEST_F(DockerProvisionerTest, AnInterruptReachesWhatTheKernelHasStarted) {
  launch(ipykernel());
  ASSERT_TRUE(until([this] { return !endpoints_.empty() || !failures_.empty(); })) << output_;
  ASSERT_EQ(execute("import os"), "ok");
  boost::asio::steady_timer timer(shard_.loop(), std::chrono::milliseconds(300));
  timer.async_wait([this](const auto&) { kernel_->interrupt([] {}); });
  EXPECT_EQ(execute("os.system('sleep 1000')"), "ok") << "the shell and its sleep were ended";
  EXPECT_EQ(execute("1"), "ok");
}

TEST_F(DockerProvisionerTest, TellsHowItEnded) {
  launch(shell("echo last words; exit 7"));
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(exits_[0].code, 7);
  EXPECT_EQ(exits_[0].out_of_memory, false);
  EXPECT_EQ(output_, "last words\n");
}

TEST_F(DockerProvisionerTest, TellsThatItWasTerminatedOrKilled) {
  launch(shell("echo ready; sleep 1000"));
  ASSERT_TRUE(until_output("ready"));
  kernel_->terminate();
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(exits_[0].signal, SIGTERM);
  exits_.clear();
  output_.clear();
  launch(shell("trap '' TERM INT; echo ready; while :; do sleep 1; done"));
  ASSERT_TRUE(until_output("ready"));
  kernel_->terminate();
  kernel_->kill();
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(exits_[0].signal, SIGKILL);
  EXPECT_EQ(exits_[0].out_of_memory, false);
}

TEST_F(DockerProvisionerTest, TellsThatMemoryRanOut) {
  launch(ipykernel({{"memory", "128m"}}));
  ASSERT_TRUE(until([this] { return !endpoints_.empty() || !failures_.empty(); })) << output_;
  execute("x = bytearray(512 * 1024 * 1024); x[:] = b'1' * len(x)");
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(exits_[0].out_of_memory, true);
}

TEST_F(DockerProvisionerTest, NoticesThatSomebodyElseEndedTheContainer) {
  launch(shell("echo ready; sleep 1000"));
  ASSERT_TRUE(until_output("ready"));
  const std::string name = kernel_->describe().substr(10);
  ASSERT_TRUE(ask("POST", "/containers/" + name + "/kill"));
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(exits_[0].signal, SIGKILL);
  exits_.clear();
  output_.clear();
  launch(shell("echo ready; sleep 1000"));
  ASSERT_TRUE(until_output("ready"));
  ASSERT_TRUE(ask("DELETE", "/containers/" + kernel_->describe().substr(10), {{"force", "1"}}));
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
}

TEST_F(DockerProvisionerTest, ANameIsFreeAgainForTheNextLaunch) {
  const json docker = {{"container_name", test_name("again")}};
  for (int i = 0; i < 3; ++i) {
    output_.clear();
    launch(shell("echo ready; sleep 1000", docker));
    ASSERT_TRUE(until_output("ready")) << (failures_.empty() ? "" : failures_[0].message);
  }
}

TEST_F(DockerProvisionerTest, ANameThatIsTakenIsTold) {
  const json docker = {{"container_name", test_name("taken")}};
  launch(shell("echo ready; sleep 1000", docker));
  ASSERT_TRUE(until_output("ready"));
  RuntimeDir other_dir = make_runtime_dir(temp_.str() + "/other");
  const auto other = make_docker_provisioner(other_dir, options_);
  const auto second = other->launch(shard_, shell("echo never", docker), events());
  ASSERT_TRUE(until([this] { return !failures_.empty(); }));
  EXPECT_EQ(failures_[0].code, Code::already_exists);
  EXPECT_THAT(failures_[0].message,
              AllOf(HasSubstr(test_name("taken")), HasSubstr("docker rm -f")));
}

// rows: D06
TEST_F(DockerProvisionerTest, AStoppedContainerMayBeKept) {
  launch(shell("echo kept >/tmp/file; echo ready; sleep 1000", {{"auto_remove", false}}));
  ASSERT_TRUE(until_output("ready"));
  const std::string name = kernel_->describe().substr(10);
  kernel_.reset();
  provisioner_.reset();
  const auto archive = ask("GET", "/containers/" + name + "/archive", {{"path", "/tmp/file"}});
  ASSERT_TRUE(archive) << archive.error();
  EXPECT_THAT(*archive, HasSubstr("kept\n"));
  EXPECT_TRUE(ask("DELETE", "/containers/" + name));
}

// rows: D18 D23
TEST_F(DockerProvisionerTest, AContainerIsUsedAgainWithItsFiles) {
  const json docker = {{"container_name", test_name("reused")}, {"reuse_container", true}};
  const std::string script = "cat /tmp/count; echo one >>/tmp/count; echo ready; sleep 1000";
  launch(shell(script, docker));
  ASSERT_TRUE(until_output("ready"));
  const std::string id = inspect()["Id"];
  // A restart: the gateway drops the old process and launches anew.
  kernel_.reset();
  output_.clear();
  launch(shell(script, docker));
  ASSERT_TRUE(until_output("ready")) << failures_[0];
  EXPECT_THAT(output_, HasSubstr("one\nready"));
  EXPECT_EQ(inspect()["Id"], id);

  RuntimeDir other_dir = make_runtime_dir(temp_.str() + "/run");
  const auto other = make_docker_provisioner(other_dir, options_);
  {
    const auto second = other->launch(shard_, shell(script, docker), events());
    ASSERT_TRUE(until([this] { return !failures_.empty(); }));
    EXPECT_THAT(failures_[0].message, HasSubstr("in use by another kernel"));
  }
  failures_.clear();
  output_.clear();
  exits_.clear();
  kernel_.reset();
  {
    const auto second = other->launch(shard_, shell(script, docker), events());
    ASSERT_TRUE(until_output("ready")) << failures_[0];
    EXPECT_THAT(output_, HasSubstr("one\none\nready"));
    ASSERT_TRUE(ask("POST", "/containers/" + test_name("reused") + "/kill"));
    ASSERT_TRUE(until([this] { return !exits_.empty(); })) << "of a container of another gateway";
  }
  EXPECT_TRUE(
      until([&] { return ask("DELETE", "/containers/" + test_name("reused")).has_value(); }));
}

// rows: D23
TEST_F(DockerProvisionerTest, AKernelIsStartedAgainInItsContainer) {
  launch(shell("cat /var/tmp/count; echo one >>/var/tmp/count; echo ready; sleep 1000"));
  ASSERT_TRUE(until_output("ready"));
  const std::string id = inspect()["Id"];
  const auto key = [this] {
    std::ifstream file(kernel_->connection_file());
    return json::parse(file)["key"];
  };
  const json first_key = key();
  LaunchEvents unused = events();
  EXPECT_FALSE(kernel_->start_again(unused)) << "its process runs";

  const auto end_and_start = [&](std::size_t ends) {
    kernel_->kill();
    ASSERT_TRUE(until([&] { return exits_.size() == ends; }));
    output_.clear();
    LaunchEvents anew = events();
    ASSERT_TRUE(kernel_->start_again(anew));
    ASSERT_TRUE(until_output("ready")) << failures_[0];
  };
  end_and_start(1);
  EXPECT_EQ(output_, "one\nready\n");
  EXPECT_EQ(inspect()["Id"], id);
  EXPECT_NE(key(), first_key);

  end_and_start(2);
  EXPECT_EQ(output_, "one\none\nready\n");
  ASSERT_TRUE(ask("DELETE", "/containers/" + id, {{"force", "1"}}));
  ASSERT_TRUE(until([&] { return exits_.size() == 3; }));
  EXPECT_FALSE(kernel_->start_again(unused)) << "somebody has removed it";
}

TEST_F(DockerProvisionerTest, AContainerThatIsGoneIsMadeAnew) {
  launch(shell("echo ready; sleep 1000"));
  ASSERT_TRUE(until_output("ready"));
  const std::string id = inspect()["Id"];
  kernel_->kill();
  ASSERT_TRUE(until([&] { return !exits_.empty(); }));
  ASSERT_TRUE(ask("DELETE", "/containers/" + id));
  output_.clear();
  LaunchEvents anew = events();
  ASSERT_TRUE(kernel_->start_again(anew));
  ASSERT_TRUE(until_output("ready")) << failures_[0];
  EXPECT_NE(inspect()["Id"], id);
}

// rows: D07
TEST_F(DockerProvisionerTest, AContainerMayRunOn) {
  launch(shell("echo ready; sleep 1000", {{"stop_container", false}}));
  ASSERT_TRUE(until_output("ready"));
  const std::string name = kernel_->describe().substr(10);
  kernel_.reset();
  provisioner_.reset();
  const auto state = ask("GET", "/containers/" + name + "/json");
  ASSERT_TRUE(state) << state.error();
  EXPECT_EQ((*parse_json(*state))["State"]["Running"], true);
  EXPECT_TRUE(ask("DELETE", "/containers/" + name, {{"force", "1"}}));
}

TEST_F(DockerProvisionerTest, NothingIsLeftWhenTheLoopHasStopped) {
  launch(shell("echo ready; sleep 1000"));
  ASSERT_TRUE(until_output("ready"));
  const fs::path directory = fs::path(kernel_->connection_file()).parent_path();
  kernel_.reset();
  provisioner_.reset();
  EXPECT_THAT(containers(), IsEmpty());
  EXPECT_FALSE(fs::exists(directory));
}

TEST_F(DockerProvisionerTest, NothingIsLeftOfALaunchThatWasGivenUp) {
  for (int i = 0; i < 3; ++i) {
    launch(shell("sleep 1000"));
    shard_.loop().restart();
    for (int turn = 0; turn <= i; ++turn) shard_.loop().run_one_for(std::chrono::milliseconds(5));
    kernel_.reset();
  }
  EXPECT_TRUE(until([this] { return containers().empty(); }));
}

TEST_F(DockerProvisionerTest, AnImageThatIsMissingIsPulledOrTold) {
  // A registry of this machine that nobody runs.
  const Error pulled = failure_of(shell("", {{"image", "127.0.0.1:1/no/such:image"}}));
  EXPECT_THAT(pulled.message, AllOf(HasSubstr("pulling image '127.0.0.1:1/no/such:image' failed"),
                                    HasSubstr("refused")));
  EXPECT_THAT(output_, HasSubstr("pulling image 127.0.0.1:1/no/such:image\n"));
  failures_.clear();
  const Error never =
      failure_of(shell("", {{"image", "127.0.0.1:1/no/such:image"}, {"pull", "never"}}));
  EXPECT_EQ(never.code, Code::not_found);
  EXPECT_THAT(never.message, HasSubstr("'127.0.0.1:1/no/such:image' is not on the daemon's"));
}

TEST_F(DockerProvisionerTest, ADirectoryWithADockerfileIsBuilt) {
  temp_.write("context/Dockerfile", std::string("FROM ") + kImage + "\nCOPY file /built\n");
  temp_.write("context/file", "from the context\n");
  EXPECT_THAT(output_of(shell("cat /built", {{"build_path", temp_.str() + "/context"}})),
              AllOf(HasSubstr("Step 1/2"), HasSubstr("\nfrom the context\n")));
  kernel_.reset();
  provisioner_.reset();
  const auto images = ask("GET", "/images/json",
                          {{"filters", docker::make_filters({{"reference", {"perijove-build"}}})}});
  const auto list = parse_json(*images);
  for (const json& image : *list) {
    EXPECT_TRUE(ask("DELETE", "/images/" + image["RepoTags"][0].get<std::string>()));
  }
}

TEST_F(DockerProvisionerTest, ABuildThatFailsTellsWhy) {
  temp_.write("context/Dockerfile", std::string("FROM ") + kImage + "\nCOPY missing /built\n");
  EXPECT_THAT(failure_of(shell("", {{"build_path", temp_.str() + "/context"}})).message,
              HasSubstr("missing"));
  failures_.clear();
  EXPECT_THAT(failure_of(shell("", {{"build_path", work_dir()}})).message,
              HasSubstr("has no file 'Dockerfile'"));
}

TEST_F(DockerProvisionerTest, AKernelThatNeverListensIsGivenUp) {
  const Error failure = failure_of(shell("sleep 1000", {{"startup_timeout", 1}}));
  EXPECT_EQ(failure.code, Code::deadline_exceeded);
  EXPECT_THAT(failure.message, HasSubstr("startup_timeout of 1 s"));
}

// A network of the test's own that leads nowhere else.
class DockerNetworkTest : public DockerTest {
 protected:
  void SetUp() override {
    DockerTest::SetUp();
    if (IsSkipped()) return;
    docker::EngineCall call;
    call.method = "POST";
    call.path = "/networks/create";
    call.body = dump_json({{"Name", network_}, {"Internal", true}, {"Driver", "bridge"}});
    const auto made =
        docker::blocking_call(*docker::parse_docker_host(daemon_of_the_tests()), call);
    if (!made) GTEST_SKIP() << "no network can be made: " << made.error();
    made_ = true;
  }
  void TearDown() override {
    DockerTest::TearDown();
    if (!made_) return;
    EXPECT_TRUE(ask("DELETE", "/networks/" + network_));
  }
  const std::string network_ = test_name(random_hex(4));
  bool made_ = false;
};

TEST_F(DockerNetworkTest, ANamedNetworkLeavesTheChannelsAlone) {
  launch(ipykernel({{"network", network_}}));
  ASSERT_TRUE(until([this] { return !endpoints_.empty() || !failures_.empty(); })) << output_;
  ASSERT_THAT(failures_, IsEmpty()) << failures_[0];
  EXPECT_THAT(endpoints_[0].shell, StartsWith("ipc://"));
  EXPECT_EQ(execute("import os; assert 'eth0' in os.listdir('/sys/class/net')"), "ok");
  EXPECT_EQ(kernel_->isolation().network, network_);
}

TEST_F(DockerNetworkTest, AKernelThatCannotDoIpcIsReachedAtItsAddress) {
  LaunchRequest launched = ipykernel({{"network", network_}});
  launched.spec.metadata = R"({"perijove": {"transport": "tcp"}})";
  launch(std::move(launched));
  ASSERT_TRUE(until([this] { return !endpoints_.empty() || !failures_.empty(); })) << output_;
  ASSERT_THAT(failures_, IsEmpty()) << failures_[0];
  // The test's own network: of the ranges that lead nowhere.
  ASSERT_THAT(endpoints_[0].shell,
              ::testing::AnyOf(StartsWith("tcp://172."), StartsWith("tcp://192.168."),
                               StartsWith("tcp://10.")));
  EXPECT_EQ(execute("open('made', 'w').write('over tcp')"), "ok") << output_;
  EXPECT_TRUE(fs::exists(work_dir() + "/made"));
}

TEST_F(DockerProvisionerTest, AKernelThatCannotDoIpcNeedsANetwork) {
  LaunchRequest launched = ipykernel();
  launched.spec.metadata = R"({"perijove": {"transport": "tcp"}})";
  EXPECT_THAT(failure_of(std::move(launched)).message, HasSubstr("name a network"));
}

TEST_F(DockerProvisionerTest, AKernelUnderGVisorSaysSoAndSharesTheFiles) {
  const auto info = ask("GET", "/info");
  ASSERT_TRUE(info) << info.error();
  if (!(*parse_json(*info))["Runtimes"].contains("runsc")) {
    GTEST_SKIP() << "the daemon has no runtime runsc (gVisor)";
  }
  launch(ipykernel({{"runtime", "runsc"}}));
  ASSERT_TRUE(until([this] { return !endpoints_.empty() || !failures_.empty(); })) << output_;
  ASSERT_THAT(failures_, IsEmpty()) << failures_[0];
  EXPECT_EQ(kernel_->isolation().kind, "docker+gvisor");
  EXPECT_EQ(execute("import os; assert os.uname().release.startswith('4.4')"), "ok");
  EXPECT_EQ(execute("open('made.txt', 'w').write('inside'); os.mkdir('dir')"), "ok");
  std::ifstream made(work_dir() + "/made.txt");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(made), {}), "inside");
  temp_.write("work/later.txt", "outside");
  temp_.write("work/dir/later.txt", "outside");
  EXPECT_EQ(execute("assert [open(p).read() for p in ('later.txt', 'dir/later.txt')] == "
                    "['outside'] * 2; os.remove('dir/later.txt')"),
            "ok");
}

TEST_F(DockerProvisionerTest, AnUnknownRuntimeIsTold) {
  EXPECT_THAT(failure_of(shell("", {{"runtime", "no-such-runtime"}})).message,
              AllOf(HasSubstr("'no-such-runtime'"), HasSubstr("runc")));
}

TEST_F(DockerProvisionerTest, DevicesWithoutADriverAreTold) {
  EXPECT_THAT(failure_of(shell("", {{"docker_run_args", "--gpus all"}})).message,
              HasSubstr("NVIDIA Container Toolkit"));
}

TEST_F(DockerProvisionerTest, DoesNotTrustALinkInPlaceOfASocket) {
  const Error failure = failure_of(
      shell("cd /run/perijove; for i in 1 2 3 4 5; do ln -s /run/docker.sock k-$i; done; sleep 9"));
  EXPECT_EQ(failure.code, Code::permission_denied);
}

TEST_F(DockerProvisionerTest, EndsTheContainersOfADeadGatewayAndNoOthers) {
  // As after the restart of a container of the gateway: dead for those with this runtime directory,
  // and not for gateways of tests beside this one.
  docker::GatewayIdentity dead =
      docker::own_identity(fs::path(runtime_dir_.path()).parent_path() / "1");
  dead.pid_namespace = "of another container";
  docker::GatewayIdentity elsewhere = dead;
  elsewhere.machine = "another";
  const auto create = [&](const std::string& name, const json& labels) {
    docker::EngineCall call;
    call.method = "POST";
    call.path = "/containers/create";
    call.query = {{"name", name}};
    call.body = dump_json({{"Image", kImage}, {"Cmd", {"true"}}, {"Labels", labels}});
    const auto made =
        docker::blocking_call(*docker::parse_docker_host(daemon_of_the_tests()), call);
    ASSERT_TRUE(made) << made.error();
  };
  create(test_name("dead"), {{"org.perijove.gateway", docker::to_label(dead)}});
  create(test_name("kept"),
         {{"org.perijove.gateway", docker::to_label(dead)}, {"org.perijove.keep", "files"}});
  create(test_name("elsewhere"), {{"org.perijove.gateway", docker::to_label(elsewhere)}});
  create(test_name("foreign"), json::object());
  std::optional<Result<std::vector<std::string>>> told;
  provisioner_->probe(shard_, [&](auto facts) { told = std::move(facts); });
  EXPECT_TRUE(until([&] { return told.has_value(); }));
  EXPECT_TRUE(ask("GET", "/containers/" + test_name("dead") + "/json")) << "a look ends nothing";
  launch(shell("sleep 1000"));
  EXPECT_TRUE(until([&] { return !ask("GET", "/containers/" + test_name("dead") + "/json"); }));
  for (const char* name : {"kept", "elsewhere", "foreign"}) {
    EXPECT_TRUE(ask("DELETE", "/containers/" + test_name(name))) << name;
  }
}

TEST_F(DockerProvisionerTest, SaysWhatTheDaemonCanDo) {
  std::optional<Result<std::vector<std::string>>> told;
  provisioner_->probe(shard_, [&](auto facts) { told = std::move(facts); });
  ASSERT_TRUE(until([&] { return told.has_value(); }));
  ASSERT_TRUE(*told) << told->error();
  EXPECT_THAT(**told, AllOf(Contains(StartsWith("Docker ")),
                            Contains(StartsWith("storage driver ")), Contains(HasSubstr("runc")),
                            Contains(HasSubstr("cgroup v")), Contains(HasSubstr("seccomp"))));
}

}  // namespace
}  // namespace perijove
