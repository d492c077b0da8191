#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>

#include "app/settings.hpp"
#include "base/suggest.hpp"

// Where settings come from: a file, the environment. Flags are in serve_command.cpp.

namespace perijove {
namespace {

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const Setting& setting : serve_settings()) names.push_back(setting.name);
  return names;
}

}  // namespace

Result<void> apply_setting(ServeOptions& options, const Setting& setting,
                           const std::vector<std::string>& values, const std::string& source) {
  if (setting.shape != Setting::Shape::list && values.size() != 1) {
    return Error{Code::invalid_argument,
                 source + " takes one value, not " + std::to_string(values.size())};
  }
  const auto written = setting.write(options, values);
  if (written) return {};
  return Error{written.error().code, source + ": " + written.error().message};
}

Result<void> apply_config_file(ServeOptions& options, const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error{Code::not_found, "cannot read the configuration file " + path};
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_config(file);
  } catch (const std::exception& error) {
    return Error{Code::invalid_argument, path + ": " + error.what()};
  }
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "++" || item.name == "--") continue;  // CLI11's marks of a section
    const std::string source = path + ": " + item.fullname();
    if (item.parents.size() > 1 || (item.parents.size() == 1 && item.parents[0] != "serve")) {
      return Error{Code::invalid_argument,
                   source +
                       " stands in an unknown section; settings stand at the top or below "
                       "[serve]"};
    }
    const Setting* const setting = find_setting(item.name);
    if (setting == nullptr) {
      const std::string hint = did_you_mean(item.name, all_names());
      return Error{Code::invalid_argument,
                   source + " is not a setting; " +
                       (hint.empty() ? "`perijove serve --help` lists them" : hint)};
    }
    const auto applied = apply_setting(options, *setting, item.inputs, source);
    if (!applied) return applied.error();
  }
  return {};
}

Result<std::vector<std::string>> apply_environment(ServeOptions& options,
                                                   const Environment& environment) {
  std::vector<std::string> endings;  // behind PERIJOVE_, which would make all names look alike
  for (const Setting& setting : serve_settings()) {
    const std::string variable = setting.variable();
    endings.push_back(variable.substr(kSettingVariablePrefix.size()));
    const auto found = environment.find(variable);
    if (found == environment.end() || found->second.empty()) continue;
    const auto applied = apply_setting(options, setting, {found->second}, variable);
    if (!applied) return applied.error();
  }
  std::vector<std::string> warnings;
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(kSettingVariablePrefix) || name == "PERIJOVE_CONFIG") continue;
    const std::string ending = name.substr(kSettingVariablePrefix.size());
    if (std::find(endings.begin(), endings.end(), ending) != endings.end()) continue;
    const auto close = closest_names(ending, endings, 1);
    if (!close.empty()) {
      warnings.push_back(name + " is not a setting; did you mean " +
                         std::string(kSettingVariablePrefix) + close.front() + "?");
    }
  }
  return warnings;
}

}  // namespace perijove
