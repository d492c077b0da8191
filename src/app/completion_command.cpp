#include <CLI/CLI.hpp>
#include <memory>

#include "app/commands.hpp"
#include "app/completion.hpp"
#include "app/console.hpp"

namespace perijove {
namespace {

void collect(const CLI::App& app, const std::string& path, std::vector<CompletionLevel>& levels) {
  CompletionLevel level{path, {}, {}};
  for (const CLI::Option* const option : app.get_options()) {
    for (const std::string& name : option->get_snames()) level.options.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) level.options.push_back("--" + name);
  }
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* const command : commands) level.commands.push_back(command->get_name());
  levels.push_back(std::move(level));
  for (const CLI::App* const command : commands) {
    collect(*command, path.empty() ? command->get_name() : path + " " + command->get_name(),
            levels);
  }
}

}  // namespace

void add_completion_command(CLI::App& app, Action& action) {
  CLI::App* const command =
      app.add_subcommand("completion", "Print a script that completes these commands in a shell");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "bash:  source <(perijove completion bash)\n"
      "zsh:   source <(perijove completion zsh)\n"
      "fish:  perijove completion fish | source");
  command->callback([shell, &app, &action] {
    action = [shell, &app] {
      std::vector<CompletionLevel> levels;
      collect(app, "", levels);
      Console({}).result(completion_script(*shell, levels));
      return 0;
    };
  });
}

}  // namespace perijove
