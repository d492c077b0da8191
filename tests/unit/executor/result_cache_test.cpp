#include "executor/result_cache.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

CodeRequest request(const std::string& code) {
  CodeRequest made;
  made.blocks = {{.language = "python", .code = code}};
  return made;
}

CodeResult result(const std::string& output) {
  CodeResult made;
  made.output = output;
  return made;
}

constexpr TimePoint kNow{};
constexpr TimePoint kLater = kNow + std::chrono::hours(1);

TEST(ResultCacheKey, IsThatOfEqualRequestsInEqualStates) {
  const std::string key = ResultCache::key(request("x"), "pristine");
  EXPECT_EQ(ResultCache::key(request("x"), "pristine"), key);
  EXPECT_NE(ResultCache::key(request("x"), "1 python:1"), key);
  EXPECT_NE(ResultCache::key(request("y"), "pristine"), key);

  CodeRequest same = request("x");
  same.blocks[0].language = "Py";
  same.timeout = std::chrono::seconds(1);
  EXPECT_EQ(ResultCache::key(same, "pristine"), key);
}

TEST(ResultCacheKey, HoldsEverythingThatMayChangeTheAnswer) {
  const std::string key = ResultCache::key(request("x"), "pristine");
  CodeRequest changed = request("x");
  changed.env = {{"A", "1"}};
  EXPECT_NE(ResultCache::key(changed, "pristine"), key);
  changed = request("x");
  changed.blocks[0].files = {{"a.py", ""}};
  EXPECT_NE(ResultCache::key(changed, "pristine"), key);
  changed = request("x");
  changed.output.budget.chars_max = 10;
  EXPECT_NE(ResultCache::key(changed, "pristine"), key);
  changed = request("x");
  changed.policies.cache.key = "mine";
  EXPECT_NE(ResultCache::key(changed, "pristine"), key);
}

TEST(ResultCacheKey, OfPureCodeKnowsNoState) {
  CodeRequest pure = request("x");
  pure.policies.cache.pure = true;
  EXPECT_EQ(ResultCache::key(pure, "pristine"), ResultCache::key(pure, "7 python:2"));
  EXPECT_NE(ResultCache::key(pure, "pristine"), ResultCache::key(request("x"), "pristine"));
}

TEST(ResultCache, ForgetsWhatIsTooOld) {
  ResultCache cache;
  cache.store("k", result("1"), kLater);
  ASSERT_NE(cache.find("k", kNow), nullptr);
  EXPECT_EQ(cache.find("k", kNow)->output, "1");
  EXPECT_EQ(cache.find("k", kLater), nullptr);
  EXPECT_EQ(cache.size(), 0);
}

TEST(ResultCache, KeepsAHundredAndForgetsTheLongestUnused) {
  ResultCache cache;
  for (std::size_t i = 0; i < ResultCache::kEntriesMax; ++i) {
    cache.store(std::to_string(i), result(""), kLater);
  }
  EXPECT_NE(cache.find("0", kNow), nullptr);  // used: 1 is the longest unused now
  cache.store("one more", result(""), kLater);
  EXPECT_EQ(cache.size(), ResultCache::kEntriesMax);
  EXPECT_NE(cache.find("0", kNow), nullptr);
  EXPECT_EQ(cache.find("1", kNow), nullptr);
}

TEST(ResultCache, TheLastAnswerOfAKeyCounts) {
  ResultCache cache;
  cache.store("k", result("1"), kLater);
  cache.store("k", result("2"), kLater);
  EXPECT_EQ(cache.size(), 1);
  EXPECT_EQ(cache.find("k", kNow)->output, "2");
}

TEST(ResultCache, KeepsNoFailureAndNothingLarge) {
  ResultCache cache;
  CodeResult failed = result("1");
  failed.status = CodeStatus::error;
  cache.store("failed", failed, kLater);
  cache.store("large", result(std::string(ResultCache::kEntryBytesMax + 1, 'x')), kLater);
  EXPECT_EQ(cache.size(), 0);
}

}  // namespace
}  // namespace perijove
