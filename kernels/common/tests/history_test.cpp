#include "common/history.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace perijove::kernels {
namespace {

using nlohmann::json;

class HistoryTest : public ::testing::Test {
 protected:
  void remember(const std::string& input) { history_.store_inputs(0, 1, input); }

  json ask(const json& request) {
    const json reply = history_.process_request(request);
    EXPECT_EQ(reply["status"], "ok");
    return reply["history"];
  }

  History history_;
};

TEST_F(HistoryTest, IsEmptyAtFirst) {
  EXPECT_EQ(ask({{"hist_access_type", "tail"}, {"n", 10}}), json::array());
  EXPECT_EQ(ask({{"hist_access_type", "range"}}), json::array());
  EXPECT_EQ(ask({{"hist_access_type", "search"}}), json::array());
}

TEST_F(HistoryTest, TailIsTheLastOnesOldestFirst) {
  for (const char* input : {"a", "b", "c"}) remember(input);
  EXPECT_EQ(ask({{"hist_access_type", "tail"}, {"n", 2}}), json::parse(R"([[1,2,"b"],[1,3,"c"]])"));
  EXPECT_EQ(ask({{"hist_access_type", "tail"}, {"n", -1}}), json::array());
}

TEST_F(HistoryTest, RangeExcludesItsEndAndOtherSessions) {
  for (const char* input : {"a", "b", "c"}) remember(input);
  const json both = json::parse(R"([[1,1,"a"],[1,2,"b"]])");
  for (const int current : {0, 1}) {
    EXPECT_EQ(ask({{"hist_access_type", "range"}, {"session", current}, {"start", 1}, {"stop", 3}}),
              both);
  }
  EXPECT_EQ(ask({{"hist_access_type", "range"}, {"session", -1}, {"start", 1}, {"stop", 3}}),
            json::array());
}

TEST_F(HistoryTest, SearchKnowsGlobsAndCanBeUnique) {
  for (const char* input : {"import x", "y", "import x", "import z"}) remember(input);
  EXPECT_EQ(ask({{"hist_access_type", "search"}, {"pattern", "import ?"}, {"n", 2}}),
            json::parse(R"([[1,3,"import x"],[1,4,"import z"]])"));
  EXPECT_EQ(
      ask({{"hist_access_type", "search"}, {"pattern", "import*"}, {"n", 9}, {"unique", true}}),
      json::parse(R"([[1,3,"import x"],[1,4,"import z"]])"));
}

TEST_F(HistoryTest, ForgetsTheOldestWhenFull) {
  for (std::size_t i = 0; i <= History::kEntriesMax; ++i) remember(std::to_string(i));
  const json all = ask({{"hist_access_type", "tail"}, {"n", 1'000'000}});
  ASSERT_EQ(all.size(), History::kEntriesMax);
  EXPECT_EQ(all.front(), json::parse(R"([1,2,"1"])"));
}

}  // namespace
}  // namespace perijove::kernels
