#pragma once

#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "executor/code_session.hpp"
#include "protocol/json.hpp"
#include "support/processes.hpp"
#include "support/registry_test.hpp"
#include "support/run_program.hpp"

namespace perijove {

/// Sessions in a temporary directory, with the kernels of RegistryTest.
class SessionTest : public RegistryTest {
 protected:
  void TearDown() override {
    if (session_) {
      bool ended = false;
      session_->stop([&](const Result<void>&) { ended = true; });
      EXPECT_TRUE(wait_until([&] { return ended; }));
      session_.reset();
    }
    RegistryTest::TearDown();
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

  CodeSessionOptions session_options_;
  int ends_ = 0;
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
