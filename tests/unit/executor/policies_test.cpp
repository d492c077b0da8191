#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "executor/request_policies.hpp"
#include "executor/session_policies.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<RequestPolicies> read_request(const json& body) {
  RequestPolicies policies;
  JsonFields fields(body, "request");
  read_request_policies(fields, policies);
  if (fields.error()) return *fields.error();
  return policies;
}

Result<SessionPolicies> read_session(const json& body) {
  SessionPolicies policies;
  JsonFields fields(body, "session");
  read_session_policies(fields, policies);
  if (fields.error()) return *fields.error();
  return policies;
}

Result<SessionSetupOptions> read_setup(const json& body) {
  SessionSetupOptions setup;
  JsonFields fields(body, "session");
  read_session_setup(fields, setup);
  if (fields.error()) return *fields.error();
  return setup;
}

TEST(RequestPolicies, NothingIsAskedForByDefault) {
  const auto policies = read_request(json::object());
  ASSERT_TRUE(policies);
  EXPECT_EQ(policies->validation.mode, Validation::Mode::off);
  EXPECT_FALSE(policies->approval.required);
  EXPECT_EQ(policies->retries.max, 0);
  EXPECT_FALSE(policies->cache.wanted);
}

TEST(RequestPolicies, AreReadFromTheirFields) {
  const auto policies = read_request({{"policy", {{"validate", "deny"}, {"profile", "guide"}}},
                                      {"approval", {{"required", true}, {"wait_s", 1.5}}},
                                      {"retries", {{"max", 2}, {"on", {"oom"}}}},
                                      {"cache", {{"pure", true}, {"ttl_s", 60}}}});
  ASSERT_TRUE(policies) << policies.error();
  EXPECT_EQ(policies->validation.mode, Validation::Mode::deny);
  EXPECT_EQ(policies->validation.profile, "guide");
  EXPECT_TRUE(policies->approval.required);
  EXPECT_EQ(policies->approval.wait, std::chrono::milliseconds(1500));
  EXPECT_EQ(policies->retries.max, 2);
  EXPECT_THAT(policies->retries.on, ElementsAre("oom"));
  EXPECT_TRUE(policies->cache.wanted);
  EXPECT_TRUE(policies->cache.pure);
  EXPECT_EQ(policies->cache.kept, std::chrono::minutes(1));
}

TEST(RequestPolicies, WrongOnesAreNamed) {
  const auto message = [](const json& body) {
    const auto read = read_request(body);
    return read ? std::string() : read.error().message;
  };
  EXPECT_THAT(message({{"policy", {{"profile", "strickt"}}}}), HasSubstr("did you mean 'strict'?"));
  EXPECT_THAT(message({{"policy", {{"validate", "maybe"}}}}), HasSubstr("validate"));
  EXPECT_THAT(message({{"retries", {{"on", {"error"}}}}}), HasSubstr("kernel_died"));
  EXPECT_THAT(message({{"retries", {{"max", 1000}}}}), HasSubstr("max"));
  EXPECT_THAT(message({{"cache", {{"tll_s", 1}}}}), HasSubstr("ttl_s"));
  EXPECT_THAT(message({{"approval", true}}), HasSubstr("approval"));
}

TEST(SessionPolicies, LanguagesAreAListOrAnObject) {
  const auto list = read_session({{"languages", {"py", "SH"}}});
  ASSERT_TRUE(list) << list.error();
  EXPECT_THAT(list->languages, ElementsAre("python", "bash"));
  EXPECT_TRUE(list->allows("bash"));
  EXPECT_FALSE(list->allows("r"));
  const auto object = read_session({{"languages", {{"r", {{"kernel", "ir"}}}}}});
  ASSERT_TRUE(object) << object.error();
  EXPECT_THAT(object->languages, ElementsAre("r"));
  EXPECT_EQ(object->kernels.at("r"), "ir");
  EXPECT_TRUE(SessionPolicies().allows("anything"));
}

TEST(SessionPolicies, WhatIsNotNamedRuns) {
  const auto policies = read_session({{"execution_policies", {{"html", false}, {"sh", true}}}});
  ASSERT_TRUE(policies) << policies.error();
  EXPECT_FALSE(policies->runs("html"));
  EXPECT_TRUE(policies->runs("bash"));
  EXPECT_TRUE(policies->runs("python"));
}

TEST(SessionPolicies, LimitsGoOverThoseOfTheProfile) {
  const auto policies =
      read_session({{"profile", "simple"}, {"limits", {{"memory_bytes", 1 << 30}}}});
  ASSERT_TRUE(policies) << policies.error();
  EXPECT_EQ(policies->limits.memory_bytes_max, std::uint64_t{1} << 30);
  EXPECT_EQ(policies->limits.processors_max, 0.5);
  EXPECT_FALSE(policies->limits.cpu_time_max);
}

TEST(SessionPolicies, WrongOnesAreNamed) {
  for (const json& body :
       {json{{"languages", 3}}, json{{"languages", {{"r", {{"kernal", "ir"}}}}}},
        json{{"execution_policies", {{"r", "no"}}}}, json{{"mode", "strict"}},
        json{{"profile", "huge"}}, json{{"limits", {{"memory", 1}}}}, json{{"sanitize", "yes"}}}) {
    EXPECT_FALSE(read_session(body)) << body;
  }
}

TEST(SessionSetupOptions, AFunctionMayBeItsSource) {
  const auto setup = read_setup({{"functions", {"def f(): pass", {{"source", "def g(): pass"}}}}});
  ASSERT_TRUE(setup) << setup.error();
  EXPECT_EQ(setup->functions, R"([{"source":"def f(): pass"},{"source":"def g(): pass"}])");
  EXPECT_TRUE(setup->needed());
  EXPECT_FALSE(SessionSetupOptions().needed());
}

TEST(SessionSetupOptions, RequirementsAreNoOptions) {
  EXPECT_TRUE(read_setup({{"requirements", {"pandas>=2"}}}));
  EXPECT_FALSE(read_setup({{"requirements", {"--index-url=x"}}}));
  EXPECT_FALSE(read_setup({{"requirements", "pandas"}}));
  EXPECT_FALSE(read_setup({{"virtual_env", "relative"}}));
}

}  // namespace
}  // namespace perijove
