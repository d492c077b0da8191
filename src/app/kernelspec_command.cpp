#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/console.hpp"
#include "app/own_kernels.hpp"
#include "app/table.hpp"
#include "base/suggest.hpp"
#include "engine/gateway_runtime.hpp"
#include "protocol/data_path.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

int list_kernelspecs(bool as_json) {
  Console console({});
  const auto catalogue = KernelspecCatalogue::blocking_scan(kernelspec_path(own_environment()));
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
        "no kernelspec is installed; `perijove kernelspec install` installs those that come with "
        "it, and for Python there is ipykernel, too");
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

struct ChangeFlags {
  std::vector<std::string> names;
  KernelspecPlace place;
  bool user = false;
  bool replace = false;
  bool dry_run = false;
  bool as_json = false;
};

/// What was done, or not, for each of the names.
class ChangeReport {
 public:
  explicit ChangeReport(const ChangeFlags& flags) : flags_(flags) {}

  void done(const std::string& name, const std::string& what, const std::string& path) {
    const std::string said = flags_.dry_run && what != "unchanged" ? "to be " + what : what;
    rows_.push_back({name, said, path});
    kernelspecs_.push_back({{"name", name}, {"status", said}, {"path", path}});
  }
  void skipped(const std::string& name, const std::string& why) {
    kernelspecs_.push_back({{"name", name}, {"status", "skipped"}, {"reason", why}});
    if (!flags_.as_json) console_.note(name + " is left out: " + why, Console::Style::dim);
  }
  void failed(const std::string& name, const Error& error) {
    if (exit_code_ == 0) exit_code_ = exit_code(error.code);
    kernelspecs_.push_back({{"name", name}, {"status", "failed"}, {"reason", error.message}});
    console_.error(name.empty() ? error.message : name + ": " + error.message);
  }
  void note(const std::string& line) {
    if (!flags_.as_json) console_.note(line);
  }

  /// Prints what was done; the exit code: that of the first failure.
  int finish() {
    if (flags_.as_json) {
      console_.result(dump_json_pretty({{"kernelspecs", kernelspecs_}}));
    } else if (!rows_.empty()) {
      console_.result(format_table(rows_));
    }
    return exit_code_;
  }

 private:
  const ChangeFlags& flags_;
  Console console_{{}};
  nlohmann::json kernelspecs_ = nlohmann::json::array();
  std::vector<std::vector<std::string>> rows_;
  int exit_code_ = 0;
};

bool is_language_file(const std::string& name) {
  return name.ends_with(".json") || name.find('/') != std::string::npos;
}

Result<OwnKernel> find_own(const std::string& name, const std::vector<OwnKernel>& own) {
  if (is_language_file(name)) return blocking_read_language_file(name);
  std::vector<std::string> names;
  std::string listed;
  for (const OwnKernel& each : own) {
    if (each.name == name) return each;
    names.push_back(each.name);
    listed += (listed.empty() ? "" : ", ") + each.name;
  }
  const std::string hint = did_you_mean(name, names);
  return Error{Code::not_found, "no kernel of Perijove's has that name; " +
                                    (hint.empty() ? "" : hint + " ") + "there are: " + listed +
                                    "; and NAME.json stands for a language file"};
}

void install_one(const OwnKernel& kernel, const std::string& directory, const ChangeFlags& flags,
                 ChangeReport& report) {
  const auto installed = blocking_install_kernel(kernel, directory, flags.replace, flags.dry_run);
  if (!installed) return report.failed(kernel.name, installed.error());
  report.done(kernel.name, installed->what, installed->path);
}

int install_kernelspecs(const ChangeFlags& flags) {
  ChangeReport report(flags);
  const Environment environment = own_environment();
  const auto directory = flags.place.directory(environment);
  const auto own = blocking_find_own_kernels();
  if (!directory || !own) {
    report.failed("", directory ? own.error() : directory.error());
    return report.finish();
  }
  for (const std::string& name : flags.names) {
    const auto kernel = find_own(name, *own);
    if (!kernel) {
      report.failed(name, kernel.error());
    } else if (!kernel->absence.empty()) {
      report.failed(name, {Code::failed_precondition, kernel->absence});
    } else {
      install_one(*kernel, *directory, flags, report);
    }
  }
  if (flags.names.empty()) {
    for (const OwnKernel& kernel : *own) {
      if (kernel.for_tests) continue;
      if (!kernel.absence.empty()) {
        report.skipped(kernel.name, kernel.absence);
      } else {
        install_one(kernel, *directory, flags, report);
      }
    }
  }
  const std::vector<std::string> searched = kernelspec_directories(environment);
  if (std::find(searched.begin(), searched.end(), *directory) == searched.end()) {
    report.note("Jupyter does not look there by itself: with JUPYTER_PATH=" +
                directory->substr(0, directory->rfind('/')) +
                " it does, and so does a Jupyter of that environment");
  }
  return report.finish();
}

int remove_kernelspecs(const ChangeFlags& flags) {
  ChangeReport report(flags);
  const Environment environment = own_environment();
  std::vector<std::string> directories = kernelspec_directories(environment);
  if (flags.user || flags.place.sys_prefix || !flags.place.prefix.empty()) {
    const auto directory = flags.place.directory(environment);
    if (!directory) {
      report.failed("", directory.error());
      return report.finish();
    }
    directories = {*directory};
  }
  for (const std::string& name : flags.names) {
    const auto removed = blocking_remove_kernel(name, directories, flags.dry_run);
    if (removed) {
      report.done(name, "removed", *removed);
    } else {
      report.failed(name, removed.error());
    }
  }
  return report.finish();
}

std::shared_ptr<ChangeFlags> add_change_flags(CLI::App& command) {
  auto flags = std::make_shared<ChangeFlags>();
  CLI::Option* const user =
      command.add_flag("--user", flags->user, "In the user's directory, as Jupyter has it");
  CLI::Option* const prefix =
      command.add_option("--prefix", flags->place.prefix, "In DIR/share/jupyter/kernels")
          ->option_text("DIR");
  command.add_flag("--sys-prefix", flags->place.sys_prefix, "In the active virtual environment")
      ->excludes(user)
      ->excludes(prefix);
  user->excludes(prefix);
  command.add_flag("--dry-run", flags->dry_run, "Only say what would be done");
  command.add_flag("--json", flags->as_json, "Print JSON");
  return flags;
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

  CLI::App* const install = group->add_subcommand(
      "install", "Make the kernels that come with Perijove known to any Jupyter");
  const auto install_flags = add_change_flags(*install);
  install
      ->add_option("NAME", install_flags->names,
                   "Kernels, or language files (NAME.json); absent: all that this machine can run")
      ->option_text(" ");
  install->add_flag("--replace", install_flags->replace,
                    "Take the place of kernelspecs of the same names");
  install->callback([install_flags, &action] {
    action = [install_flags] { return install_kernelspecs(*install_flags); };
  });

  CLI::App* const remove =
      group->add_subcommand("remove", "Undo it; kernels of others are left alone");
  const auto remove_flags = add_change_flags(*remove);
  remove->add_option("NAME", remove_flags->names, "Kernels")->option_text(" ")->required();
  remove->callback([remove_flags, &action] {
    action = [remove_flags] { return remove_kernelspecs(*remove_flags); };
  });
}

}  // namespace perijove
