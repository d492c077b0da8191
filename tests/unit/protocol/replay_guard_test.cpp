#include "protocol/replay_guard.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "base/ids.hpp"

namespace perijove {
namespace {

TEST(ReplayGuard, RefusesASignatureThatWasSeen) {
  ReplayGuard guard(10);
  const std::string first = random_hex(32);
  const std::string second = random_hex(32);
  EXPECT_TRUE(guard.admit(first));
  EXPECT_TRUE(guard.admit(second));
  for (int again = 0; again < 3; ++again) {
    EXPECT_FALSE(guard.admit(first));
    EXPECT_FALSE(guard.admit(second));
  }
}

TEST(ReplayGuard, RemembersAsManyAsItWasTold) {
  ReplayGuard guard(100);
  std::vector<std::string> signatures;
  for (int i = 0; i < 100; ++i) {
    signatures.push_back(random_hex(32));
    EXPECT_TRUE(guard.admit(signatures.back()));
  }
  for (const std::string& signature : signatures) EXPECT_FALSE(guard.admit(signature));
}

TEST(ReplayGuard, ForgetsTheOldestFirst) {
  ReplayGuard guard(2);
  EXPECT_TRUE(guard.admit("1111111111111111"));
  EXPECT_TRUE(guard.admit("2222222222222222"));
  EXPECT_TRUE(guard.admit("3333333333333333"));
  EXPECT_FALSE(guard.admit("2222222222222222"));
  EXPECT_FALSE(guard.admit("3333333333333333"));
  EXPECT_TRUE(guard.admit("1111111111111111"));
}

TEST(ReplayGuard, ARefusedReplayDoesNotPushOthersOut) {
  ReplayGuard guard(2);
  EXPECT_TRUE(guard.admit("1111111111111111"));
  EXPECT_TRUE(guard.admit("2222222222222222"));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(guard.admit("2222222222222222"));
  EXPECT_FALSE(guard.admit("1111111111111111"));
}

TEST(ReplayGuard, RemembersAsAListWould) {
  // Few different signatures, most with the same last digits, which is where they are looked for.
  for (const std::size_t history_max : {1u, 7u, 50u}) {
    ReplayGuard guard(history_max);
    std::deque<std::string> list;
    std::mt19937 random(static_cast<unsigned>(history_max));
    for (int i = 0; i < 20'000; ++i) {
      char signature[17];
      std::snprintf(signature, sizeof signature, "%012x%04x",
                    static_cast<unsigned>(1 + random() % 50),
                    static_cast<unsigned>(random() % 3 == 0 ? 0xffff : random() % 4));
      const bool is_new = std::find(list.begin(), list.end(), signature) == list.end();
      ASSERT_EQ(guard.admit(signature), is_new) << i << ' ' << signature;
      if (is_new) list.emplace_back(signature);
      if (list.size() > history_max) list.pop_front();
    }
  }
}

TEST(ReplayGuard, UnsignedMessagesAreAlwaysNew) {
  ReplayGuard guard(10);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(guard.admit(""));
}

TEST(ReplayGuard, TakesShortDigestsToo) {
  ReplayGuard guard(10);
  EXPECT_TRUE(guard.admit("15d6feb8fc9e4f5591e0485801921827"));
  EXPECT_FALSE(guard.admit("15d6feb8fc9e4f5591e0485801921827"));
}

}  // namespace
}  // namespace perijove
