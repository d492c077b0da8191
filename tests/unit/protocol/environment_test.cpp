#include "protocol/environment.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace perijove {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

// One kernel's environment, from its ingredients.
struct Kitchen {
  Environment gateway = {{"PATH", "/usr/bin"}, {"HOME", "/home/ada"}};
  Kernelspec spec;
  Environment client;
  std::vector<std::string> inherited;
  std::vector<std::string> client_allowed;
  std::string session_name;
  std::string parent_pid;

  KernelEnvironment make() const {
    return make_kernel_environment(
        {gateway, spec, client, inherited, client_allowed, "k-1", session_name, parent_pid});
  }
  Environment variables() const { return make().variables; }
};

TEST(KernelEnvironment, InheritsTheBaseListAndNothingElse) {
  Kitchen kitchen;
  kitchen.gateway = {{"PATH", "/usr/bin"},           {"HOME", "/home/ada"},
                     {"LC_ALL", "C.UTF-8"},          {"XDG_RUNTIME_DIR", "/run/user/1"},
                     {"AWS_SECRET_ACCESS_KEY", "x"}, {"LD_PRELOAD", "/evil.so"},
                     {"PYTHONPATH", "/x"},           {"SSH_AUTH_SOCK", "/s"}};
  EXPECT_EQ(kitchen.variables(), (Environment{{"PATH", "/usr/bin"},
                                              {"HOME", "/home/ada"},
                                              {"LC_ALL", "C.UTF-8"},
                                              {"XDG_RUNTIME_DIR", "/run/user/1"},
                                              {"KERNEL_GATEWAY", "1"},
                                              {"KERNEL_ID", "k-1"}}));
}

TEST(KernelEnvironment, InheritsWhatTheOperatorAdds) {
  Kitchen kitchen;
  kitchen.gateway = {{"SPARK_HOME", "/s"}, {"SPARK_CONF", "/c"}, {"HF_TOKEN", "t"}, {"OTHER", "o"}};
  kitchen.inherited = {"SPARK_*", "HF_TOKEN"};
  const Environment made = kitchen.variables();
  EXPECT_THAT(made, Contains(Pair("SPARK_HOME", "/s")));
  EXPECT_THAT(made, Contains(Pair("SPARK_CONF", "/c")));
  EXPECT_THAT(made, Contains(Pair("HF_TOKEN", "t")));
  EXPECT_THAT(made, Not(Contains(Key("OTHER"))));
}

TEST(KernelEnvironment, NeverPassesTheGatewaysSecrets) {
  Kitchen kitchen;
  kitchen.inherited = {"*", "PERIJOVE_TOKEN"};
  const char* secrets[] = {"PERIJOVE_TOKEN", "KG_AUTH_TOKEN", "EG_AUTH_TOKEN",
                           "TOKEN",          "JUPYTER_TOKEN", "JUPYTERHUB_API_TOKEN"};
  for (const char* secret : secrets) {
    kitchen.gateway[secret] = "s3cr3t";
    kitchen.spec.env[std::string("COPY_OF_") + secret] = std::string("${") + secret + "}";
  }
  kitchen.gateway["OTHER"] = "inherited";
  const Environment made = kitchen.variables();
  EXPECT_THAT(made, Contains(Pair("OTHER", "inherited")));
  for (const auto& [name, value] : made) EXPECT_THAT(value, Not(HasSubstr("s3cr3t"))) << name;
}

TEST(KernelEnvironment, FillsInTheKernelspecsVariables) {
  Kitchen kitchen;
  kitchen.client = {{"KERNEL_USERNAME", "ada"}};
  kitchen.spec.env = {{"PATH", "/opt/bin:${PATH}"},
                      {"USER_DIR", "$HOME/x$KERNEL_USERNAME"},
                      {"PRICE", "$$5"},
                      {"UNKNOWN", "${NOPE} $NOPE"},
                      {"BROKEN", "${PATH $ ${} $1 ${A-B}$"}};
  const Environment made = kitchen.variables();
  EXPECT_EQ(made.at("PATH"), "/opt/bin:/usr/bin");
  EXPECT_EQ(made.at("USER_DIR"), "/home/ada/xada");
  EXPECT_EQ(made.at("PRICE"), "$5");
  EXPECT_EQ(made.at("UNKNOWN"), "${NOPE} $NOPE");
  EXPECT_EQ(made.at("BROKEN"), "${PATH $ ${} $1 ${A-B}$");
}

TEST(KernelEnvironment, FillsInEveryVariableFromTheSameMoment) {
  Kitchen kitchen;
  kitchen.spec.env = {{"A", "changed"}, {"B", "${A}"}, {"PATH", "/opt"}, {"Z", "${PATH}"}};
  EXPECT_EQ(kitchen.variables().at("B"), "${A}");
  EXPECT_EQ(kitchen.variables().at("Z"), "/usr/bin");
}

TEST(KernelEnvironment, AppliesTheClientsValuesAfterTheKernelspecs) {
  Kitchen kitchen;
  kitchen.spec.env = {{"KERNEL_MEMORY", "1g"}, {"MODE", "spec"}};
  kitchen.client = {{"KERNEL_MEMORY", "2g"}, {"MODE", "client"}};
  kitchen.client_allowed = {"MODE"};
  EXPECT_EQ(kitchen.variables().at("KERNEL_MEMORY"), "2g");
  EXPECT_EQ(kitchen.variables().at("MODE"), "client");
}

TEST(KernelEnvironment, TakesOnlyKernelNamesFromTheClientAndNamesTheRest) {
  Kitchen kitchen;
  kitchen.client = {
      {"KERNEL_X", "1"}, {"LD_PRELOAD", "/evil.so"}, {"PATH", "/evil"}, {"kernel_y", "1"}};
  const KernelEnvironment made = kitchen.make();
  EXPECT_THAT(made.ignored, ElementsAre("LD_PRELOAD", "PATH", "kernel_y"));
  EXPECT_EQ(made.variables.at("PATH"), "/usr/bin");
  EXPECT_EQ(made.variables.at("KERNEL_X"), "1");
  EXPECT_THAT(made.variables, Not(Contains(Key("LD_PRELOAD"))));
}

// Values of the kind that ran as code in gateways that used templates or shells.
TEST(KernelEnvironment, TakesTheClientsValuesVerbatim) {
  Kitchen kitchen;
  kitchen.spec.env = {{"COPY", "${KERNEL_X}"}};
  for (const char* value :
       {"${PATH}", "$HOME", "$$", "{{7*7}}", "$(touch /tmp/p)", "`id`", "; id"}) {
    kitchen.client = {{"KERNEL_X", value}};
    EXPECT_EQ(kitchen.variables().at("KERNEL_X"), value);
    EXPECT_EQ(kitchen.variables().at("COPY"), value);
  }
}

TEST(KernelEnvironment, SetsTheGatewaysOwnVariablesLast) {
  Kitchen kitchen;
  kitchen.client = {{"KERNEL_ID", "forged"}, {"KERNEL_GATEWAY", "0"}};
  kitchen.session_name = "/home/ada/a b.ipynb";
  kitchen.parent_pid = "42";
  const Environment made = kitchen.variables();
  EXPECT_EQ(made.at("KERNEL_ID"), "k-1");
  EXPECT_EQ(made.at("KERNEL_GATEWAY"), "1");
  EXPECT_EQ(made.at("JPY_SESSION_NAME"), "/home/ada/a b.ipynb");
  EXPECT_EQ(made.at("JPY_PARENT_PID"), "42");
}

TEST(KernelEnvironment, SaysNothingAboutSessionAndParentUnlessTold) {
  const Environment made = Kitchen{}.variables();
  EXPECT_THAT(made, Not(Contains(Key("JPY_SESSION_NAME"))));
  EXPECT_THAT(made, Not(Contains(Key("JPY_PARENT_PID"))));
}

TEST(KernelEnvironment, KeepsPythonexecutableFromPythonKernels) {
  Kitchen kitchen;
  kitchen.gateway["PYTHONEXECUTABLE"] = "/x";
  kitchen.inherited = {"PYTHON*"};
  EXPECT_THAT(kitchen.variables(), Contains(Key("PYTHONEXECUTABLE")));
  kitchen.spec.language = "Python";
  EXPECT_THAT(kitchen.variables(), Not(Contains(Key("PYTHONEXECUTABLE"))));
}

// jupyter_kernel_gateway and enterprise_gateway hand A's variables to B when both start at once.
TEST(KernelEnvironment, OfOneClientHoldsNothingOfAnother) {
  Kitchen ada;
  ada.client = {{"KERNEL_USERNAME", "ada"}, {"KERNEL_ADAS_KEY", "x"}};
  Kitchen bob;
  bob.client = {{"KERNEL_USERNAME", "bob"}};
  const Environment first = ada.variables();
  EXPECT_EQ(bob.variables().at("KERNEL_USERNAME"), "bob");
  EXPECT_THAT(bob.variables(), Not(Contains(Key("KERNEL_ADAS_KEY"))));
  EXPECT_EQ(ada.variables(), first);
}

nlohmann::json object(const std::string& name, nlohmann::json value) {
  nlohmann::json made = nlohmann::json::object();
  made[name] = std::move(value);
  return made;
}

TEST(ClientEnvironment, ReadsStrings) {
  const auto read = read_client_environment({{"KERNEL_A", "1"}, {"_b2", ""}});
  ASSERT_TRUE(read) << read.error();
  EXPECT_THAT(*read, ElementsAre(Pair("KERNEL_A", "1"), Pair("_b2", "")));
}

TEST(ClientEnvironment, IsEmptyForNull) {
  const auto read = read_client_environment(nullptr);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->empty());
}

TEST(ClientEnvironment, RefusesWhatIsNoEnvironment) {
  struct Refusal {
    nlohmann::json env;
    std::string reason;
  };
  const Refusal refusals[] = {
      {"text", "env: must be a JSON object, not a string"},
      {nlohmann::json::array(), "env: must be a JSON object, not an array"},
      {object("KERNEL_A", 1), "env: field 'KERNEL_A' must be a string, not a number"},
      {object("KERNEL_A", nullptr), "env: field 'KERNEL_A' must be a string, not null"},
      {object("KERNEL_A", std::string("a\0b", 3)),
       "'KERNEL_A' must not hold a NUL or a line break"},
      {object("KERNEL_A", "a\nb"), "'KERNEL_A' must not hold a NUL or a line break"},
      {object("KERNEL_A", "a\rb"), "'KERNEL_A' must not hold a NUL or a line break"},
      {object("KERNEL_A", std::string(4097, 'x')), "'KERNEL_A' is longer than 4096 bytes"},
      {object("", "1"), "env: variable names"},
      {object("1A", "1"), "env: variable names"},
      {object("A=B", "1"), "env: variable names"},
      {object("A-B", "1"), "env: variable names"},
      {object(std::string("A\0", 2), "1"), "env: variable names"},
      {object("\xc3\x84", "1"), "env: variable names"},
  };
  for (const auto& [env, reason] : refusals) {
    const auto read = read_client_environment(env);
    ASSERT_FALSE(read) << env;
    EXPECT_EQ(read.error().code, Code::invalid_argument);
    EXPECT_THAT(read.error().message, HasSubstr(reason));
  }
}

TEST(ClientEnvironment, TakesAValueOfTheLongestLength) {
  EXPECT_TRUE(read_client_environment(object("KERNEL_A", std::string(4096, 'x'))));
}

TEST(ClientEnvironment, RefusesMoreInAllThanExecWouldTake) {
  nlohmann::json env = nlohmann::json::object();
  for (int i = 0; i < 70; ++i) env["KERNEL_" + std::to_string(i)] = std::string(4096, 'x');
  const auto read = read_client_environment(env);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("all variables together"));
}

}  // namespace
}  // namespace perijove
