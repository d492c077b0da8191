#include "protocol/parameters.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/golden.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string source(const Parameters& parameters, std::string_view language) {
  const auto made = parameters_source(parameters, language);
  EXPECT_TRUE(made) << made.error();
  return made ? *made : "";
}

TEST(Parameters, AreWhatPapermillWrites) {
  const auto cases = nlohmann::json::parse(testing::read_golden("documents/parameters.json"));
  ASSERT_EQ(cases.size(), 4u);
  for (const auto& row : cases) {
    const std::string language = row.at("language").get<std::string>();
    Parameters parameters;
    for (const auto& each : row.at("parameters")) parameters.push_back({each.at(0), each.at(1)});
    EXPECT_EQ(source(parameters, language), row.at("source")) << language;
  }
}

TEST(Parameters, OfJsonKeepTheirTypes) {
  const auto read = read_parameters(
      nlohmann::json::parse(R"({"a": "7", "b": 7, "c": true, "d": null, "e": 1.5, "f": "True"})"));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(source(*read, "python"),
            "# Parameters\na = \"7\"\nb = 7\nc = True\nd = None\ne = 1.5\nf = \"True\"\n");
  EXPECT_THAT(read_parameters(nlohmann::json::parse(R"({"a": [1]})")).error().message,
              HasSubstr("'a' must be a string, number, boolean or null"));
}

TEST(Parameters, AreWrittenInJavascript) {
  EXPECT_EQ(source({{"a", "1"}, {"b", "x\"y"}, {"c", "True"}, {"d", "None"}, {"e", "-inf"}}, "js"),
            "// Parameters\nvar a = 1;\nvar b = \"x\\\"y\";\nvar c = true;\nvar d = null;\n"
            "var e = -Infinity;\n");
}

TEST(Parameters, AreTypedLikePythonsOwnNumbers) {
  const std::pair<const char*, const char*> rows[] = {
      {"0", "0"},
      {"-0", "0"},
      {"000", "0"},
      {"+12", "12"},
      {"12_345", "12345"},
      {"_1", "\"_1\""},
      {"1_", "\"1_\""},
      {"1__2", "\"1__2\""},
      {"1.", "1.0"},
      {".5", "0.5"},
      {"1e3", "1000.0"},
      {"1E-7", "1e-07"},
      {"-1.5e2", "-150.0"},
      {"1_0.2_5", "10.25"},
      {"1e400", "float('inf')"},
      {"1e-400", "0.0"},
      {"NaN", "float('nan')"},
      {"-Infinity", "float('-inf')"},
      {"infinit", "\"infinit\""},
      {"--1", "\"--1\""},
      {"+-1", "\"+-1\""},
      {"1e", "\"1e\""},
      {"e1", "\"e1\""},
      {".", "\".\""},
      {"-", "\"-\""},
      {"1,5", "\"1,5\""},
      {"0x1f", "\"0x1f\""},
      {"true", "\"true\""},
      {"caf\xc3\xa9", "\"caf\xc3\xa9\""},
  };
  for (const auto& [text, written] : rows) {
    EXPECT_EQ(source({{"x", text}}, "python"), std::string("# Parameters\nx = ") + written + "\n");
  }
}

// A value is data in every language, whatever stands in it.
TEST(Parameters, AreNeverRun) {
  EXPECT_EQ(source({{"x", "\"; import os"}}, "python"), "# Parameters\nx = \"\\\"; import os\"\n");
  EXPECT_EQ(source({{"x", "\\\""}}, "R"), "# Parameters\nx = \"\\\\\\\"\"\n");
  EXPECT_EQ(source({{"x", "$(rm)"}}, "julia"), "# Parameters\nx = \"\\$(rm)\"\n");
  EXPECT_EQ(source({{"x", "'; $(rm) `rm`"}}, "bash"), "# Parameters\nx=''\"'\"'; $(rm) `rm`'\n");
  EXPECT_EQ(source({{"x", "a\nb\x01"}}, "javascript"), "// Parameters\nvar x = \"a\\nb\\x01\";\n");
}

TEST(Parameters, LastValueOfANameWins) {
  EXPECT_EQ(source({{"x", "1"}, {"y", "2"}, {"x", "3"}}, "python"), "# Parameters\nx = 3\ny = 2\n");
}

TEST(Parameters, RefuseNamesThatAreNoVariables) {
  for (const char* name : {"", "1x", "a b", "x;y", "a.b", "a-b", "x=1\nimport os"}) {
    const auto made = parameters_source({{name, "1"}}, "python");
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().code, Code::invalid_argument);
  }
  EXPECT_TRUE(parameters_source({{"a.b", "1"}}, "R"));
  EXPECT_FALSE(parameters_source({{"_a", "1"}}, "R"));
}

TEST(Parameters, RefuseANulInAValue) {
  EXPECT_FALSE(parameters_source({{"x", std::string("a\0b", 3)}}, "python"));
}

TEST(Parameters, SayWhichLanguagesCanHoldThem) {
  const auto made = parameters_source({{"x", "1"}}, "cobol");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::unimplemented);
  EXPECT_THAT(made.error().message, HasSubstr("'cobol'"));
  EXPECT_THAT(made.error().message, HasSubstr("python, r, julia, bash, javascript"));
}

class InjectionTest : public ::testing::Test {
 protected:
  void inject(const Parameters& parameters = {{"x", "2"}}) {
    const auto done = inject_parameters(notebook_, parameters, "python");
    EXPECT_TRUE(done) << done.error();
  }
  std::vector<std::string> sources() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < notebook_.size(); ++i) all.push_back(notebook_.cell(i).source);
    return all;
  }
  void add(const char* source, const std::vector<std::string>& tags = {}) {
    notebook_.insert_cell(notebook_.size(), CellType::code, source, tags);
  }

  Notebook notebook_;
  const std::string made_ = "# Parameters\nx = 2\n";
};

TEST_F(InjectionTest, GoesBehindTheParametersCell) {
  add("first");
  add("x = 1", {"parameters"});
  add("last");
  inject();
  EXPECT_THAT(sources(), ElementsAre("first", "x = 1", made_, "last"));
  EXPECT_THAT(notebook_.cell(2).tags, ElementsAre("injected-parameters"));
  EXPECT_EQ(notebook_.cell(2).id, "injected-parameters");
}

TEST_F(InjectionTest, TakesThePlaceOfAnEarlierOne) {
  add("x = 1", {"parameters"});
  add("between");
  add("x = 9", {"injected-parameters"});
  inject();
  EXPECT_THAT(sources(), ElementsAre("x = 1", "between", made_));
  inject();
  EXPECT_THAT(sources(), ElementsAre("x = 1", "between", made_));
}

TEST_F(InjectionTest, IsTheFirstCellWithoutAParametersCell) {
  add("only");
  inject();
  EXPECT_THAT(sources(), ElementsAre(made_, "only"));
}

TEST_F(InjectionTest, ChangesNothingWithoutParametersOrOnError) {
  add("only");
  inject({});
  EXPECT_FALSE(inject_parameters(notebook_, {{"x", "1"}}, "cobol"));
  EXPECT_THAT(sources(), ElementsAre("only"));
}

}  // namespace
}  // namespace perijove
