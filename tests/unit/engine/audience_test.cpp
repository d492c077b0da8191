#include "engine/audience.hpp"

#include <gmock/gmock.h>

#include "base/limits.hpp"

namespace perijove {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::size_t kPlenty = 1 << 20;
constexpr TimePoint kStart{};

MessagePtr message(const std::string& content) {
  return Message::copy(Channel::iopub, {"", "", "", content});
}

class Listener final : public KernelListener {
 public:
  void on_messages() override {
    ++told;
    if (then) then();
  }
  void on_writable() override {}
  void on_replaced() override { ++replaced; }
  void on_kernel_gone(std::string_view) override {}

  int told = 0;
  int replaced = 0;
  std::function<void()> then;
};

// Everything that is there for a reader; a number stands for that many missed.
std::vector<std::string> read_all(Audience& audience, ReaderId reader) {
  std::vector<std::string> contents;
  for (;;) {
    const Journal::Read read = audience.read(reader);
    if (read.missed > 0) contents.push_back(std::to_string(read.missed));
    if (!read.message) return contents;
    contents.emplace_back(read.message->parts().content);
  }
}

class AudienceTest : public ::testing::Test {
 protected:
  Audience audience_{kPlenty, nullptr};
  Listener anna_, bert_;
};

TEST_F(AudienceTest, EveryMemberGetsWhatCameSinceItAttached) {
  const ReaderId anna = audience_.attach("", anna_);
  audience_.publish(message("1"));
  const ReaderId bert = audience_.attach("", bert_);
  audience_.publish(message("2"));
  EXPECT_NE(anna, bert);
  EXPECT_THAT(read_all(audience_, anna), ElementsAre("1", "2"));
  EXPECT_THAT(read_all(audience_, bert), ElementsAre("2"));
  EXPECT_EQ(audience_.attached(), 2u);
}

TEST_F(AudienceTest, AReplyIsForOneMemberOnly) {
  const ReaderId anna = audience_.attach("a", anna_);
  const ReaderId bert = audience_.attach("b", bert_);
  audience_.publish(message("for all"));
  audience_.publish(message("for Anna"), anna);
  EXPECT_THAT(read_all(audience_, anna), ElementsAre("for all", "for Anna"));
  EXPECT_THAT(read_all(audience_, bert), ElementsAre("for all"));
}

TEST_F(AudienceTest, TellsAllOnceForSeveralMessages) {
  audience_.attach("", anna_);
  audience_.attach("", bert_);
  audience_.notify(kStart);
  EXPECT_EQ(anna_.told, 0) << "there is nothing";
  audience_.publish(message("1"));
  audience_.publish(message("2"));
  audience_.notify(kStart);
  audience_.notify(kStart);
  EXPECT_EQ(anna_.told, 1);
  EXPECT_EQ(bert_.told, 1);
}

TEST_F(AudienceTest, WithoutMembersKeepsNothing) {
  audience_.publish(message("unheard"));
  EXPECT_EQ(audience_.journal().size(), 0u);
  const ReaderId anna = audience_.attach("a", anna_);
  EXPECT_THAT(read_all(audience_, anna), IsEmpty());
}

TEST_F(AudienceTest, ASessionThatComesBackGetsWhatWasNotAcknowledged) {
  const ReaderId anna = audience_.attach("a", anna_);
  for (const char* content : {"1", "2", "3"}) audience_.publish(message(content));
  audience_.read(anna);
  audience_.acknowledge(anna, audience_.read(anna).position);  // 1 and 2 have arrived
  audience_.read(anna);                                        // 3 was on its way
  audience_.detach(anna, anna_, kStart);
  EXPECT_EQ(audience_.attached(), 0u);
  audience_.publish(message("4"));
  audience_.notify(kStart);

  Listener again;
  EXPECT_EQ(audience_.attach("a", again), anna);
  EXPECT_THAT(read_all(audience_, anna), ElementsAre("3", "4"));
  EXPECT_EQ(anna_.replaced, 0) << "it was gone";
}

TEST_F(AudienceTest, ComesBackInOrderWhileOthersReadOn) {
  const ReaderId anna = audience_.attach("a", anna_);
  const ReaderId bert = audience_.attach("b", bert_);
  audience_.detach(anna, anna_, kStart);
  for (const char* content : {"1", "2"}) audience_.publish(message(content));
  audience_.publish(message("for Anna"), anna);
  audience_.acknowledge(bert, 3);
  EXPECT_THAT(read_all(audience_, bert), ElementsAre("1", "2"));
  audience_.notify(kStart);
  audience_.attach("a", anna_);
  EXPECT_THAT(read_all(audience_, anna), ElementsAre("1", "2", "for Anna"));
}

TEST_F(AudienceTest, WhoeverComesBackIsToldSo) {
  const ReaderId anna = audience_.attach("a", anna_);
  audience_.detach(anna, anna_, kStart);
  audience_.publish(message("1"));
  audience_.notify(kStart);
  EXPECT_EQ(anna_.told, 0);
  audience_.attach("a", anna_);
  audience_.notify(kStart);
  EXPECT_EQ(anna_.told, 1);
}

TEST_F(AudienceTest, ASessionOpenedTwiceBelongsToItsSuccessor) {
  const ReaderId anna = audience_.attach("a", anna_);
  audience_.publish(message("1"));
  EXPECT_EQ(audience_.attach("a", bert_), anna);
  EXPECT_EQ(anna_.replaced, 1);
  EXPECT_EQ(audience_.find(anna), &bert_);
  EXPECT_EQ(audience_.attached(), 1u);
  audience_.detach(anna, anna_, kStart);  // the predecessor closes at last
  EXPECT_EQ(audience_.find(anna), &bert_);
  EXPECT_THAT(read_all(audience_, anna), ElementsAre("1"));
}

TEST_F(AudienceTest, WithoutASessionIdNobodyComesBack) {
  const ReaderId anna = audience_.attach("", anna_);
  audience_.detach(anna, anna_, kStart);
  EXPECT_NE(audience_.attach("", anna_), anna);
  EXPECT_EQ(audience_.find(anna), nullptr);
  EXPECT_FALSE(audience_.read(anna).message);
}

TEST_F(AudienceTest, FindsASessionAttachedOrNot) {
  const ReaderId anna = audience_.attach("a", anna_);
  EXPECT_EQ(audience_.find_session("a"), anna);
  audience_.detach(anna, anna_, kStart);
  EXPECT_EQ(audience_.find_session("a"), anna);
  EXPECT_EQ(audience_.find_session("b"), kEveryReader);
  audience_.attach("", bert_);
  EXPECT_EQ(audience_.find_session(""), kEveryReader);
}

TEST_F(AudienceTest, ForgetsWhatAllHaveAcknowledged) {
  const ReaderId anna = audience_.attach("a", anna_);
  const ReaderId bert = audience_.attach("b", bert_);
  for (const char* content : {"1", "2", "3"}) audience_.publish(message(content));
  audience_.acknowledge(anna, 3);
  audience_.acknowledge(bert, 1);
  audience_.notify(kStart);
  EXPECT_EQ(audience_.journal().size(), 2u);
  audience_.acknowledge(bert, 0);  // never back
  audience_.notify(kStart);
  EXPECT_EQ(audience_.journal().size(), 2u);
  audience_.acknowledge(bert, 3);
  audience_.notify(kStart);
  EXPECT_EQ(audience_.journal().size(), 0u);
}

TEST_F(AudienceTest, AMemberThatLeftForGoodHoldsNothingBack) {
  const ReaderId anna = audience_.attach("", anna_);
  audience_.attach("b", bert_);
  audience_.publish(message("1"));
  audience_.detach(anna, anna_, kStart);
  audience_.acknowledge(audience_.find_session("b"), 1);
  audience_.notify(kStart);
  EXPECT_EQ(audience_.journal().size(), 0u);
}

TEST_F(AudienceTest, ALostSessionIsKeptForItsTimeAndNoLonger) {
  const ReaderId anna = audience_.attach("a", anna_);
  audience_.detach(anna, anna_, kStart);
  audience_.publish(message("1"));
  audience_.notify(kStart + limits::kDetachedSessionKept);
  EXPECT_EQ(audience_.find_session("a"), anna);
  audience_.notify(kStart + limits::kDetachedSessionKept + seconds(1));
  EXPECT_EQ(audience_.find_session("a"), kEveryReader);
  EXPECT_EQ(audience_.journal().size(), 0u);
}

TEST_F(AudienceTest, AnAttachedSessionNeverExpires) {
  const ReaderId anna = audience_.attach("a", anna_);
  audience_.detach(anna, anna_, kStart);
  audience_.attach("a", anna_);
  audience_.notify(kStart + 10 * limits::kDetachedSessionKept);
  EXPECT_EQ(audience_.find(anna), &anna_);
}

TEST_F(AudienceTest, OfTooManyLostSessionsTheLongestLostIsForgotten) {
  // Attached in one order and lost in the opposite one.
  std::vector<ReaderId> readers;
  for (std::size_t i = 0; i <= limits::kDetachedSessionsMax; ++i) {
    readers.push_back(audience_.attach("s" + std::to_string(i), anna_));
  }
  for (std::size_t i = readers.size(); i-- > 0;) {
    audience_.detach(readers[i], anna_, kStart + seconds(readers.size() - i));
  }
  audience_.notify(kStart + minutes(5));
  EXPECT_EQ(audience_.find_session("s" + std::to_string(readers.size() - 1)), kEveryReader);
  for (std::size_t i = 0; i + 1 < readers.size(); ++i) {
    EXPECT_EQ(audience_.find_session("s" + std::to_string(i)), readers[i]) << i;
  }
}

TEST_F(AudienceTest, AttachedSessionsAreNotCountedAmongTheLost) {
  std::vector<Listener> attached(2 * limits::kDetachedSessionsMax);
  for (std::size_t i = 0; i < attached.size(); ++i) {
    audience_.attach("s" + std::to_string(i), attached[i]);
  }
  audience_.notify(kStart);
  EXPECT_EQ(audience_.attached(), attached.size());
}

TEST_F(AudienceTest, ListenersMayComeAndGoWhileTheyAreTold) {
  const ReaderId anna = audience_.attach("", anna_);
  ReaderId bert = audience_.attach("", bert_);
  Listener late;
  anna_.then = [&] {
    audience_.detach(bert, bert_, kStart);
    audience_.detach(anna, anna_, kStart);
    audience_.attach("", late);
  };
  audience_.publish(message("1"));
  audience_.notify(kStart);
  EXPECT_EQ(anna_.told, 1);
  EXPECT_EQ(bert_.told, 0) << "it had gone by then";
  EXPECT_EQ(audience_.attached(), 1u);
}

TEST_F(AudienceTest, WhatIsPublishedWhileItTellsIsToldNextTime) {
  audience_.attach("", anna_);
  anna_.then = [&] {
    if (anna_.told == 1) audience_.publish(message("more"));
  };
  audience_.publish(message("1"));
  audience_.notify(kStart);
  EXPECT_EQ(anna_.told, 1);
  audience_.notify(kStart);
  EXPECT_EQ(anna_.told, 2);
}

}  // namespace
}  // namespace perijove
