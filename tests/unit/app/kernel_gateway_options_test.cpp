#include "app/kernel_gateway_options.hpp"

#include <gmock/gmock.h>

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

KernelGatewayOptions read(const std::vector<std::string>& arguments,
                          const Environment& environment = {}) {
  auto options = read_kernel_gateway_options(arguments, environment);
  EXPECT_TRUE(options) << options.error();
  return options ? *options : KernelGatewayOptions();
}

std::string error_of(const std::vector<std::string>& arguments,
                     const Environment& environment = {}) {
  const auto options = read_kernel_gateway_options(arguments, environment);
  return options ? "" : options.error().message;
}

TEST(KernelGatewayOptions, TakeBothForms) {
  const auto joined = read({"--KernelGatewayApp.ip=0.0.0.0", "--KernelGatewayApp.auth_token=a=b"});
  const auto apart =
      read({"--KernelGatewayApp.ip", "0.0.0.0", "--KernelGatewayApp.auth_token", "a=b"});
  for (const auto& options : {joined, apart}) {
    EXPECT_EQ(options.serve.ip, "0.0.0.0");
    EXPECT_EQ(options.serve.face.token, "a=b");
    EXPECT_TRUE(options.warnings.empty());
  }
}

// rows: J13 K07
TEST(KernelGatewayOptions, TakeWhatAg2Passes) {
  const auto options =
      read({"--KernelGatewayApp.ip", "127.0.0.1", "--KernelGatewayApp.auth_token", "t",
            "--JupyterApp.answer_yes", "true", "--JupyterApp.logging_config",
            R"({"handlers": {"file": {"class": "logging.FileHandler"}}})",
            "--JupyterWebsocketPersonality.list_kernels", "true", "--KernelGatewayApp.port", "8899",
            "--KernelGatewayApp.port_retries", "0"});
  EXPECT_EQ(options.serve.port, 8899);
  EXPECT_EQ(options.serve.port_retries, 0);
  EXPECT_TRUE(options.serve.face.list_kernels);
  EXPECT_FALSE(options.serve.no_auth);
  EXPECT_TRUE(options.warnings.empty());
}

TEST(KernelGatewayOptions, HaveTheDefaultsOfTheRealOne) {
  const auto options = read({});
  EXPECT_EQ(options.serve.port, 8888);
  EXPECT_EQ(options.serve.port_retries, 50);
  EXPECT_FALSE(options.serve.face.list_kernels);
  EXPECT_TRUE(options.serve.no_auth);
  EXPECT_FALSE(options.serve.allow_no_auth) << "only on loopback";
}

TEST(KernelGatewayOptions, IsolateOnlyWhenAsked) {
  EXPECT_EQ(read({}).serve.gateway.isolation.default_kind, "none");
  EXPECT_EQ(read({}, {{"PERIJOVE_ISOLATION", "auto"}}).serve.gateway.isolation.default_kind,
            "auto");
}

TEST(KernelGatewayOptions, AcceptAnyHostNameOnlyWithAToken) {
  EXPECT_TRUE(read({}).serve.face.allow_hosts.empty());
  EXPECT_THAT(read({}, {{"KG_AUTH_TOKEN", "t"}}).serve.face.allow_hosts, ElementsAre("*"));
}

TEST(KernelGatewayOptions, TakeVariablesButFlagsWin) {
  const Environment environment = {{"KG_PORT", "1111"},
                                   {"KG_AUTH_TOKEN", "from-variable"},
                                   {"KG_ENV_WHITELIST", "A,B_*"},
                                   {"PERIJOVE_ALLOW_NO_AUTH", "1"},
                                   {"KG_LIST_KERNELS", "True"}};
  const auto options = read({"--port=2222"}, environment);
  EXPECT_EQ(options.serve.port, 2222);
  EXPECT_EQ(options.serve.face.token, "from-variable");
  EXPECT_THAT(options.serve.gateway.registry.client_env, ElementsAre("A", "B_*"));
  EXPECT_TRUE(options.serve.allow_no_auth);
  EXPECT_TRUE(options.serve.face.list_kernels);
}

TEST(KernelGatewayOptions, ReadPythonsNotation) {
  const auto options =
      read({"--KernelGatewayApp.env_process_whitelist=['A', \"B_*\"]",
            "--KernelGatewayApp.allow_origin='*'", "--KernelGatewayApp.max_kernels=None",
            "--KernelGatewayApp.log_level=10"});
  EXPECT_THAT(options.serve.gateway.registry.inherited_env, ElementsAre("A", "B_*"));
  EXPECT_THAT(options.serve.face.allow_origins, ElementsAre("*"));
  EXPECT_EQ(options.serve.gateway.registry.kernels_max, 0u);
  EXPECT_EQ(options.serve.log_level, "debug");
}

TEST(KernelGatewayOptions, SetWhatTheClassesBehindItHave) {
  const auto options =
      read({"--MappingKernelManager.cull_idle_timeout=300",
            "--MappingKernelManager.cull_connected=True", "--KernelManager.shutdown_wait_time=2.5",
            "--KernelManager.autorestart=False", "--KernelRestarter.restart_limit=1"});
  const KernelOptions& kernel = options.serve.gateway.registry.kernel;
  EXPECT_EQ(kernel.cull.idle_timeout, std::chrono::minutes(5));
  EXPECT_TRUE(kernel.cull.connected);
  EXPECT_EQ(kernel.lifecycle.shutdown_wait, std::chrono::milliseconds(2500));
  EXPECT_EQ(kernel.lifecycle.auto_restart, lifecycle::AutoRestart::never);
  EXPECT_EQ(kernel.lifecycle.restart_budget.restarts_max, 1u);
}

TEST(KernelGatewayOptions, PrespawnedKernelsAreWarmKernels) {
  EXPECT_THAT(read({"--KernelGatewayApp.prespawn_count=3"}).serve.warm_kernels, ElementsAre("3"));
  EXPECT_THAT(read({}, {{"KG_PRESPAWN_COUNT", "2"}}).serve.warm_kernels, ElementsAre("2"));
}

TEST(KernelGatewayOptions, WarnOfWhatTheyDoNotKnowAndGoOn) {
  const auto options = read({"--Foo.bar", "3", "--Foo.flag", "--port=7", "stray"});
  EXPECT_EQ(options.serve.port, 7);
  EXPECT_THAT(options.warnings,
              ElementsAre(HasSubstr("--Foo.bar"), HasSubstr("--Foo.flag"), HasSubstr("'stray'")));
}

TEST(KernelGatewayOptions, RefuseWhatCannotBeLeftOut) {
  EXPECT_THAT(error_of({"--KernelGatewayApp.certfile=x.pem"}), HasSubstr("proxy"));
  EXPECT_THAT(error_of({}, {{"KG_SEED_URI", "x.ipynb"}}), HasSubstr("KG_SEED_URI"));
  EXPECT_THAT(error_of({"--api=kernel_gateway.notebook_http"}), HasSubstr("jupyter_websocket"));
  EXPECT_EQ(error_of({"--api=kernel_gateway.jupyter_websocket"}), "");
  EXPECT_THAT(error_of({"--config=x.py"}), HasSubstr("Python configuration"));
  EXPECT_THAT(error_of({"--port=many"}), HasSubstr("--port"));
}

TEST(KernelGatewayOptions, KnowVersionAndHelp) {
  EXPECT_TRUE(read({"--version"}).version);
  EXPECT_TRUE(read({"--help-all"}).help);
  EXPECT_TRUE(read({"-y", "--debug"}).warnings.empty());
}

}  // namespace
}  // namespace perijove
