#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "app/commands.hpp"
#include "app/console.hpp"
#include "app/gateway_server.hpp"
#include "app/settings.hpp"
#include "base/log.hpp"
#include "perijove/version.hpp"

namespace perijove {
namespace {

struct ServeFlags {
  std::string config;
  std::map<std::string, std::vector<std::string>> settings;  // as given, by name
};

// Defaults < file < environment < flags.
Result<ServeOptions> gather_options(const ServeFlags& flags) {
  ServeOptions options;
  std::string config = flags.config;
  const char* const config_variable = std::getenv("PERIJOVE_CONFIG");
  if (config.empty() && config_variable != nullptr) config = config_variable;
  if (!config.empty()) {
    if (const auto applied = apply_config_file(options, config); !applied) return applied.error();
  }
  const auto warnings = apply_environment(options, own_environment());
  if (!warnings) return warnings.error();
  for (const std::string& warning : *warnings) log::warning("environment", {{"what", warning}});
  for (const auto& [name, values] : flags.settings) {
    const auto applied = apply_setting(options, *find_setting(name), values, "--" + name);
    if (!applied) return applied.error();
  }
  return options;
}

// What isolated kernels may write to must not be what their gateway is started from next time.
bool holds_own_program(const std::string& directory) {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::canonical("/proc/self/exe", error);
  const std::filesystem::path root(directory);
  return !error && std::mismatch(root.begin(), root.end(), program.begin(), program.end()).first ==
                       root.end();
}

int serve(const ServeFlags& flags) {
  Console console({});
  auto options = gather_options(flags);
  if (!options) {
    console.error(options.error().message);
    return exit_code(options.error().code);
  }
  const auto server = GatewayServer::start(*std::move(options));
  if (!server) {
    console.error(server.error().message);
    return exit_code(server.error().code);
  }
  GatewayServer& gateway = **server;
  if (gateway.token().empty()) {
    log::warning("no_authentication", {{"ip", gateway.options().ip}});
  }
  const DefaultIsolation& isolation = gateway.default_isolation();
  if (isolation.kind.empty()) {
    console.note("warning: " + isolation.why);
  } else if (!isolation.why.empty()) {
    console.note("isolation: " + isolation.kind + ", by " + isolation.why);
  }
  const std::string& work_root = gateway.options().gateway.registry.work_root;
  if (isolation.kind != "none" && holds_own_program(work_root)) {
    console.note("warning: kernels may write to " + work_root +
                 ", and this program lies in there; name another directory with --work-dir");
  }
  console.result("Perijove " PERIJOVE_VERSION " is serving at " + gateway.url_with_token());
  return gateway.run();
}

}  // namespace

void add_serve_command(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* const command = app.add_subcommand(
      "serve", "Serve kernels to Jupyter clients: REST and websockets, until Ctrl-C or SIGTERM");
  const ServeOptions defaults;
  for (const Setting& setting : serve_settings()) {
    std::string description = setting.description;
    const std::string value = setting.secret ? "" : setting.read(defaults);
    if (!value.empty() && value != "false") description += " [" + value + "]";
    CLI::Option* const option = command->add_option_function<std::vector<std::string>>(
        "--" + setting.name,
        [flags, name = setting.name](const std::vector<std::string>& values) {
          flags->settings[name] = values;
        },
        description);
    // One word in capitals, as help texts have it.
    const bool is_choice = setting.unit.find(" or ") != std::string::npos;
    std::string label = is_choice ? "value" : setting.unit.substr(0, setting.unit.find(' '));
    for (char& c : label) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    option->option_text(setting.shape == Setting::Shape::toggle ? " " : label);
    if (setting.shape == Setting::Shape::toggle) {
      // The flag alone, or --flag=false.
      option->expected(0, 1)->default_str("true");
    } else if (setting.shape == Setting::Shape::list) {
      option->allow_extra_args(false)->take_all();
    } else {
      option->expected(1)->take_last();
    }
  }
  command
      ->add_option("--config", flags->config,
                   "A TOML file with these settings; the environment (PERIJOVE_PORT ...) wins "
                   "over it, and flags over both")
      ->option_text("FILE");
  command->callback([flags, &action] { action = [flags] { return serve(*flags); }; });
}

}  // namespace perijove
