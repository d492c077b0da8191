#include "executor/code_session.hpp"

#include "session_test.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using CodeSessionTest = SessionTest;

// ---- state and languages ----

TEST_F(CodeSessionTest, StartsNoKernelBeforeItIsNeeded) {
  EXPECT_FALSE(session().busy());
  EXPECT_EQ(registry_->size(), 0u);
  EXPECT_TRUE(std::filesystem::is_directory(work_dir()));
  EXPECT_EQ(session().to_json()["state"], "idle");
  EXPECT_THAT(session().to_json()["kernels"], IsEmpty());
}

// rows: J09
TEST_F(CodeSessionTest, KeepsStateAcrossExecutions) {
  const CodeResult first = run("set x 41");
  EXPECT_EQ(first.status, CodeStatus::ok);
  EXPECT_EQ(first.generation, 1u);
  const CodeResult second = run("get x");
  EXPECT_EQ(second.output, "41\n");
  EXPECT_TRUE(second.state_kept);
  EXPECT_FALSE(second.restarted);
  EXPECT_EQ(second.kernel, "idle");
  EXPECT_EQ(second.blocks[0].execution_count, 2);
  EXPECT_EQ(registry_->size(), 1u);
}

// rows: J06 J15 H35
TEST_F(CodeSessionTest, KeepsEachLanguagesStateApart) {
  run("set x 41");
  EXPECT_EQ(run("get x", "shout").error->type, "NameError");
  run("set x 42", "shout");
  CodeRequest both;
  both.blocks = {{.language = "echo", .code = "get x"}, {.language = "shout", .code = "get x"}};
  const CodeResult result = run(both);
  EXPECT_EQ(result.output, "41\n42\n");
  EXPECT_EQ(result.blocks[0].language, "echo");
  EXPECT_EQ(result.blocks[1].language, "shout");
  EXPECT_EQ(registry_->size(), 2u);
}

// rows: L09
TEST_F(CodeSessionTest, RunsNothingAfterALanguageThatNobodySpeaks) {
  CodeRequest request;
  request.blocks = {
      {.code = "print one"}, {.language = "Cobol", .code = "DISPLAY 'X'."}, {.code = "set x 1"}};
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::rejected);
  EXPECT_EQ(result.error->type, "language_not_supported");
  EXPECT_THAT(result.error->message, HasSubstr("cobol"));
  EXPECT_EQ(result.error->block, 1u);
  EXPECT_EQ(result.stdout_text, "one\n");
  ASSERT_THAT(result.blocks, SizeIs(2));
  EXPECT_EQ(result.blocks[1].language, "cobol");
  EXPECT_EQ(run("get x").error->type, "NameError");
}

TEST_F(CodeSessionTest, KnowsAKernelByTheNameOfItsKernelspecToo) {
  install("echo-2", "echo",
          {PERIJOVE_BINARY_DIR "/kernels/echo/perijove-kernel-echo", "-f", "{connection_file}"},
          "message");
  run("set x 41");
  EXPECT_EQ(run("get x", "echo-2").output, "41\n") << "one kernel for each language";
  EXPECT_EQ(registry_->size(), 1u);
}

// rows: J03
TEST_F(CodeSessionTest, SaysWhyAKernelDoesNotStart) {
  install("broken", "broken", {"/bin/false"}, "message");
  const CodeResult result = run("1", "broken");
  EXPECT_EQ(result.status, CodeStatus::kernel_died);
  EXPECT_EQ(result.error->type, "kernel_start_failed");
  EXPECT_NE(result.error->message, "");
  EXPECT_EQ(run("print fine").output, "fine\n");
  EXPECT_EQ(session().to_json()["kernels"].size(), 1u);
}

// rows: K03 J01
TEST_F(CodeSessionTest, IsNotMadeForAKernelThatThereIsNot) {
  session_options_.kernel = "ecko";
  session_options_.work_dir = work_dir();
  const auto made = CodeSession::create(shard_, *registry_, session_options_, nullptr);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::not_found);
  EXPECT_FALSE(std::filesystem::exists(work_dir()));
}

// rows: U01 L08
TEST_F(CodeSessionTest, KernelsRunInTheWorkDirectoryWithTheSessionsVariables) {
  session_options_.env = {{"MINE", "yes"}};
  EXPECT_EQ(run("cwd\nenv MINE").output, work_dir().string() + "\nyes\n");
}

// ---- the queue ----

TEST_F(CodeSessionTest, RunsRequestsInTheirOrder) {
  std::vector<std::shared_ptr<CodeExecution>> all;
  for (int i = 0; i < 5; ++i) all.push_back(begin("print " + std::to_string(i)));
  EXPECT_TRUE(session().busy());
  std::vector<std::int64_t> counts;
  for (const auto& each : all) counts.push_back(*wait(each).blocks[0].execution_count);
  EXPECT_THAT(counts, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_FALSE(session().busy());
}

TEST_F(CodeSessionTest, TellsWhoWaitsItsPlace) {
  const auto first = begin("sleep 600");
  const auto second = begin("print 2");
  const auto third = begin("print 3");
  EXPECT_EQ(events_of(*second, "queued")[0]["position"], 1);
  EXPECT_EQ(events_of(*third, "queued")[0]["position"], 2);
  EXPECT_THAT(events_of(*first, "queued"), IsEmpty());
  EXPECT_EQ(second->to_json()["status"], "queued");
  ASSERT_TRUE(wait_for_event(*first, "started"));
  EXPECT_EQ(first->to_json()["status"], "running");
  first->cancel();
  EXPECT_EQ(wait(third).status, CodeStatus::ok);
  EXPECT_EQ(third->to_json()["status"], "ok");
}

TEST_F(CodeSessionTest, RefusesWhoDoesNotWantToWait) {
  CodeRequest impatient = request("print 1");
  impatient.reject_when_busy = true;
  const auto first = begin(impatient);
  const auto refused = session().execute(impatient);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::aborted);
  EXPECT_THAT(refused.error().message, HasSubstr(first->id()));
  wait(first);
  EXPECT_EQ(run(impatient).status, CodeStatus::ok);
}

TEST_F(CodeSessionTest, EndsAWaitThatTakesTooLong) {
  // Both in one turn of the loop: nothing runs yet when the second is queued.
  const auto first = begin("sleep 600");
  CodeRequest impatient = request("set x 1");
  impatient.queue_wait = std::chrono::milliseconds(50);
  const CodeResult result = run(impatient);
  EXPECT_EQ(result.status, CodeStatus::rejected);
  EXPECT_EQ(result.error->type, "kernel_busy");
  EXPECT_THAT(result.error->message, HasSubstr("it waited 50 ms"));
  EXPECT_EQ(result.blocks[0].language, "echo");
  first->cancel();
  wait(first);
  EXPECT_EQ(run("get x").error->type, "NameError") << "it never ran";
}

TEST_F(CodeSessionTest, AWaitThatWasShortEnoughDoesNotEndWhatRuns) {
  const auto first = begin("sleep 0.01");
  CodeRequest patient = request("sleep 0.3\nprint 2");
  patient.queue_wait = std::chrono::milliseconds(200);
  wait(first);
  EXPECT_EQ(run(patient).status, CodeStatus::ok);
}

TEST_F(CodeSessionTest, CancelsWhatWaitsWithoutAWordToTheKernel) {
  const auto first = begin("sleep 0.1\nprint 1");
  const auto second = begin("set x 1");
  second->cancel();
  EXPECT_TRUE(second->done());
  EXPECT_EQ(second->result().status, CodeStatus::cancelled);
  EXPECT_EQ(second->result().exit_code, 125);
  EXPECT_TRUE(second->result().state_kept);
  EXPECT_EQ(wait(first).output, "1\n");
  EXPECT_EQ(run("get x").error->type, "NameError");
}

TEST_F(CodeSessionTest, GivesTheSameExecutionForTheSameIdempotencyKey) {
  CodeRequest once = request("count");
  once.idempotency_key = "k1";
  const auto first = begin(once);
  EXPECT_EQ(begin(once), first) << "while it waits or runs";
  wait(first);
  EXPECT_EQ(begin(once), first) << "and when it is done";
  once.idempotency_key = "k2";
  EXPECT_EQ(run(once).output, "2\n");
}

TEST_F(CodeSessionTest, FindsExecutionsInEveryState) {
  const auto running = begin("sleep 600");
  const auto waiting = begin("print 1");
  EXPECT_EQ(session().find_execution(running->id()), running);
  EXPECT_EQ(session().find_execution(waiting->id()), waiting);
  running->cancel();
  wait(waiting);
  EXPECT_EQ(session().find_execution(running->id()), running);
  EXPECT_EQ(session().find_execution(waiting->id()), waiting);
  EXPECT_EQ(session().find_execution("e_unknown"), nullptr);
}

TEST_F(CodeSessionTest, RemembersWhatRanForItsHistory) {
  run("print one");
  CodeRequest hidden = request("print two");
  hidden.store_history = false;
  run(hidden);
  run("error ValueError bad");
  ASSERT_THAT(session().history(), SizeIs(2));
  const HistoryEntry& first = session().history()[0];
  EXPECT_EQ(first.code, "print one");
  EXPECT_EQ(first.language, "echo");
  EXPECT_EQ(first.execution_count, 1);
  EXPECT_EQ((*parse_json(first.outputs))[0]["text"], "one\n");
  EXPECT_EQ(session().history()[1].status, "error");
}

// ---- interrupt, restart, stop ----

TEST_F(CodeSessionTest, AnInterruptEndsWhatRunsAndKeepsState) {
  run("set x 41");
  const auto execution = begin("print begun\nsleep 600");
  ASSERT_TRUE(wait_for_output(*execution, "begun"));
  session().interrupt();
  const CodeResult result = wait(execution);
  EXPECT_EQ(result.status, CodeStatus::interrupted);
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(result.stdout_text, "begun\n");
  EXPECT_TRUE(result.state_kept);
  EXPECT_EQ(run("get x").output, "41\n");
}

// rows: J12 H26
TEST_F(CodeSessionTest, ARestartEndsWhatRunsAndWaitsAndLosesState) {
  run("set x 41");
  CodeRequest all = request("print begun\nsleep 600");
  all.blocks.push_back({.code = "set y 1"});
  all.stop_on_error = false;
  const auto running = begin(all);
  const auto waiting = begin("print never");
  ASSERT_TRUE(wait_for_output(*running, "begun"));
  bool restarted = false;
  session().restart([&](const Result<void>& result) {
    EXPECT_TRUE(result) << result.error();
    restarted = true;
  });
  EXPECT_EQ(wait(running).status, CodeStatus::cancelled);
  EXPECT_EQ(running->result().stdout_text, "begun\n");
  EXPECT_FALSE(running->result().state_kept);
  EXPECT_THAT(running->result().blocks, SizeIs(1)) << "no block is begun in a kernel that goes";
  EXPECT_EQ(wait(waiting).status, CodeStatus::cancelled);
  EXPECT_EQ(waiting->result().error->message, "the session was restarted");
  ASSERT_TRUE(wait_until([&] { return restarted; }));
  const CodeResult next = run("get x");
  EXPECT_EQ(next.error->type, "NameError");
  EXPECT_EQ(next.generation, 2u);
}

TEST_F(CodeSessionTest, WhatIsAskedForDuringARestartRunsInTheNewProcess) {
  run("set x 41");
  bool restarted = false;
  session().restart([&](const Result<void>&) { restarted = true; });
  const CodeResult next = run("get x\n");
  EXPECT_TRUE(restarted);
  EXPECT_EQ(next.status, CodeStatus::error);
  EXPECT_EQ(next.error->type, "NameError");
  EXPECT_FALSE(next.restarted) << "somebody else asked for that";
  EXPECT_EQ(next.generation, 2u);
  EXPECT_EQ(run("print on").output, "on\n");
}

TEST_F(CodeSessionTest, IsRestartedWhileItsKernelStarts) {
  const auto first = begin("print 1");
  ASSERT_TRUE(wait_until([&] { return registry_->size() == 1; }));
  bool restarted = false;
  session().restart([&](const Result<void>&) { restarted = true; });
  EXPECT_EQ(wait(first).status, CodeStatus::cancelled);
  ASSERT_TRUE(wait_until([&] { return restarted; }));
  EXPECT_EQ(run("print 2").output, "2\n");
  EXPECT_EQ(registry_->size(), 1u);
}

TEST_F(CodeSessionTest, ARestartWithoutKernelsIsDoneAtOnce) {
  bool restarted = false;
  session().restart([&](const Result<void>& result) { restarted = result.has_value(); });
  EXPECT_TRUE(wait_until([&] { return restarted; }));
}

TEST_F(CodeSessionTest, AStopEndsItsKernelsAndWhatRuns) {
  run("print 1", "shout");
  const auto running = begin("print begun\nsleep 600");
  const auto waiting = begin("print never");
  ASSERT_TRUE(wait_for_output(*running, "begun"));
  const std::vector<pid_t> pids = kernel_pids();
  EXPECT_THAT(pids, SizeIs(2));
  int stopped = 0;
  session().stop([&](const Result<void>&) { ++stopped; });
  session().stop([&](const Result<void>&) {
    EXPECT_THAT(kernel_pids(), IsEmpty()) << "the second waits for the end, too";
    ++stopped;
  });
  EXPECT_TRUE(session().ended());
  EXPECT_EQ(wait(running).status, CodeStatus::cancelled);
  EXPECT_EQ(running->result().stdout_text, "begun\n");
  EXPECT_EQ(wait(waiting).status, CodeStatus::cancelled);
  ASSERT_TRUE(wait_until([&] { return stopped == 2; }));
  EXPECT_EQ(ends_, 1);
  for (const pid_t pid : pids) EXPECT_FALSE(testing::is_running(pid));
  EXPECT_TRUE(std::filesystem::is_directory(work_dir()));
  const auto refused = session().execute(request("print 1"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
}

TEST_F(CodeSessionTest, IsStoppedWhileItsKernelStarts) {
  const auto first = begin("print 1");
  ASSERT_TRUE(wait_until([&] { return registry_->size() == 1; }));
  bool stopped = false;
  session().stop([&](const Result<void>&) { stopped = true; });
  EXPECT_EQ(wait(first).status, CodeStatus::cancelled);
  EXPECT_TRUE(wait_until([&] { return stopped && registry_->size() == 0; }));
}

TEST_F(CodeSessionTest, AKernelThatSomebodyElseEndedIsReplacedAndItsLossTold) {
  run("set x 41");
  bool ended = false;
  registry_->list().at(0)->stop([&](const Result<void>&) { ended = true; });
  ASSERT_TRUE(wait_until([&] { return ended; }));
  const CodeResult next = run("get x");
  EXPECT_EQ(next.error->type, "NameError");
  EXPECT_FALSE(next.state_kept);
  EXPECT_EQ(next.generation, 2u);
  EXPECT_TRUE(run("print on").state_kept);
}

// ---- its end ----

// rows: D19 H34
TEST_F(CodeSessionTest, EndsWhenItHasBeenIdleForLong) {
  session_options_.idle_timeout = std::chrono::milliseconds(300);
  const auto execution = begin("sleep 0.6\nprint on");
  EXPECT_EQ(wait(execution).output, "on\n") << "what runs is not idle";
  EXPECT_TRUE(wait_until([&] { return ends_ == 1; }));
  EXPECT_TRUE(session().ended());
  EXPECT_THAT(kernel_pids(), IsEmpty());
}

TEST_F(CodeSessionTest, EndsAtItsGreatestAgeThoughCodeRuns) {
  run("print ready");
  const auto execution = begin("print begun\nsleep 600");
  ASSERT_TRUE(wait_for_output(*execution, "begun"));
  session().set_limits(std::nullopt, std::chrono::milliseconds(1));
  EXPECT_EQ(wait(execution).status, CodeStatus::cancelled);
  EXPECT_THAT(execution->result().blocks[0].stdout_text, "begun\n");
  EXPECT_TRUE(wait_until([&] { return ends_ == 1; }));
}

TEST_F(CodeSessionTest, LimitsThatAreTakenBackEndNothing) {
  session_options_.idle_timeout = std::chrono::milliseconds(100);
  session().set_limits(std::nullopt, std::nullopt);
  run("sleep 0.2");
  EXPECT_FALSE(session().ended());
  session().set_limits(std::chrono::milliseconds(1), std::nullopt);
  EXPECT_TRUE(wait_until([&] { return ends_ == 1; }));
}

// ---- looking at variables ----

class EvaluateTest : public SessionTest {
 protected:
  Result<std::string> evaluate(const std::string& expression) {
    std::optional<Result<std::string>> answer;
    session().evaluate("", expression, [&](Result<std::string> got) { answer = std::move(got); });
    EXPECT_TRUE(wait_until([&] { return answer.has_value(); }));
    return answer ? *answer : Result<std::string>(Error{Code::internal, "no answer"});
  }
};

TEST_F(EvaluateTest, GivesAVariableWithoutATrace) {
  run("set x 41");
  EXPECT_EQ(*evaluate("x"), "41");
  EXPECT_EQ(run("count").output, "2\n");
  EXPECT_THAT(session().history(), SizeIs(2));
}

TEST_F(EvaluateTest, SaysWhatTheKernelSays) {
  const auto answer = evaluate("missing");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::invalid_argument);
  EXPECT_EQ(answer.error().message, "this name is not set");
}

TEST_F(EvaluateTest, DoesNotWaitForWhatRuns) {
  const auto execution = begin("sleep 600");
  const auto answer = evaluate("x");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::aborted);
  execution->cancel();
  wait(execution);
}

TEST_F(EvaluateTest, ExecutionsWaitForIt) {
  run("set x 41");
  std::optional<Result<std::string>> answer;
  session().evaluate("sleep 0.05\nset x 42", "x", [&](auto got) { answer = std::move(got); });
  const auto execution = begin("get x");
  EXPECT_EQ(wait(execution).output, "42\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(**answer, "42");
}

TEST_F(EvaluateTest, ARestartEndsIt) {
  run("set x 41");
  std::optional<Result<std::string>> answer;
  session().evaluate("sleep 600", "x", [&](auto got) { answer = std::move(got); });
  bool restarted = false;
  session().restart([&](const Result<void>&) { restarted = true; });
  ASSERT_TRUE(wait_until([&] { return restarted && answer; }));
  EXPECT_FALSE(*answer);
  EXPECT_EQ(run("print on").output, "on\n");
}

TEST_F(EvaluateTest, HearsThatTheSessionEnds) {
  std::optional<Result<std::string>> answer;
  session().evaluate("", "x", [&](auto got) { answer = std::move(got); });
  session().stop(nullptr);
  ASSERT_TRUE(wait_until([&] { return answer.has_value(); }));
  EXPECT_FALSE(*answer);
  EXPECT_FALSE(evaluate("x"));
}

}  // namespace
}  // namespace perijove
