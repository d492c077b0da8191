#include "model/activity.hpp"

#include <gmock/gmock.h>

namespace perijove {
namespace {

using namespace std::chrono_literals;
using enum ExecutionState;

class ActivityTest : public ::testing::Test {
 protected:
  WallTime wall() const { return WallTime{} + 24h + (now_ - TimePoint{}); }

  bool status(ByteView text, ByteView parent, ByteView parent_type = "execute_request") {
    return activity_.on_iopub({"status", parent, parent_type, text}, now_, wall());
  }
  bool goes_busy(ByteView parent) { return status("busy", parent); }
  bool goes_idle(ByteView parent) { return status("idle", parent); }
  bool publishes(ByteView msg_type, ByteView parent, ByteView parent_type) {
    return activity_.on_iopub({msg_type, parent, parent_type, ""}, now_, wall());
  }
  bool announce(ExecutionState state) { return activity_.announce(state, now_, wall()); }
  ExecutionState state() const { return activity_.execution_state(); }
  void configure(ActivityOptions options) {
    activity_ = Activity(options, now_, wall());
    announce(idle);
  }

  TimePoint now_{TimePoint{} + 1000s};
  Activity activity_{ActivityOptions{}, now_, wall()};
};

TEST_F(ActivityTest, BeginsAsStarting) {
  EXPECT_EQ(state(), starting);
  EXPECT_EQ(activity_.idle_since(), std::nullopt);
  EXPECT_EQ(activity_.last_activity(), wall());
}

TEST_F(ActivityTest, IsIdleOnceReady) {
  EXPECT_TRUE(announce(idle));
  EXPECT_EQ(state(), idle);
  EXPECT_EQ(activity_.idle_since(), now_);
}

TEST_F(ActivityTest, BeingReadyDoesNotHideARequestThatRunsAlready) {
  goes_busy("m1");
  EXPECT_FALSE(announce(idle));
  EXPECT_EQ(state(), busy);
}

TEST_F(ActivityTest, IsBusyUntilTheSameRequestIsIdle) {
  announce(idle);
  EXPECT_TRUE(goes_busy("m1"));
  EXPECT_EQ(state(), busy);
  EXPECT_FALSE(goes_idle("m2"));
  EXPECT_EQ(state(), busy);
  EXPECT_TRUE(goes_idle("m1"));
  EXPECT_EQ(state(), idle);
}

TEST_F(ActivityTest, IsBusyWhileAnyRequestIsUnfinished) {
  announce(idle);
  goes_busy("m1");
  EXPECT_FALSE(goes_busy("m2"));
  EXPECT_FALSE(goes_idle("m1"));
  EXPECT_EQ(state(), busy);
  EXPECT_TRUE(goes_idle("m2"));
  EXPECT_EQ(state(), idle);
}

TEST_F(ActivityTest, ABusyStatusThatIsSentTwiceCountsOnce) {
  announce(idle);
  goes_busy("m1");
  goes_busy("m1");
  goes_idle("m1");
  EXPECT_EQ(state(), idle);
}

TEST_F(ActivityTest, RequestsOfFrontEndsThemselvesDoNotMakeItBusy) {
  announce(idle);
  for (const ByteView type : {"kernel_info_request", "comm_info_request", "debug_request",
                              "shutdown_request", "interrupt_request", "list_subshell_request"}) {
    EXPECT_FALSE(status("busy", "m1", type)) << type;
  }
  EXPECT_EQ(state(), idle);
}

TEST_F(ActivityTest, RequestsOfPeopleMakeItBusy) {
  for (const ByteView type : {"execute_request", "complete_request", "inspect_request",
                              "history_request", "is_complete_request", "comm_msg", "comm_open"}) {
    configure({});
    EXPECT_TRUE(status("busy", "m1", type)) << type;
  }
}

TEST_F(ActivityTest, RequestsOfFrontEndsAreNoActivity) {
  announce(idle);
  const WallTime before = activity_.last_activity();
  const auto idle_before = activity_.idle_since();
  now_ += 10s;
  status("busy", "m1", "kernel_info_request");
  status("idle", "m1", "kernel_info_request");
  EXPECT_EQ(activity_.last_activity(), before);
  EXPECT_EQ(activity_.idle_since(), idle_before);
}

TEST_F(ActivityTest, AnyMessageIsActivityWhileBusy) {
  announce(idle);
  goes_busy("m1");
  now_ += 10s;
  status("busy", "m2", "kernel_info_request");
  EXPECT_EQ(activity_.last_activity(), wall());
  EXPECT_EQ(activity_.last_activity_at(), now_);
}

TEST_F(ActivityTest, TheFirstAnswerToAFrontEndEndsTheStart) {
  EXPECT_TRUE(status("busy", "m1", "kernel_info_request"));
  EXPECT_EQ(state(), idle);
}

TEST_F(ActivityTest, TheIdleClockStartsWhenAllWorkIsDone) {
  announce(idle);
  goes_busy("m1");
  EXPECT_EQ(activity_.idle_since(), std::nullopt);
  now_ += 3h;
  goes_idle("m1");
  EXPECT_EQ(activity_.idle_since(), now_);
}

TEST_F(ActivityTest, OutputOfABackgroundThreadRestartsTheIdleClock) {
  announce(idle);
  now_ += 10s;
  publishes("stream", "m1", "execute_request");
  EXPECT_EQ(activity_.idle_since(), now_);
  now_ += 10s;
  publishes("comm_msg", "", "");
  EXPECT_EQ(activity_.idle_since(), now_);
}

TEST_F(ActivityTest, AStatusThatAnswersNothingCounts) {
  announce(idle);
  EXPECT_TRUE(status("busy", "", ""));
  EXPECT_TRUE(status("idle", "", ""));
  EXPECT_EQ(state(), idle);
}

TEST_F(ActivityTest, IgnoresAStatusOutsideTheProtocol) {
  announce(idle);
  EXPECT_FALSE(status("sleeping", "m1"));
  EXPECT_FALSE(status("", "m1"));
  EXPECT_EQ(state(), idle);
}

TEST_F(ActivityTest, AKernelCannotDeclareItselfDeadOrStarting) {
  announce(idle);
  EXPECT_FALSE(status("dead", "m1"));
  EXPECT_FALSE(status("starting", "m1"));
  EXPECT_FALSE(status("restarting", "m1"));
  EXPECT_EQ(state(), idle);
}

TEST_F(ActivityTest, GoesThroughAnAutomaticRestart) {
  announce(idle);
  goes_busy("m1");
  EXPECT_TRUE(announce(restarting));
  EXPECT_EQ(state(), restarting);
  EXPECT_TRUE(status("starting", "", ""));
  EXPECT_EQ(state(), starting);
  EXPECT_TRUE(announce(idle));
  EXPECT_EQ(state(), idle);
}

TEST_F(ActivityTest, StaysDeadWhateverIsStillOnItsWay) {
  announce(idle);
  goes_busy("m1");
  EXPECT_TRUE(announce(dead));
  EXPECT_EQ(activity_.idle_since(), now_);
  EXPECT_FALSE(goes_idle("m1"));
  EXPECT_FALSE(goes_busy("m2"));
  EXPECT_EQ(state(), dead);
}

TEST_F(ActivityTest, ARestartOnPurposeBeginsAnew) {
  announce(idle);
  goes_busy("m1");
  EXPECT_TRUE(activity_.forget_busy(now_));
  EXPECT_TRUE(announce(starting));
  EXPECT_EQ(state(), starting);
}

TEST_F(ActivityTest, ForgettingNothingChangesNothing) {
  announce(idle);
  const auto since = activity_.idle_since();
  now_ += 5s;
  EXPECT_FALSE(activity_.forget_busy(now_));
  EXPECT_EQ(activity_.idle_since(), since);
}

TEST_F(ActivityTest, AReplyWithoutIdleEndsBusyAfterAWhile) {
  announce(idle);
  goes_busy("m1");
  activity_.on_reply("m1", now_);
  EXPECT_EQ(activity_.next_deadline(), now_ + 4s);
  now_ += 3999ms;
  EXPECT_FALSE(activity_.on_deadline(now_));
  now_ += 1ms;
  EXPECT_TRUE(activity_.on_deadline(now_));
  EXPECT_EQ(state(), idle);
  EXPECT_EQ(activity_.idle_since(), now_);
  EXPECT_EQ(activity_.next_deadline(), std::nullopt);
}

TEST_F(ActivityTest, ASecondReplyDoesNotProlongTheWait) {
  announce(idle);
  goes_busy("m1");
  activity_.on_reply("m1", now_);
  activity_.on_reply("m1", now_ + 1s);
  EXPECT_EQ(activity_.next_deadline(), now_ + 4s);
}

TEST_F(ActivityTest, AReplyToARequestThatIsNotBusyChangesNothing) {
  announce(idle);
  activity_.on_reply("m1", now_);
  EXPECT_EQ(activity_.next_deadline(), std::nullopt);
}

TEST_F(ActivityTest, TheOldestRequestIsForgottenBeyondTheBound) {
  configure({.busy_parents_max = 2});
  goes_busy("m1");
  goes_busy("m2");
  goes_busy("m3");
  goes_idle("m2");
  EXPECT_EQ(state(), busy);
  goes_idle("m3");
  EXPECT_EQ(state(), idle);
}

TEST(ExecutionStateNames, AreTheFiveOfTheProtocol) {
  for (const ExecutionState state : {starting, idle, busy, restarting, dead}) {
    EXPECT_EQ(parse_execution_state(to_string(state)), state);
  }
  EXPECT_EQ(parse_execution_state("terminating"), std::nullopt);
  EXPECT_EQ(parse_execution_state(""), std::nullopt);
}

}  // namespace
}  // namespace perijove
