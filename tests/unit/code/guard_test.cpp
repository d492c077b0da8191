#include "code/guard.hpp"

#include <gmock/gmock.h>

#include "code/pattern.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

bool matches(const char* pattern, std::string_view text) {
  return Pattern(pattern).find_in(text).has_value();
}

TEST(PatternTest, MeansWhatItMeansInPython) {
  EXPECT_TRUE(matches(R"(import\s+os)", "x; import \t\n os"));
  EXPECT_FALSE(matches(R"(import\s+os)", "importos"));
  EXPECT_TRUE(matches(R"(open\s*\()", "open("));
  EXPECT_TRUE(matches(R"(open\s*\()", "reopen  ("));
  EXPECT_TRUE(matches(R"(\bdd\b)", "dd"));
  EXPECT_TRUE(matches(R"(\bdd\b)", "sudo dd if=x"));
  EXPECT_FALSE(matches(R"(\bdd\b)", "add ddx _dd"));
  EXPECT_FALSE(matches(R"(\bdd\b)", "d d"));
  EXPECT_TRUE(matches("a[b-d]?e", "ae"));
  EXPECT_TRUE(matches("a[b-d]?e", "ace"));
  EXPECT_FALSE(matches("a[b-d]?e", "abbe"));
  EXPECT_TRUE(matches("a.*?b", "a12b"));
  EXPECT_FALSE(matches("a.*?b", "a1\n2b"));
  EXPECT_TRUE(matches("ab+c", "abbbc"));
  EXPECT_FALSE(matches("ab+c", "ac"));
}

TEST(PatternTest, TellsWhereTheFirstMatchEnds) {
  EXPECT_EQ(Pattern("ab").find_in("..ab.ab"), 4u);
  EXPECT_EQ(Pattern("ab").find_in("a b"), std::nullopt);
  EXPECT_EQ(Pattern("ab").find_in(""), std::nullopt);
}

TEST(PatternTest, TakesTimeInProportionToTheText) {
  // Backtracking, each would take hours.
  std::string moves;
  for (int i = 0; i < 500'000; ++i) moves += "mv ";
  EXPECT_FALSE(matches(R"(\bmv\b.*?\s+/dev/null)", moves));
  EXPECT_FALSE(matches(R"(a\s*\s*\s*b)", "a" + std::string(1'000'000, ' ')));
}

std::vector<std::string> found(const char* policy, const char* code) {
  const GuardPolicy& list = **find_guard_policy(policy);
  std::vector<std::string> messages;
  for (const GuardIssue& issue : check_patterns(list, code, list.language).issues) {
    messages.push_back(issue.message);
  }
  return messages;
}

// rows: H05 H06 H07
TEST(GuardPolicies, HoldTheirListsWordByWord) {
  EXPECT_THAT(found("ag2-forbidden",
                    "import os, subprocess; import subprocess; import sys; exec('1'); eval('1'); "
                    "open('x'); file('x'); __import__('x'); globals(); locals()"),
              ElementsAre("import os", "import subprocess", "import sys", "exec(", "eval(", "open(",
                          "file(", "__import__", "globals()", "locals()"));
  EXPECT_THAT(found("ag2-network",
                    "import socket\nfrom http import client\nfrom urllib import x\n"
                    "import requests"),
              ElementsAre("requests", "urllib", "http", "socket"));
  EXPECT_THAT(found("course",
                    "import  os\nimport sys\nimport\tsubprocess\nopen (x)\neval(x)\n"
                    "exec (x)\n__import__"),
              ElementsAre("OS module import", "System module import", "Subprocess import",
                          "File operations", "Eval usage", "Exec usage", "Dynamic imports"));
  EXPECT_THAT(found("guide", "import os\nimport subprocess\n__import__\neval (x)\nexec(x)"),
              ElementsAre(R"(import\s+os)", R"(import\s+subprocess)", "__import__", R"(eval\s*\()",
                          R"(exec\s*\()"));
  EXPECT_THAT(found("ag2-shell",
                    "rm -rf /; mv a /dev/null; dd if=a; cat a > /dev/sda1; "
                    ":(){ :|:& };:"),
              SizeIs(5));
}

TEST(GuardPolicies, HaveTheWeaknessesOfTheirSources) {
  EXPECT_THAT(found("course", "from os import remove"), IsEmpty());
  EXPECT_THAT(found("ag2-forbidden", "import  os as o"), IsEmpty());
  EXPECT_THAT(found("guide", "# import os"), SizeIs(1));
  EXPECT_THAT(found("course", "reopen(x)"), SizeIs(1));
}

TEST(GuardPolicies, AreKnownByName) {
  EXPECT_THAT(guard_policies(), SizeIs(5));
  const auto unknown = find_guard_policy("cuorse");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message,
            "there is no list of patterns 'cuorse'; did you mean 'course'? known are: "
            "ag2-forbidden, ag2-network, course, guide, ag2-shell");
}

TEST(CheckPatterns, GivesTheVerdictThatWasAskedFor) {
  const GuardPolicy& course = **find_guard_policy("course");
  EXPECT_EQ(check_patterns(course, "x = 1", "python").verdict, Severity::allow);
  EXPECT_EQ(check_patterns(course, "import os", "py").verdict, Severity::deny);
  EXPECT_EQ(check_patterns(course, "import os", "Python3", Severity::warn).verdict, Severity::warn);
  EXPECT_EQ(check_patterns(course, "import os", "bash").verdict, Severity::allow);
  EXPECT_THAT(check_patterns(course, "\n\nimport os\n", "python").issues,
              ElementsAre(GuardIssue{R"(import\s+os)", "OS module import", 3}));
  for (const Severity each : {Severity::allow, Severity::warn, Severity::deny}) {
    EXPECT_EQ(*parse_severity(to_string(each)), each);
  }
  EXPECT_FALSE(parse_severity("off"));
}

// rows: H05
TEST(RefuseForbiddenCode, NamesTheFirstPattern) {
  EXPECT_TRUE(refuse_forbidden_code("print(1)"));
  const auto refused = refuse_forbidden_code("eval('1'); import os");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::permission_denied);
  EXPECT_EQ(refused.error().message, "Potentially unsafe code detected: import os");
}

// rows: H06
TEST(RefuseForbiddenCode, NamesTheModuleOfTheNetwork) {
  EXPECT_EQ(refuse_forbidden_code("from urllib.request import x").error().message,
            "Network access not allowed: urllib");
  EXPECT_TRUE(refuse_forbidden_code("import requests", true));
  EXPECT_FALSE(refuse_forbidden_code("import os", true));
}

// rows: H08
TEST(RefuseProhibitedCode, IsAboutPythonOnly) {
  EXPECT_EQ(refuse_prohibited_code("import os", "python").error().message,
            "Code contains prohibited patterns");
  EXPECT_TRUE(refuse_prohibited_code("import os", "javascript"));
  EXPECT_TRUE(refuse_prohibited_code("open('x')", "python"));
}

// rows: H09
TEST(ValidateCodeInput, GivesTheFirstReason) {
  using namespace std::string_literals;
  const SyntaxCheck good = [](std::string_view) { return std::vector<std::string>(); };
  const SyntaxCheck bad = [](std::string_view) {
    return std::vector<std::string>{"Line 1: invalid syntax", "Line 2: it's", "Line 3: '\"\\"};
  };
  EXPECT_TRUE(validate_code_input("x = 1", good).valid);
  EXPECT_EQ(validate_code_input("x = 1", good).reason, "");
  EXPECT_EQ(validate_code_input(std::string(10'001, '\0'), bad).reason,
            "Code too long (max 10000 chars)");
  std::string umlauts;
  for (int i = 0; i < 10'000; ++i) umlauts += "ä";
  EXPECT_TRUE(validate_code_input(umlauts, good).valid);
  EXPECT_EQ(validate_code_input("a\0b"s, bad).reason, "Invalid characters in code");
  EXPECT_EQ(validate_code_input("x", bad).reason,
            R"(Syntax error: ['Line 1: invalid syntax', "Line 2: it's", 'Line 3: \'"\\'])");
  EXPECT_EQ(validate_code_input("import os; eval('1')", good).reason,
            "Unsafe operations: ['OS module import', 'Eval usage']");
  EXPECT_FALSE(validate_code_input("import os", good).valid);
}

// rows: L16
TEST(RefuseDangerousCommand, SaysWhatAg2Says) {
  const auto refused = [](const char* code) {
    return refuse_dangerous_command(code, "sh").error().message;
  };
  constexpr const char* kOpening = "Potentially dangerous command detected: ";
  EXPECT_EQ(refused("sudo rm   -rf /"),
            std::string(kOpening) + "Use of 'rm -rf' command is not allowed.");
  EXPECT_EQ(refused("mv ~/a b /dev/null"),
            std::string(kOpening) + "Moving files to /dev/null is not allowed.");
  EXPECT_EQ(refused("dd if=/dev/zero"),
            std::string(kOpening) + "Use of 'dd' command is not allowed.");
  EXPECT_EQ(refused("echo x >/dev/sdb"),
            std::string(kOpening) + "Overwriting disk blocks directly is not allowed.");
  EXPECT_EQ(refused(":(){ :|:& };:"), std::string(kOpening) + "Fork bombs are not allowed.");
  for (const char* code : {"rm -r x", "rm -rfv x", "echo add", "echo > /dev/null"}) {
    EXPECT_TRUE(refuse_dangerous_command(code, "bash")) << code;
  }
  EXPECT_TRUE(refuse_dangerous_command("rm -rf /", "python"));
}

}  // namespace
}  // namespace perijove
