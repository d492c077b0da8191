#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/console.hpp"
#include "app/table.hpp"
#include "engine/gateway_runtime.hpp"
#include "protocol/data_path.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

int list_kernelspecs(bool as_json) {
  Console console({});
  const auto catalogue =
      KernelspecCatalogue::blocking_scan(kernelspec_directories(own_environment()));
  const std::string default_name = catalogue.default_name();
  if (as_json) {
    nlohmann::json specs = nlohmann::json::object();
    for (const auto& [name, entry] : catalogue.entries()) {
      specs[name] = {{"language", entry.spec.language},
                     {"display_name", entry.spec.display_name},
                     {"path", entry.spec.resource_dir},
                     {"argv", entry.spec.argv}};
    }
    nlohmann::json broken = nlohmann::json::array();
    for (const auto& fault : catalogue.faults()) {
      broken.push_back({{"path", fault.path}, {"reason", fault.reason}});
    }
    console.result(dump_json_pretty({{"default", default_name},
                                     {"kernelspecs", std::move(specs)},
                                     {"broken", std::move(broken)},
                                     {"searched", catalogue.directories()}}));
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"NAME", "LANGUAGE", "DISPLAY NAME", "PATH"}};
  for (const auto& [name, entry] : catalogue.entries()) {
    rows.push_back({name == default_name ? name + " (default)" : name, entry.spec.language,
                    entry.spec.display_name, entry.spec.resource_dir});
  }
  if (rows.size() > 1) console.result(format_table(rows));
  if (rows.size() == 1) {
    console.note(
        "no kernelspec is installed; for Python: apt-get install python3-ipykernel, or "
        "pip install ipykernel");
  }
  for (const auto& fault : catalogue.faults()) {
    console.note("broken: " + fault.path + ": " + fault.reason, Console::Style::bad);
  }
  if (rows.size() == 1 || !catalogue.faults().empty()) {
    console.note("searched:");
    for (const std::string& directory : catalogue.directories()) console.note("  " + directory);
  }
  return 0;
}

}  // namespace

void add_kernelspec_command(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand("kernelspec", "Kinds of kernels that are installed");
  group->require_subcommand(1);
  CLI::App* const list =
      group->add_subcommand("list", "Show name, language and place, and what is broken");
  auto as_json = std::make_shared<bool>(false);
  list->add_flag("--json", *as_json, "Print JSON");
  list->callback([as_json, &action] { action = [as_json] { return list_kernelspecs(*as_json); }; });
}

}  // namespace perijove
