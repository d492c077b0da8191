#pragma once

#include <gmock/gmock.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "executor/code_session.hpp"
#include "io/runtime_dir.hpp"
#include "protocol/json.hpp"
#include "provision/local/local_provisioner.hpp"
#include "support/loop.hpp"
#include "support/processes.hpp"
#include "support/run_program.hpp"
#include "support/temp_dir.hpp"

namespace perijove {

/// A registry with two languages, `echo` and `shout`, both spoken by this build's echo kernel, and
/// sessions in a temporary directory. The loop runs on the test's own thread, in wait_until().
class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    constexpr char kEchoKernel[] = PERIJOVE_BINARY_DIR "/kernels/echo/perijove-kernel-echo";
    if (!std::filesystem::exists(kEchoKernel)) {
      GTEST_SKIP() << "the echo kernel is not built: " << kEchoKernel;
    }
    log::set_level(log::Level::off);
    for (const char* const name : {"echo", "shout"}) {
      install(name, name, {kEchoKernel, "-f", "{connection_file}"}, "message");
    }
    auto runtime_dir = RuntimeDir::create(temp_.str() + "/run");
    ASSERT_TRUE(runtime_dir) << runtime_dir.error();
    runtime_dir_.emplace(*std::move(runtime_dir));
    provisioners_.add(make_local_provisioner(*runtime_dir_));
    kernelspecs_.emplace(std::vector<std::string>{temp_.str() + "/kernels"});
    RegistryOptions options;
    options.kernel.journal_directory = temp_.str();
    options.work_root = temp_.str();
    options.default_kernelspec = default_kernel_;
    options.gateway_env = {{"PATH", "/usr/bin:/bin"},
                           {"HOME", temp_.str()},
                           {"LANG", "C.UTF-8"},
                           {"INHERITED", "from the session"}};
    options.inherited_env = {"INHERITED"};
    registry_.emplace(shard_, provisioners_, *kernelspecs_, std::move(options));
  }

  void TearDown() override {
    if (!registry_) return;
    if (session_) {
      bool ended = false;
      session_->stop([&](const Result<void>&) { ended = true; });
      EXPECT_TRUE(wait_until([&] { return ended; }));
      session_.reset();
    }
    bool stopped = false;
    registry_->stop_all([&] { stopped = true; });
    EXPECT_TRUE(wait_until([&] { return stopped; }));
  }

  void install(const std::string& name, const std::string& language,
               const std::vector<std::string>& argv, const std::string& interrupt_mode) const {
    temp_.write("kernels/" + name + "/kernel.json",
                nlohmann::json{{"argv", argv},
                               {"display_name", name},
                               {"language", language},
                               {"interrupt_mode", interrupt_mode}}
                    .dump());
  }

  template <typename Condition>
  bool wait_until(Condition done) {
    return testing::run_until(shard_.loop(), std::move(done));
  }

  /// The test's session, made when it is first asked for.
  CodeSession& session() {
    if (!session_) {
      session_options_.work_dir = work_dir().string();
      auto made = CodeSession::create(shard_, *registry_, session_options_, [this] { ++ends_; });
      EXPECT_TRUE(made) << made.error();
      session_ = *made;
    }
    return *session_;
  }
  std::filesystem::path work_dir() const { return temp_.path() / "work"; }

  static CodeRequest request(const std::string& code, const std::string& language = {}) {
    CodeRequest made;
    made.blocks = {{.language = language, .code = code}};
    made.timeout = testing::kPatience;
    return made;
  }
  /// Code that is over its time at once, and does not get long to yield.
  static CodeRequest hurried(const std::string& code) {
    CodeRequest made = request(code);
    made.timeout = std::chrono::milliseconds(200);
    made.grace = std::chrono::milliseconds(200);
    return made;
  }

  std::shared_ptr<CodeExecution> begin(CodeRequest what) {
    const auto begun = session().execute(std::move(what));
    EXPECT_TRUE(begun) << begun.error();
    return *begun;
  }
  std::shared_ptr<CodeExecution> begin(const std::string& code) { return begin(request(code)); }

  CodeResult wait(const std::shared_ptr<CodeExecution>& execution) {
    EXPECT_TRUE(wait_until([&] { return execution->done(); })) << events_of(*execution).dump(1);
    return execution->result();
  }
  CodeResult run(CodeRequest what) { return wait(begin(std::move(what))); }
  CodeResult run(const std::string& code, const std::string& language = {}) {
    return run(request(code, language));
  }

  /// Waits until the execution has printed `text`, whatever else.
  bool wait_for_output(const CodeExecution& execution, const std::string& text) {
    return wait_until([&] {
      const auto printed = execution.log("stdout").read(0, 1 << 20);
      return printed && printed->find(text) != std::string::npos;
    });
  }
  bool wait_for_event(const CodeExecution& execution, const std::string& type) {
    return wait_until([&] { return !events_of(execution, type).empty(); });
  }

  /// All events that are kept, or those of one type.
  static nlohmann::json events_of(const CodeExecution& execution, const std::string& type = {}) {
    nlohmann::json list = nlohmann::json::array();
    for (const ExecutionEvent* event : execution.events(1, SIZE_MAX).events) {
      if (type.empty() || event->type == type) list.push_back(*parse_json(event->json));
    }
    return list;
  }
  static std::vector<std::string> types_of(const CodeExecution& execution) {
    std::vector<std::string> types;
    for (const ExecutionEvent* event : execution.events(1, SIZE_MAX).events) {
      types.push_back(event->type);
    }
    return types;
  }

  /// Of the session's kernels, those that are there.
  std::vector<pid_t> kernel_pids() const {
    std::vector<pid_t> pids;
    for (const auto& kernel : registry_->list()) {
      const std::string process = kernel->summary().process;  // "pid 4711"
      const std::string digits = process.substr(std::min(process.find(' ') + 1, process.size()));
      pid_t pid = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), pid);
      if (pid > 0) pids.push_back(pid);
    }
    return pids;
  }

  testing::TempDir temp_;
  std::string default_kernel_ = "echo";
  CodeSessionOptions session_options_;
  int ends_ = 0;
  std::optional<RuntimeDir> runtime_dir_;
  Shard shard_;
  Provisioners provisioners_{IsolationPolicy()};
  std::optional<Kernelspecs> kernelspecs_;
  std::optional<KernelRegistry> registry_;
  std::shared_ptr<CodeSession> session_;
};

/// Sessions whose own language is Python, spoken by the system's ipykernel.
class PythonSessionTest : public SessionTest {
 protected:
  void SetUp() override {
    static const bool there =
        testing::run_program(
            {.argv = {"/usr/bin/python3", "-c", "import ipykernel"}, .env = {}, .work_dir = "/"})
            .ok;
    if (!there) GTEST_SKIP() << "/usr/bin/python3 has no ipykernel";
    install("python3", "python",
            {"/usr/bin/python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"}, "signal");
    default_kernel_ = "python3";
    SessionTest::SetUp();
  }
};

}  // namespace perijove
