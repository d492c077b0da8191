#include "executor/executor_config.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json fields_of(const json& config) {
  const auto fields = session_fields_of(config);
  EXPECT_TRUE(fields) << fields.error();
  return fields ? *fields : json();
}

std::string refusal_of(const json& config) {
  const auto fields = session_fields_of(config);
  EXPECT_FALSE(fields) << fields->dump();
  return fields ? "" : fields.error().message;
}

// rows: U07
TEST(SessionFieldsOf, FalseIsASessionThatRunsNothing) {
  EXPECT_EQ(fields_of(false), json({{"mode", "off"}}));
  EXPECT_THAT(refusal_of(true), HasSubstr("an object or false"));
}

// rows: U12
TEST(SessionFieldsOf, ReadsTheExecutorsOfAg2) {
  EXPECT_EQ(fields_of({{"executor", "commandline-local"},
                       {"commandline-local", {{"timeout", 7}, {"work_dir", "coding"}}}}),
            json({{"timeout", 7}, {"work_dir", "coding"}}));
  EXPECT_EQ(fields_of({{"executor", "ipython-embedded"},
                       {"ipython-embedded", {{"kernel_name", "ir"}, {"output_dir", "out"}}}}),
            json({{"kernel", "ir"}, {"work_dir", "out"}}));
  EXPECT_EQ(fields_of({{"executor", "commandline-local"}, {"last_n_messages", "auto"}}),
            json({{"labels", {{"last_n_messages", "auto"}}}}));
}

TEST(SessionFieldsOf, ReadsTheOlderFormOfAg2) {
  EXPECT_EQ(fields_of({{"work_dir", "coding"}, {"use_docker", false}, {"timeout", 60}}),
            json({{"work_dir", "coding"}, {"timeout", 60}}));
  EXPECT_EQ(fields_of({{"use_docker", true}}), json({{"isolation", "docker"}}));
  EXPECT_EQ(fields_of({{"use_docker", {"python:3-slim", "python:3"}}}),
            json({{"isolation", "docker"}, {"docker", {{"image", "python:3-slim"}}}}));
  EXPECT_EQ(fields_of(json::object()), json::object());
}

// rows: H33
TEST(SessionFieldsOf, ReadsWhatAutoGenDumps) {
  EXPECT_EQ(
      fields_of({{"provider", "autogen_ext.code_executors.local.LocalCommandLineCodeExecutor"},
                 {"component_type", "code_executor"},
                 {"version", 1},
                 {"component_version", 1},
                 {"description", "runs code"},
                 {"label", "local"},
                 {"config",
                  {{"timeout", 60},
                   {"work_dir", nullptr},
                   {"functions_module", "functions"},
                   {"cleanup_temp_files", true}}}}),
      json({{"timeout", 60}, {"functions_module", "functions"}}));
  const json own = {{"kernel", "python3"}, {"key", "k"}, {"env", {{"A", "secret"}}}};
  EXPECT_EQ(fields_of(session_config(own)), json({{"kernel", "python3"}}));
}

TEST(SessionFieldsOf, PassesOverNothing) {
  EXPECT_THAT(refusal_of({{"executor", "ipython-embeded"}}),
              HasSubstr("did you mean 'ipython-embedded'?"));
  EXPECT_THAT(refusal_of({{"executor", {{"object", 1}}}}), HasSubstr("by its name"));
  EXPECT_THAT(refusal_of({{"executor", "commandline-local"}, {"commandline-locl", json::object()}}),
              HasSubstr("'commandline-locl'"));
  EXPECT_THAT(refusal_of({{"executor", "commandline-local"},
                          {"commandline-local", {{"virtual_env_context", "x"}}}}),
              HasSubstr("'virtual_env_context'"));
  EXPECT_THAT(refusal_of({{"use_docker", false}, {"docker_image", "x"}}),
              HasSubstr("docker_image"));
  EXPECT_THAT(refusal_of({{"provider", "perijove.Session"}, {"config", 1}}),
              HasSubstr("an object"));
}

}  // namespace
}  // namespace perijove
