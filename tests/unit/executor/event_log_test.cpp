#include "executor/event_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace perijove {
namespace {

using ::testing::ElementsAre;

class EventLogTest : public ::testing::Test {
 protected:
  std::vector<std::uint64_t> numbers(std::uint64_t from, std::size_t count = 100) const {
    std::vector<std::uint64_t> found;
    for (const ExecutionEvent* event : log_->events(from, count).events) {
      found.push_back(event->seq);
    }
    return found;
  }
  void run_posted() {
    shard_.loop().restart();
    shard_.loop().poll();
  }

  Shard shard_;
  std::shared_ptr<EventLog> log_ = std::make_shared<EventLog>(shard_);
};

TEST_F(EventLogTest, NumbersItsEventsFromOne) {
  log_->add("started", {{"block", 0}});
  log_->add("stdout", {{"text", "a"}});
  EXPECT_THAT(numbers(1), ElementsAre(1, 2));
  EXPECT_THAT(numbers(0), ElementsAre(1, 2));
  EXPECT_THAT(numbers(2), ElementsAre(2));
  EXPECT_THAT(numbers(1, 1), ElementsAre(1));
  EXPECT_THAT(numbers(3), ElementsAre());
  const auto event = nlohmann::json::parse(log_->events(2, 1).events.at(0)->json);
  EXPECT_EQ(event.at("type"), "stdout");
  EXPECT_EQ(event.at("seq"), 2);
  EXPECT_EQ(event.at("text"), "a");
  EXPECT_TRUE(event.at("ts").is_string());
}

TEST_F(EventLogTest, ForgetsTheOldestAndCountsThem) {
  const std::string megabyte(1024 * 1024, 'x');
  for (int i = 0; i < 20; ++i) log_->add("stdout", {{"text", megabyte}});
  const auto slice = log_->events(1, 100);
  EXPECT_EQ(slice.events.size(), 7u);  // of 8 MiB, each a little more than one
  EXPECT_EQ(slice.missed, 13u);
  EXPECT_EQ(log_->events(14, 100).missed, 0u);
}

TEST_F(EventLogTest, CallsListenersOnceForWhatCameTogetherAndNeverDuringAdd) {
  int calls = 0;
  const auto listening = log_->listen([&] { ++calls; });
  log_->add("a", nlohmann::json::object());
  log_->add("b", nlohmann::json::object());
  EXPECT_EQ(calls, 0);
  run_posted();
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLogTest, CallsNobodyWhoHasLeft) {
  int calls = 0;
  auto listening = log_->listen([&] { ++calls; });
  log_->add("a", nlohmann::json::object());
  listening.reset();
  run_posted();
  EXPECT_EQ(calls, 0);
}

TEST_F(EventLogTest, IsOpenAgainAfterAnotherEvent) {
  EXPECT_FALSE(log_->closed());
  log_->add("done", nlohmann::json::object());
  log_->close();
  EXPECT_TRUE(log_->closed());
  log_->add("job_started", nlohmann::json::object());
  EXPECT_FALSE(log_->closed());
}

}  // namespace
}  // namespace perijove
