#include "model/reply_hold.hpp"

#include <gmock/gmock.h>

#include <map>
#include <memory>

#include "unit/model/simulation.hpp"

namespace perijove {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReplyHoldTest : public ::testing::Test {
 protected:
  TimePoint now_{};
  ReplyHold<std::string> hold_;
};

TEST_F(ReplyHoldTest, KeepsAReplyUntilIdle) {
  EXPECT_THAT(hold_.on_reply("m1", "reply 1", now_), IsEmpty());
  EXPECT_THAT(hold_.on_idle("m1"), ElementsAre("reply 1"));
  EXPECT_EQ(hold_.next_deadline(), std::nullopt);
}

TEST_F(ReplyHoldTest, PassesAReplyWhoseIdleCameFirst) {
  EXPECT_THAT(hold_.on_idle("m1"), IsEmpty());
  EXPECT_THAT(hold_.on_reply("m1", "reply 1", now_), ElementsAre("reply 1"));
}

TEST_F(ReplyHoldTest, AnIdleCountsForOneReply) {
  hold_.on_idle("m1");
  hold_.on_reply("m1", "reply 1", now_);
  EXPECT_THAT(hold_.on_reply("m1", "reply 1 again", now_), IsEmpty());
}

TEST_F(ReplyHoldTest, TheIdleOfAnotherRequestReleasesNothing) {
  hold_.on_reply("m1", "reply 1", now_);
  EXPECT_THAT(hold_.on_idle("m2"), IsEmpty());
  EXPECT_EQ(hold_.held(), 1U);
}

TEST_F(ReplyHoldTest, WaitsOneSecondForIdle) {
  hold_.on_reply("m1", "reply 1", now_);
  hold_.on_reply("m2", "reply 2", now_ + 100ms);
  EXPECT_EQ(hold_.next_deadline(), now_ + 1s);
  EXPECT_THAT(hold_.on_deadline(now_ + 999ms), IsEmpty());
  EXPECT_THAT(hold_.on_deadline(now_ + 1s), ElementsAre("reply 1"));
  EXPECT_EQ(hold_.next_deadline(), now_ + 1100ms);
}

TEST_F(ReplyHoldTest, WaitsOnWhileOutputsOfTheRequestStillCome) {
  EXPECT_TRUE(hold_.on_reply("a", "A", now_).empty());
  EXPECT_TRUE(hold_.on_reply("b", "B", now_).empty());
  hold_.on_output("a", now_ + 900ms);
  EXPECT_THAT(hold_.on_deadline(now_ + 1s), ElementsAre("B"));
  EXPECT_EQ(hold_.next_deadline(), now_ + 1900ms);
  for (auto at = 1s; at < 60s; at += 1s) hold_.on_output("a", now_ + at);
  EXPECT_EQ(hold_.next_deadline(), now_ + 60s) << "but not for ever";
  EXPECT_THAT(hold_.on_deadline(now_ + 60s), ElementsAre("A"));
}

TEST_F(ReplyHoldTest, ReleasesInOrderOfArrival) {
  hold_.on_reply("m1", "reply 1", now_);
  hold_.on_reply("m2", "reply 2", now_);
  hold_.on_reply("m3", "reply 3", now_);
  EXPECT_THAT(hold_.on_idle("m2"), ElementsAre("reply 2"));
  EXPECT_THAT(hold_.release_all(), ElementsAre("reply 1", "reply 3"));
}

TEST_F(ReplyHoldTest, LetsTheOldestGoBeyondItsBound) {
  hold_ = ReplyHold<std::string>({.held_max = 2});
  hold_.on_reply("m1", "reply 1", now_);
  hold_.on_reply("m2", "reply 2", now_);
  EXPECT_THAT(hold_.on_reply("m3", "reply 3", now_), ElementsAre("reply 1"));
  EXPECT_EQ(hold_.held(), 2U);
}

TEST_F(ReplyHoldTest, HoldsNothingWhenItMayHoldNothing) {
  hold_ = ReplyHold<std::string>({.held_max = 0});
  EXPECT_THAT(hold_.on_reply("m1", "reply 1", now_), ElementsAre("reply 1"));
}

TEST_F(ReplyHoldTest, ForgetsTheOldestIdleBeyondItsBound) {
  hold_ = ReplyHold<std::string>({.idles_max = 1});
  hold_.on_idle("m1");
  hold_.on_idle("m2");
  EXPECT_THAT(hold_.on_reply("m1", "reply 1", now_), IsEmpty());
  EXPECT_THAT(hold_.on_reply("m2", "reply 2", now_), ElementsAre("reply 2"));
}

TEST_F(ReplyHoldTest, CarriesRepliesThatOnlyMove) {
  ReplyHold<std::unique_ptr<int>> hold;
  hold.on_reply("m1", std::make_unique<int>(1), now_);
  hold.on_reply("m2", std::make_unique<int>(2), now_);
  const auto released = hold.on_idle("m1");
  ASSERT_EQ(released.size(), 1U);
  EXPECT_EQ(*released.front(), 1);
  EXPECT_EQ(*hold.release_all().front(), 2);
}

TEST(ReplyHoldSimulation, HandsEveryReplyOnOnceAndInTime) {
  for (const std::uint64_t seed : simulation::seeds(2000)) {
    simulation::Random random(seed);
    const ReplyHoldOptions options{
        .wait = 1s, .held_max = random.below(10), .idles_max = random.below(10)};
    ReplyHold<int> hold(options);
    TimePoint now{};
    std::map<int, TimePoint> waiting;
    int next_reply = 0;
    const auto hand_on = [&](const std::vector<int>& replies) {
      for (const int reply : replies) {
        ASSERT_EQ(waiting.erase(reply), 1U) << "reply " << reply << " came twice";
      }
    };
    for (int i = 0; i < 200; ++i) {
      const auto deadline = hold.next_deadline();
      now += random.between(0ms, 300ms);
      if (deadline && *deadline <= now) {
        now = *deadline;
        hand_on(hold.on_deadline(now));
      } else if (random.chance(50)) {
        const std::string parent = "m" + std::to_string(random.below(12));
        waiting[++next_reply] = now;
        hand_on(hold.on_reply(parent, next_reply, now));
      } else {
        hand_on(hold.on_idle("m" + std::to_string(random.below(12))));
      }
      ASSERT_EQ(hold.held(), waiting.size());
      ASSERT_LE(hold.held(), options.held_max);
      for (const auto& [reply, since] : waiting) ASSERT_LT(now - since, options.wait);
      ASSERT_FALSE(::testing::Test::HasFailure()) << "PERIJOVE_SEED=" << seed;
    }
    hand_on(hold.release_all());
    ASSERT_TRUE(waiting.empty()) << "PERIJOVE_SEED=" << seed;
  }
}

}  // namespace
}  // namespace perijove
