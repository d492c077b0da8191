#include "model/execution.hpp"

#include <gmock/gmock.h>

namespace perijove::execution {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

using Texts = std::vector<std::string>;

class ExecutionTest : public ::testing::Test {
 protected:
  /// Actions as "interrupt", "restart", "ok", "timed_out, state lost".
  Texts feed(const Event& event) {
    Texts texts;
    for (const Action& action : run_.on(event, now_)) {
      if (std::holds_alternative<Interrupt>(action)) texts.emplace_back("interrupt");
      if (std::holds_alternative<RestartKernel>(action)) texts.emplace_back("restart");
      if (const auto* finish = std::get_if<Finish>(&action)) {
        texts.push_back(std::string(to_string(finish->verdict.outcome)) +
                        (finish->verdict.state_lost ? ", state lost" : ""));
        note_ = finish->verdict.note;
      }
    }
    return texts;
  }
  Texts pass(Duration time) {
    const TimePoint end = now_ + time;
    Texts all;
    while (run_.next_deadline() && *run_.next_deadline() <= end) {
      now_ = std::max(now_, *run_.next_deadline());
      for (std::string& text : feed(DeadlinePassed{})) all.push_back(std::move(text));
    }
    now_ = end;
    return all;
  }
  Texts busy() { return feed(Message{"status", "m1", "busy"}); }
  Texts idle() { return feed(Message{"status", "m1", "idle"}); }
  Texts prints() { return feed(Message{"stream", "m1", ""}); }
  Texts raises() { return feed(Message{"error", "m1", ""}); }
  Texts replies(ByteView status) { return feed(Message{"execute_reply", "m1", status}); }
  Texts asks_for_input() { return feed(Message{"input_request", "m1", ""}); }

  void configure(ExecutionOptions options) { run_ = Execution(options, "m1", now_); }

  TimePoint now_{};
  Execution run_{ExecutionOptions{}, "m1", now_};
  std::string note_;
};

// Verdicts without trouble.

TEST_F(ExecutionTest, IsOkAfterReplyAndIdle) {
  EXPECT_THAT(busy(), IsEmpty());
  EXPECT_THAT(prints(), IsEmpty());
  EXPECT_THAT(replies("ok"), IsEmpty());
  EXPECT_THAT(idle(), ElementsAre("ok"));
  EXPECT_EQ(note_, "");
  EXPECT_TRUE(run_.finished());
}

TEST_F(ExecutionTest, IsOkWhenIdleComesBeforeTheReply) {
  busy();
  EXPECT_THAT(idle(), IsEmpty());
  EXPECT_THAT(replies("ok"), ElementsAre("ok"));
}

TEST_F(ExecutionTest, TellsErrorFromTheReply) {
  busy();
  raises();
  replies("error");
  EXPECT_THAT(idle(), ElementsAre("error"));
}

TEST_F(ExecutionTest, TellsAbortedInBothSpellings) {
  replies("aborted");
  EXPECT_THAT(idle(), ElementsAre("aborted"));
  configure({});
  replies("abort");
  EXPECT_THAT(idle(), ElementsAre("aborted"));
}

// rows: J14
TEST_F(ExecutionTest, IgnoresMessagesAboutOtherRequests) {
  busy();
  EXPECT_THAT(feed(Message{"execute_reply", "m2", "error"}), IsEmpty());
  EXPECT_THAT(feed(Message{"status", "m2", "idle"}), IsEmpty());
  EXPECT_THAT(feed(Message{"input_request", "", ""}), IsEmpty());
  replies("ok");
  EXPECT_THAT(idle(), ElementsAre("ok"));
}

TEST_F(ExecutionTest, BelievesTheFirstOfTwoReplies) {
  replies("ok");
  replies("error");
  EXPECT_THAT(idle(), ElementsAre("ok"));
}

TEST_F(ExecutionTest, AnErrorThatTheCodeCaughtIsNoError) {
  raises();
  replies("ok");
  EXPECT_THAT(idle(), ElementsAre("ok"));
}

TEST_F(ExecutionTest, SaysNothingAfterItsVerdict) {
  replies("ok");
  idle();
  EXPECT_THAT(replies("error"), IsEmpty());
  EXPECT_THAT(feed(Cancel{}), IsEmpty());
  EXPECT_THAT(feed(KernelGone{"gone"}), IsEmpty());
  EXPECT_EQ(run_.next_deadline(), std::nullopt);
}

TEST_F(ExecutionTest, HasNoClockWithoutALimit) {
  EXPECT_EQ(run_.next_deadline(), std::nullopt);
  busy();
  EXPECT_EQ(run_.next_deadline(), std::nullopt);
}

// Kernels that forget a message.

TEST_F(ExecutionTest, DoesNotWaitForEverForIdle) {
  replies("error");
  EXPECT_THAT(pass(3999ms), IsEmpty());
  EXPECT_THAT(pass(1ms), ElementsAre("error"));
  EXPECT_EQ(note_, "the kernel sent no idle status within 4 s");
}

TEST_F(ExecutionTest, DoesNotWaitForEverForTheReply) {
  busy();
  idle();
  EXPECT_THAT(pass(4s), ElementsAre("ok"));
  EXPECT_EQ(note_, "the kernel sent no execute_reply within 4 s");
}

TEST_F(ExecutionTest, JudgesByTheOutputsWhenTheReplyIsMissing) {
  raises();
  idle();
  EXPECT_THAT(pass(4s), ElementsAre("error"));
}

TEST_F(ExecutionTest, JudgesByTheOutputsWhenTheReplyNamesNoStatus) {
  raises();
  replies("");
  EXPECT_THAT(idle(), ElementsAre("error"));
}

TEST_F(ExecutionTest, WaitsForIdleWhileOutputsStillCome) {
  replies("ok");
  EXPECT_THAT(pass(3s), IsEmpty());
  prints();
  EXPECT_THAT(pass(3s), IsEmpty());
  EXPECT_THAT(idle(), ElementsAre("ok"));
  EXPECT_EQ(note_, "");
}

TEST_F(ExecutionTest, OutputsWithoutEndDoNotProlongTheWaitForIdleForEver) {
  replies("ok");
  Texts ended;
  for (int i = 0; i < 60 && ended.empty(); ++i) {
    prints();
    ended = pass(1s);
  }
  EXPECT_THAT(ended, ElementsAre("ok"));
}

TEST_F(ExecutionTest, ALimitDoesNotCutTheWaitForIdleShort) {
  configure({.limit = 1s});
  busy();
  replies("ok");
  EXPECT_THAT(pass(2s), IsEmpty());
  EXPECT_THAT(idle(), ElementsAre("ok"));
}

// Limits.

TEST_F(ExecutionTest, InterruptsCodeThatRunsOverItsLimit) {
  configure({.limit = 60s});
  busy();
  EXPECT_THAT(pass(59999ms), IsEmpty());
  EXPECT_THAT(pass(1ms), ElementsAre("interrupt"));
  raises();
  replies("error");
  EXPECT_THAT(idle(), ElementsAre("timed_out"));
  EXPECT_EQ(note_, "it ran over its time limit of 60 s and was interrupted; variables are kept");
}

TEST_F(ExecutionTest, SaysNothingOfVariablesWhereNoneAreKept) {
  configure({.limit = 60s, .keeps_variables = false});
  busy();
  pass(60s);
  replies("error");
  EXPECT_THAT(idle(), ElementsAre("timed_out"));
  EXPECT_EQ(note_, "it ran over its time limit of 60 s and was interrupted");
}

TEST_F(ExecutionTest, InterruptsTwiceAndThenRestarts) {
  configure({.limit = 60s});
  busy();
  pass(60s);
  EXPECT_THAT(pass(4999ms), IsEmpty());
  EXPECT_THAT(pass(1ms), ElementsAre("interrupt"));
  EXPECT_THAT(pass(4999ms), IsEmpty());
  EXPECT_THAT(pass(1ms), ElementsAre("restart", "timed_out, state lost"));
  EXPECT_THAT(note_, HasSubstr("did not yield to two interrupts; the kernel is restarted"));
}

TEST_F(ExecutionTest, LeavesStuckCodeRunningWhenToldSo) {
  configure({.limit = 60s, .if_stuck = IfStuck::leave});
  busy();
  EXPECT_THAT(pass(70s), ElementsAre("interrupt", "interrupt", "timed_out"));
  EXPECT_THAT(note_, HasSubstr("it is still running"));
}

TEST_F(ExecutionTest, CodeThatYieldsToTheSecondInterruptKeepsItsState) {
  configure({.limit = 60s});
  busy();
  pass(66s);
  idle();
  EXPECT_THAT(replies("error"), ElementsAre("timed_out"));
}

TEST_F(ExecutionTest, CodeThatEndsWellAfterItsLimitIsStillTimedOut) {
  configure({.limit = 60s});
  busy();
  pass(61s);
  replies("ok");
  EXPECT_THAT(idle(), ElementsAre("timed_out"));
}

TEST_F(ExecutionTest, ASecondVerdictForAKernelThatDiesOfTheInterruptIsNotGiven) {
  configure({.limit = 60s});
  busy();
  pass(60s);
  EXPECT_THAT(feed(KernelGone{"killed by signal 2"}), ElementsAre("timed_out, state lost"));
  EXPECT_THAT(note_, HasSubstr("killed by signal 2"));
}

TEST_F(ExecutionTest, ALateTimerShortensNoGrace) {
  configure({.limit = 60s});
  busy();
  now_ += 1h;
  EXPECT_THAT(feed(DeadlinePassed{}), ElementsAre("interrupt"));
  EXPECT_EQ(run_.next_deadline(), now_ + 5s);
}

TEST_F(ExecutionTest, IgnoresATimerThatRingsTooEarly) {
  configure({.limit = 60s});
  now_ += 59s;
  EXPECT_THAT(feed(DeadlinePassed{}), IsEmpty());
}

TEST_F(ExecutionTest, EveryMessageProlongsTheQuietLimit) {
  configure({.quiet_limit = 10s});
  busy();
  pass(9s);
  prints();
  EXPECT_THAT(pass(9s), IsEmpty());
  EXPECT_THAT(pass(1s), ElementsAre("interrupt"));
  replies("error");
  EXPECT_THAT(idle(), ElementsAre("timed_out"));
  EXPECT_THAT(note_, StartsWith("it gave no sign of life for 10 s"));
}

TEST_F(ExecutionTest, OutputDoesNotProlongTheTimeLimit) {
  configure({.limit = 10s, .quiet_limit = 10s});
  busy();
  pass(9s);
  prints();
  EXPECT_THAT(pass(1s), ElementsAre("interrupt"));
}

TEST_F(ExecutionTest, DoesNotInterruptSomebodyElsesCode) {
  configure({.limit = 60s, .sole_user = false});
  EXPECT_THAT(pass(60s), ElementsAre("timed_out"));
  EXPECT_THAT(note_, HasSubstr("before it began"));
}

TEST_F(ExecutionTest, InterruptsCodeThatHasBegunInASharedKernel) {
  configure({.limit = 60s, .sole_user = false});
  busy();
  EXPECT_THAT(pass(60s), ElementsAre("interrupt"));
}

// Interrupts, cancellation, input, death.

TEST_F(ExecutionTest, AnErrorAfterAnInterruptOfSomebodyIsInterrupted) {
  busy();
  EXPECT_THAT(feed(KernelInterrupted{}), IsEmpty());
  raises();
  replies("error");
  EXPECT_THAT(idle(), ElementsAre("interrupted"));
}

TEST_F(ExecutionTest, CodeThatCatchesTheInterruptIsOk) {
  busy();
  feed(KernelInterrupted{});
  replies("ok");
  EXPECT_THAT(idle(), ElementsAre("ok"));
}

TEST_F(ExecutionTest, AnInterruptBeforeItsBeginHitsSomethingElse) {
  feed(KernelInterrupted{});
  busy();
  replies("error");
  EXPECT_THAT(idle(), ElementsAre("error"));
}

TEST_F(ExecutionTest, CancellingInterrupts) {
  busy();
  EXPECT_THAT(feed(Cancel{}), ElementsAre("interrupt"));
  EXPECT_THAT(feed(Cancel{}), IsEmpty());
  replies("error");
  EXPECT_THAT(idle(), ElementsAre("cancelled"));
}

TEST_F(ExecutionTest, CancellingCodeThatDoesNotYieldRestarts) {
  busy();
  feed(Cancel{});
  EXPECT_THAT(pass(10s), ElementsAre("interrupt", "restart", "cancelled, state lost"));
}

TEST_F(ExecutionTest, CancellingInASharedKernelBeforeItsBeginTouchesNothing) {
  configure({.sole_user = false});
  EXPECT_THAT(feed(Cancel{}), ElementsAre("cancelled"));
}

TEST_F(ExecutionTest, CancellingAfterTheReplyComesTooLate) {
  busy();
  replies("ok");
  EXPECT_THAT(feed(Cancel{}), IsEmpty());
  EXPECT_THAT(idle(), ElementsAre("ok"));
}

TEST_F(ExecutionTest, RefusesInputInsteadOfWaitingForIt) {
  busy();
  EXPECT_THAT(asks_for_input(), ElementsAre("interrupt"));
  replies("error");
  EXPECT_THAT(idle(), ElementsAre("needs_input"));
  EXPECT_THAT(note_, StartsWith("it asked for input"));
}

TEST_F(ExecutionTest, DiesWithItsKernel) {
  busy();
  EXPECT_THAT(feed(KernelGone{"killed by signal 11"}), ElementsAre("died, state lost"));
  EXPECT_EQ(note_, "killed by signal 11");
}

TEST_F(ExecutionTest, DiesWithItsKernelBeforeItBegan) {
  EXPECT_THAT(feed(KernelGone{"killed by signal 11"}), ElementsAre("died, state lost"));
}

TEST_F(ExecutionTest, AReplyOutlivesItsKernel) {
  busy();
  replies("ok");
  EXPECT_THAT(feed(KernelGone{"exited with code 0"}), ElementsAre("ok, state lost"));
  EXPECT_EQ(note_, "after its reply: exited with code 0");
}

}  // namespace
}  // namespace perijove::execution
