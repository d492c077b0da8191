#include "executor/python_helper.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "code/python_scripts.hpp"
#include "support/loop.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class PythonHelperTest : public ::testing::Test {
 protected:
  Result<json> run(std::string_view script, const json& request,
                   Duration time_max = kCheckTimeMax) {
    PythonHelper python(shard_, interpreter_);
    std::optional<Result<json>> answer;
    const auto owner =
        python.run(script, request, time_max, [&](Result<json> done) { answer = std::move(done); });
    if (!testing::run_until(shard_.loop(), [&] { return answer.has_value(); })) {
      return Error{Code::internal, "it did not end"};
    }
    return *answer;
  }

  void add_kernelspec(const std::string& name, const json& argv) const {
    temp_.write("kernels/" + name + "/kernel.json",
                json{{"argv", argv}, {"display_name", name}, {"language", "python"}}.dump());
  }
  std::string found_interpreter() const {
    return helper_interpreter(Kernelspecs({.directories = {(temp_.path() / "kernels").string()}}));
  }

  testing::TempDir temp_;
  Shard shard_;
  std::string interpreter_ = "/usr/bin/python3";
};

TEST_F(PythonHelperTest, AsksAProgramAndReadsItsAnswer) {
  const auto answer = run(kCheckCodeScript, {{"code", "def f(:\n"}});
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ((*answer)["valid"], false);
  EXPECT_EQ((*answer)["errors"].size(), 1);
}

TEST_F(PythonHelperTest, RunsRestrictedCode) {
  const auto answer = run(kRestrictedScript, {{"code", "print(sum(range(4)))"}});
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ((*answer)["output"], "6\n");
  EXPECT_EQ((*answer)["isolation"], "advisory");
}

TEST_F(PythonHelperTest, NoAnswerIsAnErrorThatTellsTheComplaint) {
  const auto answer = run("raise SystemExit('it would not')", json::object());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_EQ(answer.error().message,
            "the Python helper gave no answer: its process exited with code 1 (it would not)");
}

TEST_F(PythonHelperTest, AnAnswerThatIsNoObjectIsNone) {
  EXPECT_FALSE(run("print([1])", json::object()));
  EXPECT_FALSE(run("print('{}\\n{}')", json::object()));
}

TEST_F(PythonHelperTest, EndsAProgramThatIsOverItsTime) {
  const auto answer =
      run("import time; time.sleep(1000)", json::object(), std::chrono::milliseconds(300));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::deadline_exceeded);
}

TEST_F(PythonHelperTest, WithoutAPythonItSaysWhatToInstall) {
  interpreter_ = "/no/such/python3";
  const auto answer = run(kCheckCodeScript, {{"code", ""}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::not_found);
  EXPECT_THAT(answer.error().message, HasSubstr("/no/such/python3"));
  EXPECT_THAT(answer.error().message, HasSubstr("install python3"));
}

TEST_F(PythonHelperTest, SeesNothingOfOurEnvironment) {
  setenv("PERIJOVE_TEST_SECRET", "value", 1);
  const auto answer =
      run("import json, os; print(json.dumps({'names': sorted(os.environ)}))", json::object());
  unsetenv("PERIJOVE_TEST_SECRET");
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ((*answer)["names"],
            (json{"LANG", "PATH", "PERIJOVE_PROCESS", "PYTHONDONTWRITEBYTECODE"}));
}

TEST_F(PythonHelperTest, TakesTheInterpreterOfThePythonKernelspec) {
  add_kernelspec("python3", {"/opt/venv/bin/python", "-m", "ipykernel_launcher"});
  EXPECT_EQ(found_interpreter(), "/opt/venv/bin/python");
}

TEST_F(PythonHelperTest, TakesTheSystemsPythonWhenTheKernelspecBeginsWithAnother) {
  EXPECT_EQ(found_interpreter(), "/usr/bin/python3");
  add_kernelspec("python3", {"/opt/conda/bin/conda", "run", "python"});
  EXPECT_EQ(found_interpreter(), "/usr/bin/python3");
}

}  // namespace
}  // namespace perijove
