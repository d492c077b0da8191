#include "app/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <string_view>

#include "app/commands.hpp"
#include "app/help_formatter.hpp"
#include "app/kernel_gateway_command.hpp"
#include "base/suggest.hpp"
#include "perijove/result.hpp"
#include "perijove/version.hpp"

namespace perijove {
namespace {

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The command that was being read when an argument did not fit.
const CLI::App& deepest(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : deepest(*chosen.front());
}

// What the first argument that does not fit may have been meant as; empty when nothing is close.
std::string hint_for(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App& command = deepest(app);
  std::vector<std::string> known;
  for (const CLI::Option* const option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (const CLI::App* const each : command.get_subcommands([](const CLI::App*) { return true; })) {
    known.push_back(each->get_name());
  }
  for (const std::string& argument : arguments) {
    const std::string name = argument.substr(0, argument.find('='));
    if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string hint = did_you_mean(name, known);
    if (!hint.empty()) return "'" + name + "': " + hint;
  }
  return {};
}

// Which command was meant where there is none of that name; empty when none was named.
std::string unknown_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* at = &app;
  for (const std::string& argument : arguments) {
    const auto chosen = at->get_subcommands();
    if (!chosen.empty() && chosen.front()->get_name() == argument) {
      at = chosen.front();
    } else if (!argument.starts_with('-')) {
      return argument;
    }
  }
  return {};
}

int report_parse_error(const CLI::App& app, const CLI::ParseError& error,
                       const std::vector<std::string>& arguments) {
  if (error.get_exit_code() == 0) return app.exit(error);  // help and version
  const bool no_command = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr &&
                          deepest(app).get_require_subcommand_min() > 0;
  const std::string unknown = no_command ? unknown_command(app, arguments) : "";
  std::cerr << "error: "
            << (!unknown.empty() ? "there is no command '" + unknown + "'"
                : no_command     ? "a command is missing"
                                 : error.what())
            << '\n';
  const std::string hint = hint_for(app, arguments);
  if (!hint.empty()) std::cerr << hint << '\n';
  std::string path;
  for (const CLI::App* at = &deepest(app); at != nullptr; at = at->get_parent()) {
    path = at->get_name() + (path.empty() ? "" : " ") + path;
  }
  std::cerr << "`" << path << " --help` shows what there is\n";
  return exit_code(Code::invalid_argument);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  // jupyter_core calls it by this name for `jupyter kernelgateway`.
  if (argc > 0 && file_name(argv[0]).starts_with("jupyter-kernelgateway")) {
    return run_kernel_gateway(arguments);
  }
  CLI::App app("Perijove: a Jupyter kernel gateway, and notebooks and code run in its kernels",
               "perijove");
  app.set_version_flag("--version", "perijove " PERIJOVE_VERSION);
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());
  Action action;
  add_run_command(app, action);
  add_exec_command(app, action);
  add_serve_command(app, action);
  add_kernel_command(app, action);
  add_session_command(app, action);
  add_pool_command(app, action);
  add_server_job_command(app, action);
  add_kernelspec_command(app, action);
  add_doctor_command(app, action);
  add_completion_command(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report_parse_error(app, error, arguments);
  }
  return action();
}

}  // namespace perijove
