#include "app/settings.hpp"

#include <gtest/gtest.h>

#include <set>

#include "support/generated_page.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using testing::TempDir;

// What a setting takes that is not its default.
std::vector<std::string> another_value(const Setting& setting) {
  if (setting.shape == Setting::Shape::toggle) {
    return {setting.read(ServeOptions()) == "true" ? "false" : "true"};
  }
  if (setting.shape == Setting::Shape::list) return {"one", "two,three"};
  if (setting.name == "auto-restart") return {"never"};
  if (setting.name == "kernel-transport") return {"tcp"};
  if (setting.name == "log-level") return {"debug"};
  if (setting.unit == "bytes") return {"3 MiB"};
  if (setting.name == "base-url") return {"/other/"};
  return {"17"};
}

std::string file_error(const std::string& text) {
  const TempDir directory;
  directory.write("gateway.toml", text);
  ServeOptions options;
  const auto applied = apply_config_file(options, directory.str() + "/gateway.toml");
  return applied ? "" : applied.error().message;
}

TEST(Settings, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Setting& setting : serve_settings()) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_FALSE(setting.description.empty()) << setting.name;
    EXPECT_TRUE(setting.description.ends_with('.')) << setting.name;
  }
}

TEST(Settings, ReadBackWhatWasWritten) {
  for (const Setting& setting : serve_settings()) {
    ServeOptions options;
    const auto written = apply_setting(options, setting, another_value(setting), "test");
    ASSERT_TRUE(written) << written.error();
    const std::string changed = setting.read(options);
    EXPECT_NE(changed, setting.read(ServeOptions())) << setting.name;
    ServeOptions again;
    ASSERT_TRUE(apply_setting(again, setting, {changed}, "test")) << setting.name;
    EXPECT_EQ(setting.read(again), changed) << setting.name;
  }
}

TEST(Settings, TouchNothingButTheirOwn) {
  for (const Setting& setting : serve_settings()) {
    ServeOptions options;
    ASSERT_TRUE(apply_setting(options, setting, another_value(setting), "test"));
    for (const Setting& other : serve_settings()) {
      if (other.name == setting.name) continue;
      EXPECT_EQ(other.read(options), other.read(ServeOptions()))
          << setting.name << " changes " << other.name;
    }
  }
}

TEST(Settings, TakeListsWithCommasOrOneByOne) {
  ServeOptions options;
  const Setting& setting = *find_setting("allow-origin");
  ASSERT_TRUE(apply_setting(options, setting, {" a , b", "c", ""}, "test"));
  EXPECT_EQ(options.face.allow_origins, (std::vector<std::string>{"a", "b", "c"}));
}

TEST(Settings, NameTheSourceOfAWrongValue) {
  ServeOptions options;
  const auto wrong = apply_setting(options, *find_setting("port"), {"70000"}, "PERIJOVE_PORT");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message,
            "PERIJOVE_PORT: the value must be a whole number from 0 to 65535, not '70000'");
  EXPECT_EQ(options.port, ServeOptions().port);
}

TEST(Settings, GiveABaseUrlItsSlashes) {
  ServeOptions options;
  for (const char* text : {"jupyter", "/jupyter", "jupyter/", "/jupyter/"}) {
    ASSERT_TRUE(apply_setting(options, *find_setting("base-url"), {text}, "test"));
    EXPECT_EQ(options.face.base_url, "/jupyter/");
  }
  EXPECT_FALSE(apply_setting(options, *find_setting("base-url"), {"/a?b"}, "test"));
}

TEST(ConfigFile, SetsValuesAtTheTopAndBelowServe) {
  const TempDir directory;
  directory.write("gateway.toml",
                  "# a comment\n"
                  "port = 9999\n"
                  "cull_busy = true\n"
                  "[serve]\n"
                  "token = \"a b\"\n"
                  "allow-origin = [\"https://a\", \"https://b\"]\n"
                  "cull-idle-timeout = \"2h\"\n");
  ServeOptions options;
  const auto applied = apply_config_file(options, directory.str() + "/gateway.toml");
  ASSERT_TRUE(applied) << applied.error();
  EXPECT_EQ(options.port, 9999);
  EXPECT_TRUE(options.gateway.registry.kernel.cull.busy);
  EXPECT_EQ(options.face.token, "a b");
  EXPECT_EQ(options.face.allow_origins, (std::vector<std::string>{"https://a", "https://b"}));
  EXPECT_EQ(options.gateway.registry.kernel.cull.idle_timeout, std::chrono::hours(2));
}

TEST(ConfigFile, RefusesUnknownKeysWithAHint) {
  EXPECT_NE(file_error("max_kernel = 3\n").find("did you mean 'max-kernels'?"), std::string::npos);
  EXPECT_NE(file_error("qqqqq = 3\n").find("`perijove serve --help` lists them"),
            std::string::npos);
  EXPECT_NE(file_error("[server]\nport = 3\n").find("unknown section"), std::string::npos);
  EXPECT_NE(file_error("port = many\n").find("gateway.toml: port: the value must be"),
            std::string::npos);
}

TEST(ConfigFile, ThatIsNotThereIsNotFound) {
  ServeOptions options;
  const auto applied = apply_config_file(options, "/nonexistent.toml");
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, Code::not_found);
}

TEST(EnvironmentSettings, AreTakenByName) {
  ServeOptions options;
  const auto warnings = apply_environment(
      options, {{"PERIJOVE_MAX_KERNELS", "3"}, {"PERIJOVE_IP", ""}, {"MAX_KERNELS", "4"}});
  ASSERT_TRUE(warnings);
  EXPECT_TRUE(warnings->empty());
  EXPECT_EQ(options.gateway.registry.kernels_max, 3u);
  EXPECT_EQ(options.ip, "127.0.0.1") << "an empty variable is as good as none";
}

TEST(EnvironmentSettings, WarnOfWhatLooksMistypedOnly) {
  ServeOptions options;
  const auto warnings = apply_environment(
      options, {{"PERIJOVE_TOKN", "x"}, {"PERIJOVE_PROCESS", "x"}, {"PERIJOVE_CONFIG", "x"}});
  ASSERT_TRUE(warnings);
  ASSERT_EQ(warnings->size(), 1u);
  EXPECT_EQ(warnings->front(), "PERIJOVE_TOKN is not a setting; did you mean PERIJOVE_TOKEN?");
}

TEST(LimitsPage, ShowsEverySetting) {
  testing::expect_on_page("docs/limits.md", "options", settings_table());
}

}  // namespace
}  // namespace perijove
