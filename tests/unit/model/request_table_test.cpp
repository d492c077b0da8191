#include "model/request_table.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

#include "simulation.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

OutstandingRequest request(const std::string& msg_id, ReaderId reader = 1) {
  return {.msg_id = msg_id,
          .msg_type = "execute_request",
          .header = "{\"msg_id\":\"" + msg_id + "\"}",
          .session = "s",
          .channel = Channel::shell,
          .reader = reader};
}

std::vector<std::string> ids(const std::vector<OutstandingRequest>& requests) {
  std::vector<std::string> ids;
  for (const OutstandingRequest& each : requests) ids.push_back(each.msg_id);
  return ids;
}

TEST(RequestTable, FindsARequestByItsId) {
  RequestTable table(10);
  table.add(request("a", 7));
  table.add(request("b", 8));
  const OutstandingRequest* found = table.find("a");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->reader, 7u);
  EXPECT_EQ(found->header, R"({"msg_id":"a"})");
  EXPECT_EQ(table.find("c"), nullptr);
  EXPECT_EQ(table.find(""), nullptr);
  EXPECT_EQ(table.size(), 2u);
}

TEST(RequestTable, KeepsTheIdItself) {
  RequestTable table(10);
  {
    std::string id(100, 'x');
    table.add(request(id));
    id.assign(100, 'y');
  }
  EXPECT_NE(table.find(std::string(100, 'x')), nullptr);
}

TEST(RequestTable, ForgetsAnAnsweredRequest) {
  RequestTable table(10);
  table.add(request("a"));
  EXPECT_TRUE(table.remove("a"));
  EXPECT_EQ(table.find("a"), nullptr);
  EXPECT_FALSE(table.remove("a"));
  EXPECT_EQ(table.size(), 0u);
}

TEST(RequestTable, RemovesByTheIdOfTheRequestItself) {
  RequestTable table(10);
  table.add(request("a"));
  EXPECT_TRUE(table.remove(table.find("a")->msg_id));
  EXPECT_EQ(table.size(), 0u);
}

TEST(RequestTable, TheLatestSenderOfAnIdGetsTheReply) {
  RequestTable table(10);
  table.add(request("a", 1));
  table.add(request("b", 1));
  table.add(request("a", 2));
  EXPECT_EQ(table.find("a")->reader, 2u);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_THAT(ids(table.take_all()), ElementsAre("b", "a"));
}

TEST(RequestTable, ForgetsTheOldestBeyondItsLimit) {
  RequestTable table(3);
  for (const char* id : {"a", "b", "c", "d"}) table.add(request(id));
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(table.find("a"), nullptr);
  EXPECT_NE(table.find("b"), nullptr);
  table.add(request("c"));  // again: nothing need go for it
  EXPECT_NE(table.find("b"), nullptr);
  table.add(request("e"));
  EXPECT_EQ(table.find("b"), nullptr);
}

TEST(RequestTable, HandsAllOverOldestFirst) {
  RequestTable table(10);
  for (const char* id : {"a", "b", "c"}) table.add(request(id));
  EXPECT_THAT(ids(table.take_all()), ElementsAre("a", "b", "c"));
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.find("a"), nullptr);
  EXPECT_THAT(table.take_all(), IsEmpty());
  table.add(request("a"));
  EXPECT_NE(table.find("a"), nullptr);
}

TEST(RequestTable, AReplyThatDoesNotFollowIdleIsGivenUp) {
  constexpr auto kWait = RequestTable::kReplyAfterIdle;
  const TimePoint start{};
  RequestTable table(10);
  for (const char* id : {"answered", "silent", "runs"}) table.add(request(id));
  EXPECT_EQ(table.next_deadline(), std::nullopt);
  table.idle_seen("answered", start);
  table.idle_seen("silent", start + std::chrono::seconds(1));
  table.idle_seen("somebody else's", start);
  EXPECT_EQ(table.next_deadline(), start + kWait);
  table.remove("answered");
  EXPECT_EQ(table.next_deadline(), start + std::chrono::seconds(1) + kWait);
  EXPECT_THAT(table.take_unanswered(start + kWait), IsEmpty());
  EXPECT_THAT(ids(table.take_unanswered(start + std::chrono::seconds(1) + kWait)),
              ElementsAre("silent"));
  EXPECT_EQ(table.next_deadline(), std::nullopt);
  EXPECT_EQ(table.size(), 1u);
}

TEST(RequestTable, ARequestSentAgainIsNotGivenUpForTheFirstOne) {
  RequestTable table(10);
  table.add(request("a"));
  table.idle_seen("a", TimePoint());
  table.add(request("a"));
  EXPECT_THAT(table.take_unanswered(TimePoint() + RequestTable::kReplyAfterIdle), IsEmpty());
  EXPECT_NE(table.find("a"), nullptr);
}

TEST(RequestTable, MayHoldARequestWithoutAnId) {
  RequestTable table(10);
  table.add(request(""));
  EXPECT_NE(table.find(""), nullptr);
  EXPECT_TRUE(table.remove(""));
}

TEST(RequestTableSimulation, AgreesWithAPlainList) {
  constexpr std::size_t kRequestsMax = 20;
  for (const std::uint64_t seed : simulation::seeds(50)) {
    SCOPED_TRACE("PERIJOVE_SEED=" + std::to_string(seed));
    simulation::Random random(seed);
    RequestTable table(kRequestsMax);
    std::vector<OutstandingRequest> list;
    for (int step = 0; step < 2000; ++step) {
      const std::string id = std::to_string(random.below(40));
      const auto known = std::find_if(list.begin(), list.end(),
                                      [&](const auto& each) { return each.msg_id == id; });
      const OutstandingRequest* const found = table.find(id);
      ASSERT_EQ(found != nullptr, known != list.end());
      if (found != nullptr) {
        ASSERT_EQ(found->reader, known->reader);
      }
      if (random.chance(60)) {
        const ReaderId reader = 1 + random.below(100);
        if (known != list.end()) list.erase(known);
        if (list.size() == kRequestsMax) list.erase(list.begin());
        list.push_back(request(id, reader));
        table.add(request(id, reader));
      } else if (random.chance(97)) {
        ASSERT_EQ(table.remove(id), known != list.end());
        if (known != list.end()) list.erase(known);
      } else {
        ASSERT_EQ(ids(table.take_all()), ids(list));
        list.clear();
      }
      ASSERT_EQ(table.size(), list.size());
    }
  }
}

}  // namespace
}  // namespace perijove
