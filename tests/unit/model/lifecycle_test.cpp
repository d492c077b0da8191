#include "model/lifecycle.hpp"

#include <gmock/gmock.h>

#include "unit/model/lifecycle_text.hpp"

namespace perijove::lifecycle {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Texts = std::vector<std::string>;

class LifecycleTest : public ::testing::Test {
 protected:
  Texts feed(const Event& event) {
    last_ = life_.on(event, now_);
    return texts_of(last_);
  }
  /// Lets `time` pass and rings the timer as often as it is due.
  Texts pass(Duration time) {
    const TimePoint end = now_ + time;
    Texts all;
    while (life_.next_deadline() && *life_.next_deadline() <= end) {
      now_ = std::max(now_, *life_.next_deadline());
      for (std::string& text : feed(DeadlinePassed{})) all.push_back(std::move(text));
    }
    now_ = end;
    return all;
  }
  Texts exits(ProcessExit exit) { return feed(ProcessExited{life_.generation(), exit}); }

  void configure(LifecycleOptions options) { life_ = Lifecycle(options); }
  void bring_to_starting() { feed(StartRequested{1}); }
  void bring_to_connecting() {
    bring_to_starting();
    feed(Launched{1});
  }
  void answer() {
    feed(KernelInfoReplied{});
    feed(IopubSeen{});
  }
  void bring_to_ready() {
    bring_to_connecting();
    answer();
  }
  void launch_and_answer() {
    feed(Launched{life_.generation()});
    answer();
  }
  void bring_to_dead() {
    bring_to_starting();
    feed(LaunchFailed{1, {Code::not_found, "no such program"}});
  }
  const Error& error_of_the_last_completion() {
    static const Error kNone;
    for (const Action& action : last_) {
      if (const auto* complete = std::get_if<Complete>(&action)) {
        if (complete->error) return *complete->error;
      }
    }
    ADD_FAILURE() << "nothing was completed with an error";
    return kNone;
  }

  Lifecycle life_;
  TimePoint now_{};
  std::vector<Action> last_;
};

// Starting.

TEST_F(LifecycleTest, StartsByLaunching) {
  EXPECT_THAT(feed(StartRequested{1}), ElementsAre("announce starting", "launch 1"));
  EXPECT_EQ(life_.state(), State::starting);
}

TEST_F(LifecycleTest, ConnectsAndAsksForKernelInfoOnceLaunched) {
  bring_to_starting();
  EXPECT_THAT(feed(Launched{1}), ElementsAre("connect", "kernel_info"));
  EXPECT_EQ(life_.state(), State::connecting);
}

TEST_F(LifecycleTest, IsNotReadyByAReplyAlone) {
  bring_to_connecting();
  EXPECT_THAT(feed(KernelInfoReplied{}), IsEmpty());
  EXPECT_EQ(life_.state(), State::connecting);
}

TEST_F(LifecycleTest, IsNotReadyByAnIopubMessageAlone) {
  bring_to_connecting();
  EXPECT_THAT(feed(IopubSeen{}), IsEmpty());
  EXPECT_EQ(life_.state(), State::connecting);
}

TEST_F(LifecycleTest, IsReadyByReplyAndIopubMessageInEitherOrder) {
  bring_to_connecting();
  feed(IopubSeen{});
  EXPECT_THAT(feed(KernelInfoReplied{}), ElementsAre("announce idle", "complete 1"));
  EXPECT_EQ(life_.state(), State::ready);

  configure({});
  bring_to_connecting();
  feed(KernelInfoReplied{});
  EXPECT_THAT(feed(IopubSeen{}), ElementsAre("announce idle", "complete 1"));
}

TEST_F(LifecycleTest, RepeatsKernelInfoWithPausesThatGrowToOneSecond) {
  bring_to_connecting();
  for (const Duration pause : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    EXPECT_THAT(pass(pause - 1ms), IsEmpty());
    EXPECT_THAT(pass(1ms), ElementsAre("kernel_info"));
  }
}

TEST_F(LifecycleTest, RepeatsKernelInfoUntilIopubWorksToo) {
  bring_to_connecting();
  feed(KernelInfoReplied{});
  EXPECT_THAT(pass(100ms), ElementsAre("kernel_info"));
}

TEST_F(LifecycleTest, RunsNoClockWhileReady) {
  bring_to_ready();
  EXPECT_EQ(life_.next_deadline(), std::nullopt);
}

TEST_F(LifecycleTest, IgnoresATimerThatRingsTooEarly) {
  bring_to_connecting();
  now_ += 99ms;
  EXPECT_THAT(feed(DeadlinePassed{}), IsEmpty());
}

TEST_F(LifecycleTest, DoesNotNudgeForEverWithAPauseOfNothing) {
  configure({.nudge_first = 0ms, .nudge_max = 0ms});
  bring_to_connecting();
  EXPECT_THAT(feed(DeadlinePassed{}), IsEmpty());
  now_ += 1ms;
  EXPECT_THAT(feed(DeadlinePassed{}), ElementsAre("kernel_info"));
}

TEST_F(LifecycleTest, ASecondStartWaitsForTheFirst) {
  bring_to_starting();
  EXPECT_THAT(feed(StartRequested{2}), IsEmpty());
  feed(Launched{1});
  feed(IopubSeen{});
  EXPECT_THAT(feed(KernelInfoReplied{}), ElementsAre("announce idle", "complete 1", "complete 2"));
}

TEST_F(LifecycleTest, CompletesAtLaunchWhatWaitsForNoMore) {
  feed(StartRequested{1, Until::launched});
  EXPECT_THAT(feed(Launched{1}), ElementsAre("connect", "kernel_info", "complete 1"));
  EXPECT_THAT(feed(StartRequested{2, Until::launched}), ElementsAre("complete 2"));
}

TEST_F(LifecycleTest, AStartOfAReadyKernelIsCompleteAtOnce) {
  bring_to_ready();
  EXPECT_THAT(feed(StartRequested{2}), ElementsAre("complete 2"));
}

TEST_F(LifecycleTest, RefusesMoreRequestsThanMayWait) {
  configure({.pending_requests_max = 1});
  bring_to_starting();
  EXPECT_THAT(feed(StartRequested{2}), ElementsAre("complete 2: resource_exhausted"));
  EXPECT_THAT(feed(StopRequested{3}), Contains("cancel 1"));
}

// Starts that fail.

TEST_F(LifecycleTest, AFailedLaunchIsDeathWithItsReason) {
  bring_to_starting();
  EXPECT_THAT(feed(LaunchFailed{1, {Code::not_found, "no such program"}}),
              ElementsAre("announce dead", "complete 1: not_found by the kernel"));
  EXPECT_EQ(life_.state(), State::dead);
  EXPECT_EQ(life_.reason(), "no such program");
}

TEST_F(LifecycleTest, ALaunchThatTakesTooLongIsDeath) {
  bring_to_starting();
  EXPECT_THAT(pass(60s), ElementsAre("cancel 1", "announce dead",
                                     "complete 1: deadline_exceeded by the kernel"));
  EXPECT_EQ(life_.reason(), "the kernel was not launched within 60 s (start_timeout)");
}

TEST_F(LifecycleTest, AKernelThatNeverAnswersIsKilled) {
  bring_to_connecting();
  EXPECT_THAT(pass(59s), Not(Contains("kill 1")));
  const Texts texts = pass(1s);
  EXPECT_EQ(
      Texts(texts.end() - 4, texts.end()),
      (Texts{"kill 1", "gone 1", "announce dead", "complete 1: deadline_exceeded by the kernel"}));
  EXPECT_THAT(life_.reason(), HasSubstr("did not answer kernel_info_request within 60 s"));
}

TEST_F(LifecycleTest, SaysThatOnlyIopubWasMissing) {
  bring_to_connecting();
  feed(KernelInfoReplied{});
  pass(60s);
  EXPECT_THAT(life_.reason(), HasSubstr("published nothing on iopub within 60 s"));
}

TEST_F(LifecycleTest, TheStartTimeoutCountsFromTheLaunch) {
  bring_to_starting();
  pass(50s);
  feed(Launched{1});
  EXPECT_THAT(pass(10s), Contains("announce dead"));
}

TEST_F(LifecycleTest, ADeathBeforeItWasEverReadyIsFinal) {
  bring_to_connecting();
  EXPECT_THAT(exits(ProcessExit::exited(1)),
              ElementsAre("kill 1", "gone 1", "announce dead",
                          "complete 1: failed_precondition by the kernel"));
  EXPECT_EQ(life_.reason(), "the kernel's process exited with code 1 while it was starting");
  EXPECT_EQ(life_.next_deadline(), std::nullopt);
}

TEST_F(LifecycleTest, AProcessThatComesTooLateIsKilled) {
  bring_to_starting();
  pass(60s);
  EXPECT_THAT(feed(Launched{1}), ElementsAre("kill 1"));
  EXPECT_THAT(exits(ProcessExit::killed_by(9)), ElementsAre("kill 1"));
  EXPECT_EQ(life_.state(), State::dead);
}

// Death and automatic restart.

TEST_F(LifecycleTest, RestartsAKernelThatDies) {
  bring_to_ready();
  EXPECT_THAT(exits(ProcessExit::killed_by(11)),
              ElementsAre("kill 1", "gone 1", "announce restarting", "launch 2"));
  EXPECT_EQ(life_.state(), State::starting);
  EXPECT_EQ(life_.reason(), "the kernel's process was killed by signal 11 (SIGSEGV)");
}

TEST_F(LifecycleTest, AnnouncesIdleAfterAnAutomaticRestart) {
  bring_to_ready();
  exits(ProcessExit::killed_by(11));
  feed(Launched{2});
  feed(IopubSeen{});
  EXPECT_THAT(feed(KernelInfoReplied{}), ElementsAre("announce idle"));
  EXPECT_THAT(life_.reason(), HasSubstr("SIGSEGV"));
}

TEST_F(LifecycleTest, NeverRestartsWhenToldNotTo) {
  configure({.auto_restart = AutoRestart::never});
  bring_to_ready();
  EXPECT_THAT(exits(ProcessExit::exited(3)), ElementsAre("kill 1", "gone 1", "announce dead"));
  EXPECT_EQ(life_.reason(), "the kernel's process exited with code 3; automatic restart is off");
}

TEST_F(LifecycleTest, GivesUpAfterFiveRestartsInAMinute) {
  bring_to_ready();
  for (int restart = 1; restart <= 5; ++restart) {
    EXPECT_THAT(exits(ProcessExit::exited(3)), Contains("announce restarting"));
    launch_and_answer();
    pass(11s);
  }
  EXPECT_THAT(exits(ProcessExit::exited(3)), ElementsAre("kill 6", "gone 6", "announce dead"));
  EXPECT_EQ(life_.reason(),
            "the kernel's process exited with code 3; not restarted, for that was done 5 times "
            "within 60 s already");
}

TEST_F(LifecycleTest, ADeathDuringAnAutomaticRestartCountsAsAnother) {
  bring_to_ready();
  for (int restart = 1; restart <= 5; ++restart) {
    EXPECT_THAT(exits(ProcessExit::exited(3)), Contains("announce restarting"));
    feed(Launched{life_.generation()});
  }
  EXPECT_THAT(exits(ProcessExit::exited(3)), Contains("announce dead"));
}

TEST_F(LifecycleTest, ARestartOnPurposeForgivesEarlierDeaths) {
  bring_to_ready();
  for (int restart = 1; restart <= 5; ++restart) {
    exits(ProcessExit::exited(3));
    launch_and_answer();
  }
  feed(RestartRequested{2, Until::ready, true});
  exits(ProcessExit::killed_by(9));
  launch_and_answer();
  EXPECT_EQ(life_.reason(), "");
  EXPECT_THAT(exits(ProcessExit::exited(3)), Contains("announce restarting"));
}

TEST_F(LifecycleTest, IgnoresTheExitOfAnEarlierProcess) {
  bring_to_ready();
  exits(ProcessExit::exited(3));
  launch_and_answer();
  EXPECT_THAT(feed(ProcessExited{1, ProcessExit::exited(3)}), IsEmpty());
  EXPECT_EQ(life_.state(), State::ready);
}

// Restart on purpose.

TEST_F(LifecycleTest, AsksTheKernelBeforeARestart) {
  bring_to_ready();
  EXPECT_THAT(feed(RestartRequested{2}), ElementsAre("shutdown restart"));
  feed(ShutdownReplied{true});
  EXPECT_THAT(exits(ProcessExit::exited(0)),
              ElementsAre("kill 1", "gone 1 as wanted", "announce starting", "launch 2"));
  EXPECT_THAT(feed(Launched{2}), ElementsAre("connect", "kernel_info", "complete 2"));
}

TEST_F(LifecycleTest, NeverAnnouncesRestartingForARestartOnPurpose) {
  bring_to_ready();
  Texts all = feed(RestartRequested{2});
  for (const std::string& text : exits(ProcessExit::exited(0))) all.push_back(text);
  EXPECT_THAT(all, Not(Contains("announce restarting")));
}

TEST_F(LifecycleTest, ARestartOfABusyStarterWaitsForItsLaunch) {
  bring_to_starting();
  EXPECT_THAT(feed(RestartRequested{2}), IsEmpty());
  EXPECT_THAT(feed(Launched{1}), Contains("complete 2"));
}

TEST_F(LifecycleTest, ARestartWhileConnectingDoesNotAskAKernelThatHasNothingToSave) {
  bring_to_connecting();
  EXPECT_THAT(feed(RestartRequested{2}), ElementsAre("terminate 1"));
  EXPECT_THAT(exits(ProcessExit::killed_by(15)), Contains("launch 2"));
  EXPECT_THAT(feed(Launched{2}), Contains("complete 2"));
  feed(IopubSeen{});
  EXPECT_THAT(feed(KernelInfoReplied{}), Contains("complete 1"));
}

TEST_F(LifecycleTest, WhatThePreviousProcessAnsweredProvesNothing) {
  bring_to_connecting();
  feed(KernelInfoReplied{});
  feed(RestartRequested{2});
  exits(ProcessExit::killed_by(15));
  feed(Launched{2});
  EXPECT_THAT(feed(IopubSeen{}), IsEmpty());
}

TEST_F(LifecycleTest, ARestartStartsADeadKernelAgain) {
  bring_to_dead();
  EXPECT_THAT(feed(RestartRequested{2}), ElementsAre("announce starting", "launch 2"));
  EXPECT_EQ(life_.reason(), "");
}

TEST_F(LifecycleTest, ARestartOfADeadKernelWaitsForTheEndOfItsProcess) {
  bring_to_connecting();
  pass(60s);
  EXPECT_THAT(feed(RestartRequested{2}), ElementsAre("kill 1"));
  EXPECT_THAT(exits(ProcessExit::killed_by(9)),
              ElementsAre("kill 1", "announce starting", "launch 2"));
}

TEST_F(LifecycleTest, ARestartIsRefusedWhileAnAbandonedLaunchMayStillCome) {
  bring_to_starting();
  pass(60s);
  EXPECT_THAT(feed(RestartRequested{2}), ElementsAre("complete 2: unavailable"));
  EXPECT_EQ(life_.state(), State::dead);
  feed(LaunchFailed{1, {Code::internal, "too late"}});
  EXPECT_THAT(feed(RestartRequested{3}), Contains("launch 2"));
}

TEST_F(LifecycleTest, ARefusalIsNotRememberedForTheNextRequest) {
  bring_to_starting();
  pass(60s);
  feed(RestartRequested{2});
  feed(LaunchFailed{1, {}});
  feed(RestartRequested{3});
  feed(LaunchFailed{2, {Code::not_found, "no such program"}});
  EXPECT_EQ(error_of_the_last_completion().message, "no such program");
}

TEST_F(LifecycleTest, IgnoresALaunchThatIsReportedTwice) {
  bring_to_connecting();
  EXPECT_THAT(feed(Launched{1}), IsEmpty());
  exits(ProcessExit::exited(1));
  EXPECT_THAT(feed(Launched{1}), IsEmpty());
  EXPECT_THAT(feed(RestartRequested{2}), Contains("launch 2"));
}

TEST_F(LifecycleTest, ARestartAtOnceWorksAgainAfterARestartAtOnce) {
  bring_to_ready();
  feed(RestartRequested{2, Until::ready, true});
  exits(ProcessExit::killed_by(9));
  launch_and_answer();
  EXPECT_THAT(feed(RestartRequested{3, Until::ready, true}), ElementsAre("kill 2"));
}

TEST_F(LifecycleTest, TwoRestartsAtOnceAreOne) {
  bring_to_ready();
  feed(RestartRequested{2});
  EXPECT_THAT(feed(RestartRequested{3}), IsEmpty());
  exits(ProcessExit::exited(0));
  EXPECT_THAT(feed(Launched{2}), AllOf(Contains("complete 2"), Contains("complete 3")));
}

TEST_F(LifecycleTest, ARestartAtOnceHurriesOneThatAsks) {
  bring_to_ready();
  feed(RestartRequested{2});
  EXPECT_THAT(feed(RestartRequested{3, Until::launched, true}), ElementsAre("kill 1"));
  EXPECT_THAT(feed(RestartRequested{4, Until::launched, true}), IsEmpty());
}

TEST_F(LifecycleTest, ARestartAtOnceKillsWithoutAsking) {
  bring_to_ready();
  EXPECT_THAT(feed(RestartRequested{2, Until::launched, true}), ElementsAre("kill 1"));
  configure({});
  bring_to_connecting();
  EXPECT_THAT(feed(RestartRequested{2, Until::launched, true}), ElementsAre("kill 1"));
}

TEST_F(LifecycleTest, ANewProcessThatDiesAfterARestartOnPurposeFailsTheRestart) {
  bring_to_ready();
  feed(RestartRequested{2, Until::ready});
  exits(ProcessExit::exited(0));
  feed(Launched{2});
  EXPECT_THAT(exits(ProcessExit::exited(1)),
              Contains("complete 2: failed_precondition by the kernel"));
}

TEST_F(LifecycleTest, ARestartFailsWhenTheOldProcessOutlivesSigkill) {
  bring_to_ready();
  feed(RestartRequested{2, Until::ready, true});
  EXPECT_THAT(pass(10s), ElementsAre("gone 1 as wanted", "announce dead",
                                     "complete 2: deadline_exceeded by the kernel"));
  EXPECT_EQ(life_.reason(), "the kernel's process did not end within 10 s (kill_wait) of SIGKILL");
}

// The ladder.

TEST_F(LifecycleTest, ClimbsTheLadderWhenTheKernelDoesNotEnd) {
  bring_to_ready();
  EXPECT_THAT(feed(StopRequested{2}), ElementsAre("shutdown"));
  EXPECT_THAT(pass(2499ms), IsEmpty());
  EXPECT_THAT(pass(1ms), ElementsAre("terminate 1"));
  EXPECT_THAT(pass(2499ms), IsEmpty());
  EXPECT_THAT(pass(1ms), ElementsAre("kill 1"));
  EXPECT_THAT(exits(ProcessExit::killed_by(9)),
              ElementsAre("kill 1", "gone 1 as wanted", "announce dead", "cleanup", "complete 2"));
  EXPECT_EQ(life_.state(), State::stopped);
}

TEST_F(LifecycleTest, EndsTheLadderAsSoonAsTheProcessEnds) {
  bring_to_ready();
  feed(StopRequested{2});
  EXPECT_THAT(exits(ProcessExit::exited(0)),
              ElementsAre("kill 1", "gone 1 as wanted", "announce dead", "cleanup", "complete 2"));
  EXPECT_EQ(life_.next_deadline(), std::nullopt);
}

TEST_F(LifecycleTest, GivesUpOnAProcessThatSigkillDoesNotEnd) {
  bring_to_ready();
  feed(StopRequested{2});
  const Texts texts = pass(15s);
  EXPECT_EQ(
      Texts(texts.end() - 4, texts.end()),
      (Texts{"gone 1 as wanted", "announce dead", "cleanup", "complete 2: deadline_exceeded"}));
  EXPECT_THAT(error_of_the_last_completion().message, HasSubstr("did not end within 10 s"));
  EXPECT_THAT(exits(ProcessExit::killed_by(9)), ElementsAre("kill 1", "cleanup"));
}

TEST_F(LifecycleTest, ClimbsTheLadderForARestartToo) {
  bring_to_ready();
  feed(RestartRequested{2});
  EXPECT_THAT(pass(5s), ElementsAre("terminate 1", "kill 1"));
}

TEST_F(LifecycleTest, ALateTimerShortensNoRung) {
  bring_to_ready();
  feed(StopRequested{2});
  now_ += 1h;
  EXPECT_THAT(feed(DeadlinePassed{}), ElementsAre("terminate 1"));
  EXPECT_EQ(life_.next_deadline(), now_ + 2500ms);
}

TEST_F(LifecycleTest, ShutdownRepliesDoNotEndTheLadder) {
  bring_to_ready();
  feed(StopRequested{2});
  EXPECT_THAT(feed(ShutdownReplied{false}), IsEmpty());
  EXPECT_THAT(pass(2500ms), ElementsAre("terminate 1"));
}

// Stop in every state.

TEST_F(LifecycleTest, StopsBeforeItWasEverStarted) {
  EXPECT_THAT(feed(StopRequested{1}), ElementsAre("cleanup", "complete 1"));
}

TEST_F(LifecycleTest, AStopDuringALaunchKillsWhatComesOfIt) {
  bring_to_starting();
  EXPECT_THAT(feed(StopRequested{2}), ElementsAre("cancel 1", "complete 1: aborted"));
  EXPECT_THAT(feed(Launched{1}), ElementsAre("kill 1"));
  EXPECT_THAT(exits(ProcessExit::killed_by(9)), Contains("complete 2"));
}

TEST_F(LifecycleTest, AStopDuringALaunchIsDoneWhenTheLaunchFails) {
  bring_to_starting();
  feed(StopRequested{2});
  EXPECT_THAT(feed(LaunchFailed{1, {}}), ElementsAre("announce dead", "cleanup", "complete 2"));
}

TEST_F(LifecycleTest, AStopDuringALaunchThatNeverComesBackEnds) {
  bring_to_starting();
  feed(StopRequested{2});
  EXPECT_THAT(pass(10s), ElementsAre("announce dead", "cleanup", "complete 2: deadline_exceeded"));
  EXPECT_THAT(error_of_the_last_completion().message, HasSubstr("launch"));
  EXPECT_THAT(feed(Launched{1}), ElementsAre("kill 1"));
}

TEST_F(LifecycleTest, AStopAtOnceDuringALaunchHasNothingToKillYet) {
  bring_to_starting();
  EXPECT_THAT(feed(StopRequested{2, true}), Contains("cancel 1"));
  EXPECT_THAT(feed(StopRequested{3, true}), IsEmpty());
}

TEST_F(LifecycleTest, AStopWhileConnectingTerminates) {
  bring_to_connecting();
  EXPECT_THAT(feed(StopRequested{2}), ElementsAre("terminate 1", "complete 1: aborted"));
  EXPECT_THAT(pass(2500ms), ElementsAre("kill 1"));
}

TEST_F(LifecycleTest, AStopAtOnceKills) {
  bring_to_ready();
  EXPECT_THAT(feed(StopRequested{2, true}), ElementsAre("kill 1"));
  configure({});
  bring_to_connecting();
  EXPECT_THAT(feed(StopRequested{2, true}), Contains("kill 1"));
}

TEST_F(LifecycleTest, AStopOverridesARestart) {
  bring_to_ready();
  feed(RestartRequested{2});
  EXPECT_THAT(feed(StopRequested{3}), ElementsAre("complete 2: aborted"));
  EXPECT_THAT(exits(ProcessExit::exited(0)),
              ElementsAre("kill 1", "gone 1 as wanted", "announce dead", "cleanup", "complete 3"));
}

TEST_F(LifecycleTest, AStopAtOnceOverridesARestartAtOnce) {
  bring_to_ready();
  feed(RestartRequested{2});
  EXPECT_THAT(feed(StopRequested{3, true}), ElementsAre("kill 1", "complete 2: aborted"));
}

TEST_F(LifecycleTest, TwoStopsAreCompletedTogether) {
  bring_to_ready();
  feed(StopRequested{2});
  EXPECT_THAT(feed(StopRequested{3}), IsEmpty());
  EXPECT_THAT(exits(ProcessExit::exited(0)), AllOf(Contains("complete 2"), Contains("complete 3")));
}

TEST_F(LifecycleTest, AStopAtOnceHurriesOneThatAsks) {
  bring_to_ready();
  feed(StopRequested{2});
  EXPECT_THAT(feed(StopRequested{3, true}), ElementsAre("kill 1"));
  EXPECT_THAT(feed(StopRequested{4, true}), IsEmpty());
}

TEST_F(LifecycleTest, AStopOfADeadKernelOnlyCleansUp) {
  bring_to_dead();
  EXPECT_THAT(feed(StopRequested{2}), ElementsAre("cleanup", "complete 2"));
}

TEST_F(LifecycleTest, AStopOfADeadKernelEndsItsProcess) {
  bring_to_connecting();
  pass(60s);
  EXPECT_THAT(feed(StopRequested{2}), ElementsAre("kill 1"));
  EXPECT_THAT(exits(ProcessExit::killed_by(9)),
              ElementsAre("kill 1", "announce dead", "cleanup", "complete 2"));
}

TEST_F(LifecycleTest, AStopOfADeadKernelWaitsForItsAbandonedLaunch) {
  bring_to_starting();
  pass(60s);
  EXPECT_THAT(feed(StopRequested{2}), ElementsAre("cancel 1"));
  EXPECT_THAT(feed(LaunchFailed{1, {}}), ElementsAre("announce dead", "cleanup", "complete 2"));
}

TEST_F(LifecycleTest, AnswersEveryRequestAfterItsEnd) {
  bring_to_ready();
  feed(StopRequested{2, true});
  exits(ProcessExit::killed_by(9));
  EXPECT_THAT(feed(StopRequested{3}), ElementsAre("complete 3"));
  EXPECT_THAT(feed(StartRequested{4}), ElementsAre("complete 4: aborted"));
  EXPECT_THAT(feed(RestartRequested{5}), ElementsAre("complete 5: aborted"));
  EXPECT_EQ(life_.state(), State::stopped);
}

TEST_F(LifecycleTest, RefusesARestartWhileStopping) {
  bring_to_ready();
  feed(StopRequested{2});
  EXPECT_THAT(feed(RestartRequested{3}), ElementsAre("complete 3: aborted"));
}

// A client asks the kernel itself to shut down.

TEST_F(LifecycleTest, AKernelThatAClientShutsDownIsStoppedAndNotRestarted) {
  bring_to_ready();
  EXPECT_THAT(feed(ShutdownReplied{false}), IsEmpty());
  EXPECT_EQ(life_.state(), State::stopping);
  EXPECT_THAT(exits(ProcessExit::exited(0)),
              ElementsAre("kill 1", "gone 1 as wanted", "announce dead", "cleanup"));
}

TEST_F(LifecycleTest, AKernelThatAClientRestartsIsLaunchedAgain) {
  bring_to_ready();
  feed(ShutdownReplied{true});
  EXPECT_THAT(exits(ProcessExit::exited(0)), Contains("launch 2"));
}

TEST_F(LifecycleTest, AKernelThatSaysGoodbyeAndStaysIsTerminated) {
  bring_to_ready();
  feed(ShutdownReplied{false});
  EXPECT_THAT(pass(5s), ElementsAre("terminate 1", "kill 1"));
}

}  // namespace
}  // namespace perijove::lifecycle
