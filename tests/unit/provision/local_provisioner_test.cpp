#include "provision/local/local_provisioner.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <sstream>

#include "io/process_tree.hpp"
#include "support/loop.hpp"
#include "support/processes.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::is_running;
using ::testing::IsEmpty;
using testing::run_until;
using ::testing::StartsWith;

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Kernels that are shell scripts; where a script has no sockets, the test makes them in its place.
class LocalProvisionerTest : public ::testing::Test {
 protected:
  LocalProvisionerTest() : runtime_dir_(make_runtime_dir(temp_.str() + "/run")) {
    prepare_process_supervision(shard_);
  }
  ~LocalProvisionerTest() override {
    kernel_.reset();
    EXPECT_TRUE(run_until(shard_.loop(), [] { return children_of(getpid()).empty(); }));
  }

  static RuntimeDir make_runtime_dir(const std::string& base) {
    auto made = RuntimeDir::create(base);
    EXPECT_TRUE(made) << made.error();
    return *std::move(made);
  }

  LaunchRequest request(const std::string& script, const std::string& metadata = "{}") const {
    LaunchRequest made;
    made.kernel_id = KernelId("0a1b2c3d-0000-4000-8000-000000000000");
    made.spec.name = "shell";
    made.spec.argv = {"sh", "-c", script, "{connection_file}", "{kernel_id}"};
    made.spec.metadata = metadata;
    made.env = {{"PATH", "/usr/bin:/bin"}};
    made.work_dir = temp_.str();
    return made;
  }

  LaunchEvents events() {
    return {.on_endpoints = [this](const Endpoints& endpoints) { endpoints_.push_back(endpoints); },
            .on_failed = [this](Error error) { failures_.push_back(std::move(error)); },
            .on_output = [this](ByteView bytes) { output_ += bytes; },
            .on_exit = [this](ProcessExit status) { exits_.push_back(status); }};
  }

  void launch(LaunchRequest launched) {
    kernel_ = provisioner_->launch(shard_, std::move(launched), events());
    ASSERT_TRUE(kernel_);
    EXPECT_TRUE(endpoints_.empty() && failures_.empty() && exits_.empty())
        << "nothing is told before the launch returns";
  }
  void launch(const std::string& script, const std::string& metadata = "{}") {
    launch(request(script, metadata));
  }

  template <typename Condition>
  bool until(Condition done) {
    return run_until(shard_.loop(), done);
  }

  ConnectionInfo connection() const {
    const auto info = parse_connection_info(read_file(kernel_->connection_file()));
    EXPECT_TRUE(info) << info.error();
    return info ? *info : ConnectionInfo();
  }

  // A socket as the kernel would bind it.
  void bind_socket(Channel channel) { bind_socket(socket_path(channel)); }
  void bind_socket(const std::string& path) {
    FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    sockets_.push_back(std::move(fd));
  }
  std::string socket_path(Channel channel) const {
    const ConnectionInfo info = connection();
    return info.ip + "-" + std::to_string(info.port(channel));
  }

  testing::TempDir temp_;
  Shard shard_;
  RuntimeDir runtime_dir_;
  std::unique_ptr<Provisioner> provisioner_ = make_local_provisioner(runtime_dir_);
  std::unique_ptr<LaunchedKernel> kernel_;
  std::vector<Endpoints> endpoints_;
  std::vector<Error> failures_;
  std::string output_;
  std::vector<ProcessExit> exits_;
  std::vector<FileDescriptor> sockets_;
};

TEST_F(LocalProvisionerTest, PromisesNoIsolation) {
  EXPECT_EQ(provisioner_->kind(), "none");
}

TEST_F(LocalProvisionerTest, TellsOutputAndEnd) {
  launch("echo $1 | sed 's/.*-0/...-0/'; pwd; exit 3");
  EXPECT_THAT(kernel_->describe(), StartsWith("pid "));
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(output_, "...-000000000000\n" + temp_.str() + "\n");
  ASSERT_EQ(exits_.size(), 1u);
  EXPECT_EQ(exits_[0].code, 3);
  EXPECT_THAT(endpoints_, IsEmpty());
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(LocalProvisionerTest, WritesAConnectionFileForThisUserOnly) {
  launch("exec sleep 1000");
  const fs::path file = kernel_->connection_file();
  struct stat status {};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(file.parent_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  EXPECT_EQ(file.filename(), "kernel-0a1b2c3d-0000-4000-8000-000000000000.json");
  const ConnectionInfo info = connection();
  EXPECT_EQ(info.transport, Transport::ipc);
  EXPECT_EQ(info.ip, (file.parent_path() / "k").string());
  EXPECT_EQ(info.key.size(), 64u);
  EXPECT_EQ(info.signature_scheme, "hmac-sha256");
  EXPECT_EQ(info.kernel_name, "shell");
}

TEST_F(LocalProvisionerTest, EveryLaunchHasItsOwnDirectoryAndKey) {
  launch("exec sleep 1000");
  const ConnectionInfo first = connection();
  kernel_.reset();
  launch("exec sleep 1000");
  const ConnectionInfo second = connection();
  EXPECT_NE(first.ip, second.ip);
  EXPECT_NE(first.key, second.key);
}

TEST_F(LocalProvisionerTest, TellsTheEndpointsWhenAllSocketsAreThere) {
  launch("exec sleep 1000");
  bind_socket(Channel::heartbeat);
  for (const Channel channel : {Channel::shell, Channel::control, Channel::stdin_}) {
    bind_socket(channel);
  }
  // A second process, so that time passes in which the sockets were looked for.
  auto other = ChildProcess::spawn(
      shard_, {.argv = {"/bin/sleep", "0.1"}, .env = {}, .work_dir = "/"}, [](ByteView) {},
      [](ProcessExit) {});
  ASSERT_TRUE(other) << other.error();
  ASSERT_TRUE(until([&] { return (*other)->exit_status().has_value(); }));
  EXPECT_THAT(endpoints_, IsEmpty()) << "iopub is missing";

  bind_socket(Channel::iopub);
  ASSERT_TRUE(until([this] { return !endpoints_.empty(); }));
  const Endpoints& told = endpoints_[0];
  for (const std::string& endpoint : {told.shell, told.iopub, told.stdin_, told.control}) {
    EXPECT_THAT(endpoint, StartsWith("ipc:///proc/self/fd/"));
  }
  EXPECT_EQ(told.key, connection().key);
  EXPECT_EQ(told.signature_scheme, "hmac-sha256");
}

TEST_F(LocalProvisionerTest, DoesNotTrustALinkInPlaceOfASocket) {
  launch("exec sleep 1000");
  for (const Channel channel : {Channel::shell, Channel::control, Channel::iopub}) {
    bind_socket(channel);
  }
  fs::create_symlink("/var/run/docker.sock", socket_path(Channel::stdin_));
  ASSERT_TRUE(until([this] { return !failures_.empty(); }));
  EXPECT_EQ(failures_[0].code, Code::permission_denied);
  EXPECT_THAT(endpoints_, IsEmpty());
}

// ipykernel rewrites the file, and a hostile kernel may write what it likes.
TEST_F(LocalProvisionerTest, NeverReadsTheConnectionFileBack) {
  launch(
      "while [ ! -e go ]; do sleep 0.01; done; echo '{\"key\":\"mine\"}' >\"$0\"; echo written; "
      "exec sleep 1000");
  const ConnectionInfo before = connection();
  for (const Channel channel : {Channel::shell, Channel::control, Channel::stdin_}) {
    bind_socket(channel);
  }
  const std::string last = socket_path(Channel::iopub);
  temp_.write("go", "");
  ASSERT_TRUE(until([this] { return output_ == "written\n"; }));
  EXPECT_EQ(read_file(kernel_->connection_file()), "{\"key\":\"mine\"}\n");

  bind_socket(last);
  ASSERT_TRUE(until([this] { return !endpoints_.empty(); }));
  EXPECT_EQ(endpoints_[0].key, before.key);
}

TEST_F(LocalProvisionerTest, UsesTcpWhenTheKernelspecAsksForIt) {
  launch("exec sleep 1000", R"({"perijove":{"transport":"tcp"}})");
  const ConnectionInfo info = connection();
  EXPECT_EQ(info.transport, Transport::tcp);
  EXPECT_EQ(info.ip, "127.0.0.1");
  ASSERT_TRUE(until([this] { return !endpoints_.empty(); }));
  EXPECT_EQ(endpoints_[0].shell, "tcp://127.0.0.1:" + std::to_string(info.shell_port));
  EXPECT_EQ(endpoints_[0].iopub, "tcp://127.0.0.1:" + std::to_string(info.iopub_port));
}

TEST_F(LocalProvisionerTest, UsesIpcForAnyOtherMetadata) {
  for (const char* metadata : {"{}", "[]", "nonsense", R"({"perijove":7})",
                               R"({"perijove":{"transport":7}})", R"({"transport":"tcp"})"}) {
    launch("exec sleep 1000", metadata);
    EXPECT_EQ(connection().transport, Transport::ipc) << metadata;
    kernel_.reset();
  }
}

TEST_F(LocalProvisionerTest, TellsWhyItCouldNotStart) {
  LaunchRequest missing = request("");
  missing.spec.argv = {"no-such-kernel"};
  launch(std::move(missing));
  ASSERT_TRUE(until([this] { return !failures_.empty(); }));
  EXPECT_EQ(failures_[0].code, Code::not_found);
  EXPECT_THAT(failures_[0].message, HasSubstr("'no-such-kernel'"));
  EXPECT_EQ(kernel_->describe(), "not running");
  kernel_->interrupt([] {});
  kernel_->terminate();
  kernel_->kill();
  kernel_.reset();
  EXPECT_THAT(exits_, IsEmpty());
}

TEST_F(LocalProvisionerTest, SaysWhichDirectoryIsTooLongForASocket) {
  RuntimeDir deep = make_runtime_dir(temp_.str() + "/" + std::string(80, 'x'));
  const auto provisioner = make_local_provisioner(deep);
  kernel_ = provisioner->launch(shard_, request("exec sleep 1000"), events());
  ASSERT_TRUE(until([this] { return !failures_.empty(); }));
  EXPECT_EQ(failures_[0].code, Code::failed_precondition);
  EXPECT_THAT(failures_[0].message, HasSubstr("--runtime-dir"));
  kernel_.reset();
}

TEST_F(LocalProvisionerTest, PassesSignalsOn) {
  launch(
      "trap 'echo interrupted' INT; trap 'echo terminated; exit 7' TERM; echo ready; "
      "while :; do sleep 0.01; done");
  ASSERT_TRUE(until([this] { return output_ == "ready\n"; }));
  kernel_->interrupt([] {});
  ASSERT_TRUE(until([this] { return output_ == "ready\ninterrupted\n"; }));
  kernel_->terminate();
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(exits_[0].code, 7);
}

TEST_F(LocalProvisionerTest, KillsWhatIgnoresSignals) {
  launch("trap '' INT TERM; echo ready; while :; do sleep 0.01; done");
  ASSERT_TRUE(until([this] { return output_ == "ready\n"; }));
  kernel_->interrupt([] {});
  kernel_->terminate();
  kernel_->kill();
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(exits_[0].signal, SIGKILL);
}

TEST_F(LocalProvisionerTest, RecordsItsProcessWhileItRuns) {
  launch("while [ ! -e go ]; do sleep 0.01; done");
  const fs::path records = fs::path(runtime_dir_.path()) / "processes";
  std::vector<std::string> recorded;
  for (const auto& entry : fs::directory_iterator(records)) {
    recorded.push_back("pid " + entry.path().filename().string());
  }
  EXPECT_THAT(recorded, ElementsAre(kernel_->describe()));
  temp_.write("go", "");
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_TRUE(fs::is_empty(records));
}

TEST_F(LocalProvisionerTest, NothingIsLeftWhenItIsDestroyed) {
  launch("setsid sleep 1000 & echo $!; exec sleep 1000");
  ASSERT_TRUE(until([this] { return output_.ends_with('\n'); }));
  bind_socket(Channel::shell);
  const pid_t leader = std::stoi(kernel_->describe().substr(4));
  const pid_t grandchild = std::stoi(output_);
  const fs::path directory = fs::path(kernel_->connection_file()).parent_path();
  kernel_.reset();
  EXPECT_FALSE(is_running(leader));
  EXPECT_TRUE(until([&] { return !is_running(grandchild); }));
  EXPECT_FALSE(fs::exists(directory));
  EXPECT_TRUE(fs::is_empty(fs::path(runtime_dir_.path()) / "processes"));
  EXPECT_THAT(exits_, IsEmpty()) << "nothing is told after the end of its owner";
}

TEST_F(LocalProvisionerTest, MayBeDestroyedByWhatItTells) {
  LaunchEvents ending = events();
  ending.on_exit = [this](ProcessExit status) {
    exits_.push_back(status);
    kernel_.reset();
  };
  kernel_ = provisioner_->launch(shard_, request("exit 0"), std::move(ending));
  EXPECT_TRUE(until([this] { return !exits_.empty(); }));

  ending = events();
  ending.on_failed = [this](Error error) {
    failures_.push_back(std::move(error));
    kernel_.reset();
  };
  LaunchRequest missing = request("");
  missing.spec.argv = {"no-such-kernel"};
  kernel_ = provisioner_->launch(shard_, missing, std::move(ending));
  EXPECT_TRUE(until([this] { return !failures_.empty(); }));
}

}  // namespace
}  // namespace perijove
