#pragma once

#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "io/zmq_socket.hpp"
#include "protocol/frames.hpp"
#include "protocol/json.hpp"
#include "protocol/message.hpp"
#include "protocol/signer.hpp"
#include "provision/docker/containers.hpp"
#include "provision/docker/docker_provisioner.hpp"
#include "support/loop.hpp"
#include "support/temp_dir.hpp"

namespace perijove {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::IsEmpty;

inline constexpr const char* kImage = "perijove-kernels:test";

/// Of a container; another one for each process that runs these tests on one daemon.
inline std::string test_name(const std::string& purpose) {
  return "perijove-test-" + std::to_string(::getpid()) + "-" + purpose;
}

inline std::string daemon_of_the_tests() {
  const char* const host = std::getenv("DOCKER_HOST");
  return host == nullptr ? "" : host;
}

/// Kernels in containers of the daemon of DOCKER_HOST, with the image that `scripts/images kernels
/// --tag perijove-kernels:test` makes; skipped without them. Whatever a test leaves is removed, and
/// a failure of it.
class DockerTest : public ::testing::Test {
 protected:
  DockerTest() : runtime_dir_(make_runtime_dir(temp_.str() + "/run")) {
    fs::create_directory(work_dir());
  }

  void SetUp() override {
    if (daemon_of_the_tests().empty()) {
      GTEST_SKIP() << "DOCKER_HOST is not set; scripts/dockerd starts a daemon for tests";
    }
    options_.host = daemon_of_the_tests();
    options_.image = kImage;
    // Users of this process alone: a test beside it must not take the one of a container that is to
    // be used again.
    constexpr uid_t kUsersEach = 16;
    options_.uid_first = 1'910'000'000 + static_cast<uid_t>(::getpid()) * kUsersEach;
    options_.uid_count = kUsersEach;
    const auto image = ask("GET", "/images/" + std::string(kImage) + "/json");
    if (!image) GTEST_SKIP() << image.error() << " (scripts/images kernels --tag " << kImage << ")";
    provisioner_ = make_docker_provisioner(runtime_dir_, options_);
  }

  void TearDown() override {
    kernel_.reset();
    provisioner_.reset();
    if (IsSkipped()) return;
    const auto left = containers();
    EXPECT_THAT(left, IsEmpty());
    for (const std::string& name : left) {
      EXPECT_TRUE(ask("DELETE", "/containers" + name, {{"force", "1"}}));
    }
  }

  static RuntimeDir make_runtime_dir(const std::string& base) {
    auto made = RuntimeDir::create(base);
    EXPECT_TRUE(made) << made.error();
    return *std::move(made);
  }

  std::string work_dir() const { return temp_.str() + "/work"; }

  Result<std::string> ask(const char* method, const std::string& path,
                          HttpFields query = {}) const {
    docker::EngineCall call;
    call.method = method;
    call.path = path;
    call.query = std::move(query);
    return docker::blocking_call(*docker::parse_docker_host(daemon_of_the_tests()), call);
  }

  // Names of the containers that this test's kernels are or were in.
  std::vector<std::string> containers() const {
    const auto answer = ask(
        "GET", "/containers/json",
        {{"all", "1"},
         {"filters", docker::make_filters({{"label", {"org.perijove.kernel=" + kernel_id_}}})}});
    EXPECT_TRUE(answer) << answer.error();
    std::vector<std::string> names;
    const auto list = parse_json(*answer);
    for (const json& each : *list) names.push_back(each["Names"][0]);
    return names;
  }

  json inspect() const {
    const std::string name = kernel_->describe().substr(std::string("container ").size());
    const auto answer = ask("GET", "/containers/" + name + "/json");
    EXPECT_TRUE(answer) << answer.error();
    return answer ? *parse_json(*answer) : json();
  }

  LaunchRequest request(const json& docker = json::object()) const {
    LaunchRequest made;
    made.kernel_id = KernelId(kernel_id_);
    made.spec.name = "test";
    made.env = {{"PATH", "/gateway/bin"}, {"HOME", "/root"}, {"GIVEN", "value"}};
    made.work_dir = work_dir();
    made.isolation.kind = "docker";
    made.isolation.options = dump_json(docker);
    return made;
  }
  LaunchRequest shell(const std::string& script, const json& docker = json::object()) const {
    LaunchRequest made = request(docker);
    made.spec.argv = {"sh", "-c", script, "{connection_file}"};
    return made;
  }
  LaunchRequest ipykernel(const json& docker = json::object()) const {
    LaunchRequest made = request(docker);
    made.spec.argv = {"/opt/gateway/bin/python3.12", "-m", "ipykernel_launcher", "-f",
                      "{connection_file}"};
    return made;
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
    EXPECT_TRUE(failures_.empty()) << "nothing is told before the launch returns";
  }

  // What a command that ends by itself has written.
  std::string output_of(LaunchRequest launched) {
    launch(std::move(launched));
    EXPECT_TRUE(until([this] { return !exits_.empty() || !failures_.empty(); })) << output_;
    for (const Error& failure : failures_) ADD_FAILURE() << failure;
    return output_;
  }
  Error failure_of(LaunchRequest launched) {
    exits_.clear();
    launch(std::move(launched));
    EXPECT_TRUE(until([this] { return !exits_.empty() || !failures_.empty(); })) << output_;
    EXPECT_EQ(failures_.size(), 1u);
    return failures_.empty() ? Error{} : failures_[0];
  }

  template <typename Condition>
  bool until(Condition done) {
    return testing::run_until(shard_.loop(), done);
  }
  bool until_output(const std::string& text) {
    return until([&] { return output_.find(text) != output_.npos || !failures_.empty(); }) &&
           failures_.empty();
  }

  // Runs code in the kernel, and waits for the reply's status.
  std::string execute(const std::string& code) {
    ZmqSocket shell(shard_, zmq::socket_type::dealer);
    auto signer = Signer::create(endpoints_.at(0).key, endpoints_.at(0).signature_scheme);
    std::string status;
    shell.start(
        [&](std::vector<zmq::message_t>& frames) {
          std::vector<ByteView> views;
          for (const auto& frame : frames) {
            views.emplace_back(static_cast<const char*>(frame.data()), frame.size());
          }
          const auto split = split_frames(views);
          ASSERT_TRUE(split);
          ASSERT_TRUE(signer->verify(split->signature, split->parts));
          const json content = *parse_json(split->parts.content);
          status = content.value("ename", content.value("status", "?"));
        },
        [] {});
    EXPECT_TRUE(shell.connect(endpoints_.at(0).shell));
    const std::string id = make_uuid();
    const std::string header = make_header({.msg_type = "execute_request",
                                            .msg_id = id,
                                            .session = "s",
                                            .date = std::chrono::system_clock::now()});
    const std::string content = dump_json({{"code", code},
                                           {"silent", false},
                                           {"store_history", true},
                                           {"user_expressions", json::object()},
                                           {"allow_stdin", false}});
    const SignedParts parts{header, "{}", "{}", content};
    const std::string signature = signer->sign(parts);
    const std::vector<OutFrame> out = {{kDelimiter, nullptr}, {signature, nullptr},
                                       {header, nullptr},     {"{}", nullptr},
                                       {"{}", nullptr},       {content, nullptr}};
    EXPECT_TRUE(shell.send(out));
    EXPECT_TRUE(until([&] { return !status.empty() || !exits_.empty(); }));
    return status;
  }

  const std::string kernel_id_ = make_uuid();  // tests run side by side

  testing::TempDir temp_;
  Shard shard_;
  RuntimeDir runtime_dir_;
  DockerOptions options_;
  std::unique_ptr<Provisioner> provisioner_;
  std::unique_ptr<LaunchedKernel> kernel_;
  std::vector<Endpoints> endpoints_;
  std::vector<Error> failures_;
  std::string output_;
  std::vector<ProcessExit> exits_;
};

}  // namespace perijove
