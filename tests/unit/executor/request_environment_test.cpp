#include "executor/request_environment.hpp"

#include <gmock/gmock.h>

#include "support/run_program.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using ::testing::HasSubstr;

using Variables = std::map<std::string, std::string>;

// What the interpreter prints when it runs the code that sets, `between`, the code that puts back,
// and `after`.
std::string run(const Variables& variables, std::string_view language,
                const std::vector<std::string>& interpreter, const std::string& between,
                const std::string& after) {
  const auto set = environment_code(variables, language, EnvironmentStep::set);
  const auto restore = environment_code(variables, language, EnvironmentStep::restore);
  EXPECT_TRUE(set && restore);
  const testing::TempDir temp;
  temp.write("program", *set + "\n" + between + "\n" + *restore + "\n" + after + "\n");
  std::vector<std::string> argv = interpreter;
  argv.push_back(temp.str() + "/program");
  const testing::ProgramEnd end = testing::run_program(
      {.argv = argv, .env = {{"PATH", "/usr/bin:/bin"}, {"HAD", "before"}}, .work_dir = "/"});
  EXPECT_TRUE(end.ok) << end.output;
  return end.output;
}

std::string python(const Variables& variables, const std::string& between,
                   const std::string& after) {
  return run(variables, "python", {"/usr/bin/python3"}, between, after);
}
std::string bash(const Variables& variables, const std::string& between, const std::string& after) {
  return run(variables, "bash", {"/bin/bash", "-u"}, between, after);
}

const char kNasty[] = "a 'b' \"c\" \\d $HOME `e` \n\t\x01 \xc3\xa4 \xf0\x9f\x98\x80 %s {f}";

TEST(RequestEnvironment, PythonSeesVariablesWhileItRunsAndNotAfterwards) {
  EXPECT_EQ(
      python({{"NEW", "n"}, {"HAD", "h"}}, "import os; print(os.environ['NEW'], os.environ['HAD'])",
             "print(os.environ.get('NEW'), os.environ['HAD'])"),
      "n h\nNone before\n");
}

TEST(RequestEnvironment, BashSeesVariablesWhileItRunsAndNotAfterwards) {
  EXPECT_EQ(bash({{"NEW", "n"}, {"HAD", "h"}}, "printenv NEW HAD", "echo ${NEW-none} $HAD"),
            "n\nh\nnone before\n");
}

TEST(RequestEnvironment, ValuesArriveAsTheyAre) {
  EXPECT_EQ(python({{"X", kNasty}}, "import os; print(os.environ['X'])", ""),
            std::string(kNasty) + "\n");
  EXPECT_EQ(bash({{"X", kNasty}}, "printenv X", ""), std::string(kNasty) + "\n");
}

TEST(RequestEnvironment, LeavesNoNameBehind) {
  EXPECT_EQ(python({{"X", "1"}}, "",
                   "import os\n"
                   "print([n for n in globals() if not n.startswith('__') and n != 'os'],\n"
                   "      [n for n in vars(os) if 'perijove' in n])"),
            "[] []\n");
  EXPECT_EQ(bash({{"X", "1"}}, "", "compgen -v | grep -i _perijove; true"), "");
}

TEST(RequestEnvironment, BashKeepsAVariableOfItsOwnToItself) {
  EXPECT_EQ(run({{"OWN", "new"}}, "bash", {"/bin/bash", "-c", "OWN=mine; . \"$0\""}, "printenv OWN",
                "echo $OWN; printenv OWN || echo not exported"),
            "new\nmine\nnot exported\n");
}

TEST(RequestEnvironment, PutsBackWhatTheCodeItselfHasChanged) {
  EXPECT_EQ(python({{"HAD", "h"}, {"NEW", "n"}},
                   "import os; del os.environ['NEW']; os.environ['HAD'] = 'x'",
                   "print(os.environ.get('NEW'), os.environ['HAD'])"),
            "None before\n");
  EXPECT_EQ(bash({{"HAD", "h"}, {"NEW", "n"}}, "unset NEW; HAD=x", "echo ${NEW-none} $HAD"),
            "none before\n");
}

TEST(RequestEnvironment, RefusesNamesThatAreNone) {
  for (const char* const name : {"", "1A", "A B", "A=B", "A;rm", "\xc3\xa4", "A\n"}) {
    const auto code = environment_code({{name, "x"}}, "bash", EnvironmentStep::set);
    ASSERT_FALSE(code) << name;
    EXPECT_EQ(code.error().code, Code::invalid_argument);
  }
  EXPECT_FALSE(environment_code({{"A", std::string("x\0y", 3)}}, "python", EnvironmentStep::set));
}

TEST(RequestEnvironment, SaysWhereItCannotBeDone) {
  const auto code = environment_code({{"A", "x"}}, "r", EnvironmentStep::set);
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, Code::unimplemented);
  EXPECT_THAT(code.error().message, HasSubstr("give them to the session"));
}

}  // namespace
}  // namespace perijove
