#include "code/profiles.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

// rows: H14
TEST(ResourceProfiles, HaveTheTutorialsNumbers) {
  struct Expected {
    const char* name;
    std::uint64_t mebibytes;
    double cpus;
    int seconds;
  };
  const Expected all[] = {{"simple", 256, 0.5, 30},
                          {"medium", 512, 1.0, 120},
                          {"complex", 1024, 2.0, 600},
                          {"default", 1024, 1.0, 300}};
  ASSERT_EQ(resource_profiles().size(), std::size(all));
  for (const Expected& each : all) {
    const auto profile = find_resource_profile(each.name);
    ASSERT_TRUE(profile) << each.name;
    EXPECT_EQ(profile->memory_bytes_max, each.mebibytes * 1024 * 1024);
    EXPECT_EQ(profile->cpus_max, each.cpus);
    EXPECT_EQ(profile->timeout.count(), each.seconds);
  }
}

TEST(ResourceProfiles, AreKnownByName) {
  const auto unknown = find_resource_profile("smiple");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::not_found);
  EXPECT_EQ(unknown.error().message,
            "there is no resource profile 'smiple'; did you mean 'simple'? known are: simple, "
            "medium, complex, default");
}

}  // namespace
}  // namespace perijove
