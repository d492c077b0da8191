#include "executor/notebook_job.hpp"

#include "protocol/nbformat.hpp"
#include "session_test.hpp"

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Jobs in the session of a SessionTest, made of lists of steps.
template <typename Fixture>
class JobTest : public Fixture {
 protected:
  void TearDown() override {
    job_.reset();
    Fixture::TearDown();
  }

  static JobWork steps(std::vector<JobStep> list) {
    return {.notebook = std::nullopt, .steps = std::move(list)};
  }

  /// Makes the test's job and begins it.
  NotebookJob& begin(JobWork work, NotebookJobOptions options = {}) {
    options.each.timeout = testing::kPatience;
    if (options.output_path.empty()) options.output_path = "job.ipynb";
    const std::string language = this->session().language();
    auto made = NotebookJob::create(this->session().shared_from_this(),
                                    {this->default_kernel_, this->default_kernel_, language},
                                    std::move(work), std::move(options));
    EXPECT_TRUE(made) << made.error();
    job_ = *made;
    EXPECT_TRUE(job_->resume());
    return *job_;
  }
  void wait() {
    EXPECT_TRUE(this->wait_until([&] { return !job_->running(); })) << shown().dump(1);
  }
  NotebookJob& run(JobWork work, NotebookJobOptions options = {}) {
    NotebookJob& job = begin(std::move(work), std::move(options));
    wait();
    return job;
  }

  json shown() const { return job_->to_json(true); }
  std::vector<std::string> statuses() const {
    std::vector<std::string> found;
    const json all = shown();
    for (const json& step : all["steps"]) found.push_back(step["status"]);
    return found;
  }
  /// The file of the executed notebook as it is right now.
  json notebook() const {
    const auto text = job_->notebook_text();
    EXPECT_TRUE(text) << text.error();
    return *parse_json(*text);
  }
  std::vector<json> events(const std::string& type) const {
    std::vector<json> found;
    for (const ExecutionEvent* event : job_->event_log()->events(1, SIZE_MAX).events) {
      if (event->type == type) found.push_back(*parse_json(event->json));
    }
    return found;
  }

  std::shared_ptr<NotebookJob> job_;
};

using EchoJobTest = JobTest<SessionTest>;
using PythonJobTest = JobTest<PythonSessionTest>;

TEST_F(EchoJobTest, RunsItsStepsInOrderAndTellsHowFarItIs) {
  NotebookJob& job = begin(steps({{"one", "", "print 1"}, {"two", "", "sleep 600"}}));
  ASSERT_TRUE(wait_until([&] { return events("step_started").size() == 2; }));
  EXPECT_EQ(shown()["status"], "running");
  EXPECT_EQ(shown()["progress"], json({{"total", 2}, {"done", 1}, {"failed", 0}, {"current", 1}}));
  EXPECT_THAT(statuses(), ElementsAre("ok", "running"));
  EXPECT_FALSE(job.resume()) << "it runs";
  job.cancel();
  wait();
  EXPECT_EQ(events("step_started")[1]["name"], "two");
  EXPECT_EQ(events("step_done")[0]["output"], "1\n");
  EXPECT_THAT(events("done"), SizeIs(1));
}

TEST_F(EchoJobTest, IsSavedAfterEveryStep) {
  begin(steps({{"one", "", "print 1"}, {"two", "", "print 2\nsleep 600"}}));
  EXPECT_THAT(notebook()["cells"], SizeIs(2)) << "before the first";
  ASSERT_TRUE(wait_until([&] { return events("stdout").size() == 2; }));
  EXPECT_EQ(notebook()["cells"][0]["outputs"][0]["text"], json({"1\n"}));
  EXPECT_THAT(notebook()["cells"][1]["outputs"], IsEmpty());
  job_->cancel();
  wait();
  EXPECT_EQ(notebook()["cells"][1]["outputs"][0]["text"], json({"2\n"}))
      << "what it put out before its end";
}

TEST_F(EchoJobTest, GoesOnFromTheStepThatFailedWithTheStateOfThoseBeforeIt) {
  NotebookJob& job = run(steps(
      {{"load", "", "set x 41\nprint loaded"}, {"use", "", "error E e"}, {"show", "", "get x"}}));
  EXPECT_EQ(shown()["status"], "failed");
  EXPECT_EQ(shown()["failed_step"], 1);
  EXPECT_EQ(shown()["error"]["type"], "E");
  EXPECT_TRUE(shown()["resumable"]);
  EXPECT_THAT(statuses(), ElementsAre("ok", "error", "pending"));

  ASSERT_TRUE(job.resume("", steps({{"load", "", "set x 41\nprint loaded"},
                                    {"use", "", "print used"},
                                    {"show", "", "get x"}})));
  wait();
  EXPECT_EQ(shown()["status"], "succeeded");
  EXPECT_EQ(shown()["runs"], 2);
  EXPECT_THAT(statuses(), ElementsAre("ok", "ok", "ok"));
  EXPECT_EQ(shown()["steps"][2]["output"], "41\n");
  std::vector<int> started;
  for (const json& event : events("step_started")) started.push_back(event["step"]);
  EXPECT_THAT(started, ElementsAre(0, 1, 1, 2)) << "the first ran once only";
  EXPECT_EQ(notebook()["cells"][0]["outputs"][0]["text"], json({"loaded\n"}));
  EXPECT_EQ(notebook()["cells"][1]["outputs"][0]["text"], json({"used\n"}));
}

TEST_F(EchoJobTest, GoesOnFromAStepOfOnesChoice) {
  NotebookJob& job = run(steps({{"a", "", "count"}, {"b", "", "count"}, {"c", "", "count"}}));
  EXPECT_EQ(shown()["status"], "succeeded");
  EXPECT_FALSE(job.resume()) << "there is nothing left";
  EXPECT_FALSE(job.resume("d"));
  EXPECT_EQ(shown()["status"], "succeeded") << "a refusal changes nothing";
  ASSERT_TRUE(job.resume("b"));
  wait();
  ASSERT_TRUE(job.resume("2"));
  wait();
  std::vector<std::string> outputs;
  const json all = shown();
  for (const json& step : all["steps"]) outputs.push_back(step["output"]);
  EXPECT_THAT(outputs, ElementsAre("1\n", "4\n", "6\n")) << "of the latest run of each";
  EXPECT_THAT(events("step_started"), SizeIs(6));
}

TEST_F(EchoJobTest, IsCancelledInTheMiddleAndGoesOnThere) {
  NotebookJob& job = begin(steps({{"a", "", "set x 1"}, {"b", "", "print in\nsleep 600"}}));
  ASSERT_TRUE(wait_until([&] { return !events("stdout").empty(); }));
  job.cancel();
  wait();
  EXPECT_EQ(shown()["status"], "cancelled");
  EXPECT_THAT(statuses(), ElementsAre("ok", "cancelled"));
  EXPECT_TRUE(shown()["state_kept"]);
  ASSERT_TRUE(job.resume("", steps({{"a", "", "set x 1"}, {"b", "", "get x"}})));
  wait();
  EXPECT_EQ(shown()["steps"][1]["output"], "1\n");
}

TEST_F(EchoJobTest, ADeadKernelFailsItsStepAndLosesState) {
  NotebookJob& job = run(steps({{"a", "", "set x 1"}, {"b", "", "die 3"}, {"c", "", "get x"}}));
  EXPECT_EQ(shown()["status"], "failed");
  EXPECT_FALSE(shown()["state_kept"]);
  EXPECT_THAT(statuses(), ElementsAre("ok", "kernel_died", "pending"));
  ASSERT_TRUE(job.resume("2"));
  wait();
  EXPECT_EQ(shown()["error"]["type"], "NameError");
}

TEST_F(EchoJobTest, GoesOnAfterFailuresWhenTheyAreAllowed) {
  run(steps({{"a", "", "error E e"}, {"b", "", "print on"}}),
      {.name = {}, .parameters = {}, .each = {}, .allow_errors = true, .output_path = {}});
  EXPECT_EQ(shown()["status"], "succeeded");
  EXPECT_EQ(shown()["progress"],
            json({{"total", 2}, {"done", 1}, {"failed", 1}, {"current", nullptr}}));
}

TEST_F(EchoJobTest, RefusesWorkWithoutCode) {
  const auto made = NotebookJob::create(session().shared_from_this(), {"echo", "echo", "echo"},
                                        steps({{"empty", "", " \n"}}), {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::invalid_argument);
}

TEST_F(EchoJobTest, EndsASessionOfItsOwnWhenItHasSucceeded) {
  run(steps({{"a", "", "print 1"}}), {.name = {},
                                      .parameters = {},
                                      .each = {},
                                      .allow_errors = false,
                                      .output_path = {},
                                      .ends_session = true});
  EXPECT_TRUE(wait_until([&] { return ends_ == 1; }));
  EXPECT_FALSE(shown()["resumable"]);
  EXPECT_EQ(notebook()["cells"][0]["outputs"][0]["text"], json({"1\n"})) << "the file is there";
}

TEST_F(PythonJobTest, AnalysesStepByStepAndTakesUpWhereItFailed) {
  NotebookJob& job = run(steps({{"load", "", "data = list(range(n))"},
                                {"divide", "", "share = data[-1] / sum(date)"},
                                {"show", "", "print(share)"}}),
                         {.name = "totals",
                          .parameters = {{.name = "n", .value = "4"}},
                          .each = {},
                          .allow_errors = false,
                          .output_path = "out/totals.ipynb"});
  EXPECT_EQ(shown()["status"], "failed");
  EXPECT_EQ(shown()["error"]["type"], "NameError");
  EXPECT_EQ(notebook()["cells"].back()["outputs"].size(), 0u);
  ASSERT_TRUE(job.resume("", steps({{"load", "", "data = list(range(n))"},
                                    {"divide", "", "share = data[-1] / sum(data)"},
                                    {"show", "", "print(share)"}})));
  wait();
  EXPECT_EQ(shown()["status"], "succeeded") << shown().dump(1);
  EXPECT_EQ(notebook()["cells"].back()["outputs"][0]["text"], json({"0.5\n"}));
  EXPECT_TRUE(std::filesystem::exists(work_dir() / "out" / "totals.ipynb"));
}

}  // namespace
}  // namespace perijove
