// What callers may say about a container, and the body that it becomes.
#include <gmock/gmock.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "protocol/json.hpp"
#include "provision/docker/container_body.hpp"
#include "provision/docker/docker_policy.hpp"
#include "provision/docker/images.hpp"
#include "provision/docker/kept_directory.hpp"
#include "provision/docker/run_args.hpp"
#include "support/temp_dir.hpp"

namespace perijove::docker {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ContainerOptions parsed(const json& options) {
  auto read = parse_container_options(dump_json(options));
  EXPECT_TRUE(read) << read.error();
  return read ? *std::move(read) : ContainerOptions();
}

std::string refused(const json& options) {
  const auto read = parse_container_options(dump_json(options));
  EXPECT_FALSE(read) << options;
  if (read) return {};
  EXPECT_EQ(read.error().code, Code::invalid_argument);
  return read.error().message;
}

std::string refused_args(const std::string& args) { return refused({{"docker_run_args", args}}); }

json body_of(const ContainerOptions& options, const ProcessLimits& limits = {}) {
  ContainerPlan plan;
  plan.image = "image:tag";
  plan.command = {"python3", "-m", "ipykernel_launcher", "-f", "/run/perijove/connection.json"};
  plan.env = {{"GIVEN", "value"}};
  plan.user = "1234:1234";
  plan.work_dir = "/host/work";
  plan.kernel_dir = "/host/kernel";
  plan.labels = {{"org.perijove.kernel", "id"}};
  return *parse_json(container_body(options, plan, combine_limits(options, limits)));
}

TEST(ContainerBody, IsTheHardenedOneByDefault) {
  json body = body_of({});
  json& security = body["HostConfig"]["SecurityOpt"];
  ASSERT_EQ(security.size(), 2u);
  EXPECT_EQ(security[1], "seccomp=" + seccomp_profile());
  security.erase(1);
  EXPECT_EQ(body, json::parse(R"({
    "Cmd": ["python3", "-m", "ipykernel_launcher", "-f", "/run/perijove/connection.json"],
    "Entrypoint": [],
    "Env": ["GIVEN=value", "HOME=/tmp", "IPYTHONDIR=/tmp/.ipython", "PYTHONDONTWRITEBYTECODE=1",
            "TINI_KILL_PROCESS_GROUP=1"],
    "HostConfig": {
      "CapDrop": ["ALL"],
      "Init": true,
      "LogConfig": {"Config": {"max-file": "1", "max-size": "1048576"}, "Type": "json-file"},
      "Mounts": [
        {"ReadOnly": false, "Source": "/host/kernel", "Target": "/run/perijove", "Type": "bind"},
        {"ReadOnly": false, "Source": "/host/work", "Target": "/workspace", "Type": "bind"}],
      "NetworkMode": "none",
      "PidsLimit": 512,
      "ReadonlyRootfs": false,
      "SecurityOpt": ["no-new-privileges"]},
    "Image": "image:tag",
    "Labels": {"org.perijove.kernel": "id"},
    "NetworkDisabled": false,
    "User": "1234:1234",
    "WorkingDir": "/workspace"})"));
}

// rows: D09 D10 D11 D13 D14 D15 D16 D17 K06
TEST(ContainerBody, HasEveryOption) {
  const json options = {
      {"device_requests", {{{"count", -1}, {"capabilities", {{"gpu"}}}}}},
      {"extra_volumes", {{"/a b:c", {{"bind", "/in"}, {"mode", "ro"}}}}},
      {"volumes", {"data:/data", "/x:/y:ro"}},
      {"extra_hosts", {{"peer", "host-gateway"}}},
      {"environment", {{"A", "x=y"}}},
      {"network_mode", "lan"},
      {"dns", {"192.0.2.53"}},
      {"read_only", true},
      {"tmpfs", {{"/scratch", "size=1m"}}},
      {"resource_limits",
       {{"memory", "512m"}, {"memory_swap", "1g"}, {"cpus", "1.5"}, {"pids", 50}}},
      {"runtime", "runsc"},
      {"shm_size", "64m"},
      {"ulimits", {{"nofile", {{"soft", 10}, {"hard", 20}}}}},
      {"labels", {{"team", "x"}}},
      {"log_size", "2m"},
      {"container_work_dir", "/w"},
  };
  const json body = body_of(parsed(options));
  const json& host = body["HostConfig"];
  EXPECT_EQ(host["DeviceRequests"], json::parse(R"([{"Driver": "", "Count": -1, "DeviceIDs": [],
                                      "Capabilities": [["gpu"]], "Options": {}}])"));
  EXPECT_EQ(
      host["Mounts"][2],
      json::parse(R"({"Type": "bind", "Source": "/a b:c", "Target": "/in", "ReadOnly": true})"));
  EXPECT_EQ(
      host["Mounts"][3],
      json::parse(R"({"Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": false})"));
  EXPECT_EQ(host["Mounts"][4]["ReadOnly"], true);
  EXPECT_EQ(host["ExtraHosts"], json({"peer:host-gateway"}));
  EXPECT_EQ(host["NetworkMode"], "lan");
  EXPECT_EQ(host["Dns"], json({"192.0.2.53"}));
  EXPECT_EQ(host["ReadonlyRootfs"], true);
  EXPECT_EQ(host["Tmpfs"]["/scratch"], "size=1m");
  EXPECT_THAT(host["Tmpfs"]["/tmp"].get<std::string>(), HasSubstr("noexec"));
  EXPECT_EQ(host["Memory"], 512 << 20);
  EXPECT_EQ(host["MemorySwap"], 1 << 30);
  EXPECT_EQ(host["NanoCpus"], 1'500'000'000);
  EXPECT_EQ(host["PidsLimit"], 50);
  EXPECT_EQ(host["Runtime"], "runsc");
  EXPECT_EQ(host["ShmSize"], 64 << 20);
  EXPECT_EQ(host["Ulimits"], json::parse(R"([{"Name": "nofile", "Soft": 10, "Hard": 20}])"));
  EXPECT_EQ(host["LogConfig"]["Config"]["max-size"], "2097152");
  EXPECT_EQ(body["Labels"]["team"], "x");
  EXPECT_EQ(body["WorkingDir"], "/w");
  EXPECT_THAT(body["Env"].get<std::vector<std::string>>(), ::testing::Contains("A=x=y"));
}

TEST(ContainerBody, ValuesOfStrangersStayValues) {
  const std::string evil = "\n\"},\"Privileged\":true,\"x\":{\"$(touch /tmp/p)\":\"`";
  const json body = body_of(parsed({{"environment", {{"E", evil}}}, {"labels", {{"l", evil}}}}));
  EXPECT_EQ(body["Labels"]["l"], evil);
  EXPECT_FALSE(body["HostConfig"].contains("Privileged"));
}

TEST(ContainerLimits, AreTheTighterOfBoth) {
  ProcessLimits gateway;
  gateway.memory_bytes_max = 100;
  gateway.processors_max = 2.0;
  gateway.processes_max = 5;
  gateway.open_files_max = 64;
  gateway.cpu_time_max = std::chrono::seconds(9);
  const auto limits = combine_limits(parsed({{"memory", 200},
                                             {"memory_swap", 400},
                                             {"cpus", 0.5},
                                             {"pids", 50},
                                             {"ulimits", {{"nofile", 100}}}}),
                                     gateway);
  EXPECT_EQ(limits.memory_bytes, 100u);
  EXPECT_EQ(limits.memory_swap_bytes, 100u);
  EXPECT_EQ(limits.cpus, 0.5);
  EXPECT_EQ(limits.pids, 5u);
  EXPECT_EQ(limits.ulimits.at("nofile").hard, 64);
  EXPECT_EQ(limits.ulimits.at("cpu").soft, 9);
}

TEST(ContainerLimits, MemoryWithoutAWordAboutSwapHasNone) {
  EXPECT_EQ(combine_limits(parsed({{"memory", "1k"}}), {}).memory_swap_bytes, 1024u);
  EXPECT_EQ(combine_limits({}, {}).memory_swap_bytes, std::nullopt);
}

TEST(ContainerOptionsText, SaysWhatMayHaveBeenMeant) {
  EXPECT_THAT(refused({{"imgae", "x"}}), AllOf(HasSubstr("'imgae'"), HasSubstr("'image'")));
  EXPECT_THAT(refused({{"resource_limits", {{"memry", "1g"}}}}), HasSubstr("'memory'"));
}

TEST(ContainerOptionsText, SaysWhyAContainerIsNotOpened) {
  for (const char* field :
       {"privileged", "cap_add", "devices", "pid_mode", "security_opt", "binds", "publish"}) {
    const std::string message = refused({{field, true}});
    EXPECT_THAT(message, HasSubstr(std::string("'") + field + "'"));
    EXPECT_THAT(message, ::testing::Not(HasSubstr("not known"))) << message;
  }
  EXPECT_THAT(refused({{"network", "host"}}), HasSubstr("every port of the machine"));
  EXPECT_THAT(refused({{"network", "container:x"}}), HasSubstr("another kernel's"));
}

TEST(ContainerOptionsText, RefusesWhatMakesNoSense) {
  const std::pair<json, const char*> wrong[] = {
      {{{"memory", "lots"}}, "512m"},
      {{{"memory", -1}}, "above 0"},
      {{{"memory_swap", "1g"}}, "needs memory"},
      {{{"memory", "2g"}, {"memory_swap", "1g"}}, "cannot be less"},
      {{{"cpus", 0}}, "above 0"},
      {{{"pids", 1.5}}, "whole number"},
      {{{"container_name", "../x"}}, "container_name"},
      {{{"container_work_dir", "/"}}, "container_work_dir"},
      {{{"bind_dir", "/a/../b"}}, "bind_dir"},
      {{{"extra_volumes", {{"../x", {{"bind", "/y"}}}}}}, "absolute path"},
      {{{"extra_volumes", {{"/x", {{"bind", "y"}}}}}}, "target"},
      {{{"extra_volumes", {{"/x", {{"bind", "/y"}, {"mode", "exec"}}}}}}, "target"},
      {{{"pull", "often"}}, "missing, never, always"},
      {{{"network", "a"}, {"network_disabled", true}}, "contradicts"},
      {{{"network", "a"}, {"network_mode", "b"}}, "something else"},
      {{{"reuse_container", true}}, "container_name"},
      {{{"stop_container", false}, {"auto_remove", true}}, "auto_remove"},
      {{{"labels", {{"org.perijove.gateway", "x"}}}}, "gateway's own"},
      {{{"tmpfs", {"relative"}}}, "absolute"},
      {{{"command", "sh"}}, "array of strings"},
  };
  for (const auto& [options, what] : wrong) {
    EXPECT_THAT(refused(options), HasSubstr(what)) << options;
  }
}

TEST(Sizes, AreThoseOfDocker) {
  EXPECT_EQ(parse_size("512m"), 512u << 20);
  EXPECT_EQ(parse_size("1.5g"), 1536u << 20);
  EXPECT_EQ(parse_size("2GiB"), std::uint64_t{2} << 30);
  EXPECT_EQ(parse_size("100"), 100u);
  EXPECT_EQ(parse_size("7b"), 7u);
  for (const char* text : {"", "m", "-1m", "1x", "1mm", "nan", "inf", "1e30g", "0", " 1m"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

// rows: U06
TEST(RunArgs, BecomeTheSameOptions) {
  const ContainerOptions options = parsed(
      {{"docker_run_args",
        "--rm --network none --read-only --tmpfs /tmp --memory 512m --cpus=0.5 --cap-drop ALL "
        "--security-opt no-new-privileges:true -v '/my data:/data:ro' -e A=1 --env=B=2 --gpus all "
        "--pids-limit 64 --shm-size 16m --ulimit nofile=10:20 --add-host a:192.0.2.1 --dns "
        "192.0.2.2 "
        "--mount type=bind,source=/s,target=/t,readonly -u 1000:1000 -w /w --runtime runsc "
        "--label l=m -m1g --init --pull never --name n0"}});
  EXPECT_TRUE(options.read_only);
  EXPECT_EQ(options.network, "none");
  EXPECT_EQ(options.memory_bytes, std::uint64_t{1} << 30);
  EXPECT_EQ(options.cpus, 0.5);
  EXPECT_EQ(options.pids, 64u);
  EXPECT_EQ(options.shm_bytes, 16u << 20);
  EXPECT_EQ(options.ulimits.at("nofile").hard, 20);
  EXPECT_EQ(options.tmpfs.count("/tmp"), 1u);
  ASSERT_EQ(options.volumes.size(), 2u);
  EXPECT_EQ(options.volumes[0].source, "/my data");
  EXPECT_TRUE(options.volumes[0].read_only);
  EXPECT_TRUE(options.volumes[1].read_only);
  EXPECT_EQ(options.environment, (Environment{{"A", "1"}, {"B", "2"}}));
  EXPECT_EQ(options.extra_hosts.at("a"), "192.0.2.1");
  EXPECT_THAT(options.dns, ElementsAre("192.0.2.2"));
  EXPECT_EQ(options.device_requests.at(0).count, -1);
  EXPECT_EQ(options.user, "1000:1000");
  EXPECT_EQ(options.work_dir_inside, "/w");
  EXPECT_EQ(options.runtime, "runsc");
  EXPECT_EQ(options.labels.at("l"), "m");
  EXPECT_EQ(options.pull, PullPolicy::never);
  EXPECT_EQ(options.container_name, "n0");
}

TEST(RunArgs, MayBeAList) {
  const ContainerOptions options =
      parsed({{"docker_run_args", {"--cpus", "2", "-v", "/a:/b", "--gpus", "device=0,1"}}});
  EXPECT_EQ(options.cpus, 2);
  EXPECT_THAT(options.device_requests.at(0).device_ids, ElementsAre("0", "1"));
}

TEST(RunArgs, ThatOpenTheContainerAreRefusedByNameWithWhy) {
  for (const char* args :
       {"--privileged", "--pid host", "--pid=host", "--ipc host", "--uts host", "--userns host",
        "--cap-add SYS_ADMIN", "--device /dev/kvm", "-p 80:80", "-P", "--publish-all",
        "--volumes-from x", "--cgroup-parent /", "--sysctl a=b", "--group-add 0", "-it"}) {
    const std::string flag = std::string(args).substr(0, std::string(args).find_first_of(" ="));
    EXPECT_THAT(refused_args(args), AllOf(HasSubstr("'" + flag + "'"), HasSubstr("cannot be had")));
  }
  EXPECT_THAT(refused_args("--network host"), HasSubstr("every port of the machine"));
  EXPECT_THAT(refused_args("--security-opt seccomp=unconfined"), HasSubstr("no-new-privileges"));
}

TEST(RunArgs, ThatAreUnknownAreRefusedByName) {
  EXPECT_THAT(refused_args("--memroy 1g"), AllOf(HasSubstr("'--memroy'"), HasSubstr("'--memory'")));
  EXPECT_THAT(refused_args("image"), HasSubstr("not a flag"));
  EXPECT_THAT(refused_args("--cpus"), HasSubstr("needs a value"));
  EXPECT_THAT(refused_args("--read-only=false"), HasSubstr("takes no value"));
  EXPECT_THAT(refused_args("-e HOME"), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(refused_args("-v 'open"), HasSubstr("not closed"));
}

TEST(RunArgs, AreDividedLikeAShellsWords) {
  EXPECT_THAT(*split_run_args(R"(  a "b c"d 'e "f' g\ h "i\"j" '' )"),
              ElementsAre("a", "b cd", "e \"f", "g h", "i\"j", ""));
  EXPECT_TRUE(split_run_args("")->empty());
}

// What a caller may have of the daemon's machine.
class DockerPolicyTest : public ::testing::Test {
 protected:
  DockerPolicyTest() {
    policy_.runtime_base = "/tmp/perijove-test-base";
    policy_.docker_socket = "/var/run/docker.sock";
    for (const char* name : {"lent", "private"}) fs::create_directory(temp_.path() / name);
  }
  Result<ContainerOptions> read(const json& options, const std::string& network = "") {
    IsolationRequest request;
    request.options = dump_json(options);
    request.network = network;
    return read_request(request, policy_);
  }
  Result<ContainerOptions> mount(const std::string& source) {
    return read({{"extra_volumes", {{source, {{"bind", "/data"}}}}}});
  }
  testing::TempDir temp_;
  DockerPolicy policy_;
};

TEST_F(DockerPolicyTest, TheWaysOutAreNeverMounted) {
  for (const char* source : {"/", "/var", "/run", "/var/run/docker.sock", "/proc", "/sys/fs",
                             "/dev", "/tmp/perijove-test-base/1", "/tmp", "/run/podman/podman.sock",
                             "/var/lib/docker/volumes"}) {
    const auto options = mount(source);
    ASSERT_FALSE(options) << source;
    EXPECT_EQ(options.error().code, Code::permission_denied) << source;
  }
  EXPECT_THAT(mount("/var/run/docker.sock").error().message, HasSubstr("the whole machine"));
}

TEST_F(DockerPolicyTest, OnlyWhatIsLentIsMounted) {
  policy_.mount_roots = {temp_.str() + "/lent", "volume"};
  EXPECT_TRUE(mount(temp_.str() + "/lent"));
  EXPECT_TRUE(mount(temp_.str() + "/lent/below"));
  EXPECT_TRUE(mount("volume"));
  for (const std::string& source :
       {temp_.str() + "/private", temp_.str() + "/lentmore", std::string("other")}) {
    EXPECT_EQ(mount(source).error().code, Code::permission_denied) << source;
  }
  EXPECT_FALSE(read({{"bind_dir", "/etc"}}));
  EXPECT_FALSE(read({{"build_path", "/etc"}}));
}

TEST_F(DockerPolicyTest, ALinkIsWhatItLeadsTo) {
  policy_.mount_roots = {temp_.str() + "/lent"};
  fs::create_symlink("../private", temp_.path() / "lent/link");
  EXPECT_EQ(mount(temp_.str() + "/lent/link").error().code, Code::permission_denied);
  policy_.mount_roots.reset();
  fs::create_symlink("/proc", temp_.path() / "proc");
  EXPECT_EQ(mount(temp_.str() + "/proc").error().code, Code::permission_denied);
  EXPECT_EQ(mount(temp_.str() + "/lent/link")->volumes.at(0).source, temp_.str() + "/private");
}

TEST_F(DockerPolicyTest, NetworksAreThoseThatAreAllowed) {
  EXPECT_EQ(read(json::object(), "lan")->network, "lan");
  EXPECT_FALSE(read({{"network", "other"}}, "lan"));
  EXPECT_FALSE(read(json::object(), "host"));
  policy_.networks = {"lan"};
  EXPECT_TRUE(read(json::object(), "lan"));
  EXPECT_TRUE(read(json::object(), "none"));
  EXPECT_EQ(read({{"network", "bridge"}}).error().code, Code::permission_denied);
}

TEST_F(DockerPolicyTest, NobodyIsRoot) {
  EXPECT_TRUE(read({{"user", "1234"}}));
  EXPECT_TRUE(read({{"user", "1234:5"}}));
  for (const char* user : {"0", "0:5", "5:0", "00", "+0", " 0", "0 ", "-1", "root", "4294967296",
                           "4294967295", "1:", ":1", "01"}) {
    EXPECT_FALSE(read({{"user", user}})) << user;
  }
  policy_.gateway_uid = 1000;
  EXPECT_TRUE(read({{"user", "1000"}}));
  EXPECT_FALSE(read({{"user", "1001"}}));
}

TEST(KernelspecOptions, AreForWhatARequestDoesNotName) {
  Kernelspec spec;
  EXPECT_EQ(*with_kernelspec_options(spec, "{}"), "{}");
  spec.metadata = R"({"perijove": {"docker": {"image": "theirs", "memory": "1g"}}})";
  EXPECT_EQ(*with_kernelspec_options(spec, R"({"memory": "2g"})"),
            R"({"image":"theirs","memory":"2g"})");
  spec.metadata = R"({"perijove": {"docker": "theirs"}})";
  EXPECT_THAT(with_kernelspec_options(spec, "{}").error().message, HasSubstr("must be an object"));
}

TEST_F(DockerPolicyTest, MountsOfTheRequestAreVolumes) {
  IsolationRequest request;
  request.mounts = {{temp_.str() + "/lent", "/data", true}};
  const auto options = read_request(request, policy_);
  ASSERT_TRUE(options) << options.error();
  EXPECT_TRUE(options->volumes.at(0).read_only);
  request.mounts = {{temp_.str() + "/lent", "/run", true}};
  EXPECT_THAT(read_request(request, policy_).error().message, HasSubstr("hide files"));
}

TEST(EnvironmentInside, LeavesOutWhatDescribesTheMachine) {
  EXPECT_EQ(environment_inside({{"PATH", "/x"},
                                {"HOME", "/root"},
                                {"JPY_PARENT_PID", "7"},
                                {"XDG_RUNTIME_DIR", "/run"},
                                {"LANG", "C"},
                                {"KERNEL_USERNAME", "a"}}),
            (Environment{{"LANG", "C"}, {"KERNEL_USERNAME", "a"}}));
}

TEST(KeptDirectories, GoWithTheirContainerUnlessTheyAreTaken) {
  testing::TempDir temp;
  const std::string base = temp.str();
  const auto directory = [&](const char* name) { return base + "/container-" + name; };
  for (const char* name : {"gone", "there"}) ASSERT_TRUE(KeptDirectory::take(base, "ours", name));
  ASSERT_TRUE(KeptDirectory::take(base, "theirs", "elsewhere"));
  const auto taken = KeptDirectory::take(base, "ours", "taken");
  ASSERT_TRUE(taken);
  EXPECT_EQ(KeptDirectory::take(base, "ours", "taken").error().code, Code::already_exists);
  KeptDirectory::remove_orphans(base, "ours", {"there"});
  EXPECT_FALSE(fs::exists(directory("gone")));
  EXPECT_FALSE(fs::exists(directory("gone") + ".lock"));
  for (const char* name : {"there", "elsewhere", "taken"}) EXPECT_TRUE(fs::exists(directory(name)));
}

TEST(Images, AreDividedIntoNameAndTag) {
  const auto parts = [](const char* image) {
    const ImageReference reference = split_image(image);
    return reference.name + " " + reference.tag;
  };
  EXPECT_EQ(parts("python"), "python latest");
  EXPECT_EQ(parts("python:3-slim"), "python 3-slim");
  EXPECT_EQ(parts("host:5000/a/b"), "host:5000/a/b latest");
  EXPECT_EQ(parts("host:5000/a/b:c"), "host:5000/a/b c");
  EXPECT_EQ(parts("a/b@sha256:00"), "a/b sha256:00");
}

TEST(SeccompProfile, IsAValidDenialOfWhatLeadsOut) {
  const json profile = *parse_json(seccomp_profile());
  EXPECT_EQ(profile["defaultAction"], "SCMP_ACT_ALLOW");
  std::set<std::string> denied;
  for (const json& rule : profile["syscalls"]) {
    EXPECT_EQ(rule["action"], "SCMP_ACT_ERRNO");
    for (const json& name : rule["names"]) denied.insert(name);
  }
  for (const char* name : {"mount", "unshare", "setns", "ptrace", "bpf", "io_uring_setup", "clone3",
                           "keyctl", "open_by_handle_at", "userfaultfd", "socket", "clone"}) {
    EXPECT_EQ(denied.count(name), 1u) << name;
  }
}

}  // namespace
}  // namespace perijove::docker
