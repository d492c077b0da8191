#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/console.hpp"
#include "app/doctor.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

std::string_view name_of(Finding::Verdict verdict) {
  switch (verdict) {
    case Finding::Verdict::fine:
      return "ok";
    case Finding::Verdict::warning:
      return "warning";
    case Finding::Verdict::problem:
      return "problem";
  }
  return "problem";
}

int report(const DoctorOptions& options, bool as_json) {
  Console console({});
  const std::vector<Finding> findings = examine(options);
  const bool sound = std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.verdict == Finding::Verdict::problem;
  });
  nlohmann::json all = nlohmann::json::array();
  for (const Finding& finding : findings) {
    nlohmann::json row = {{"subject", finding.subject},
                          {"verdict", std::string(name_of(finding.verdict))},
                          {"text", finding.text}};
    if (!finding.remedy.empty()) row["remedy"] = finding.remedy;
    all.push_back(std::move(row));
    if (as_json) continue;
    std::string line = std::string(name_of(finding.verdict));
    line.resize(9, ' ');
    console.result(line + finding.subject + ": " + finding.text);
    if (!finding.remedy.empty()) console.result("         -> " + finding.remedy);
  }
  if (as_json) console.result(dump_json_pretty({{"sound", sound}, {"findings", std::move(all)}}));
  return sound ? 0 : 1;
}

}  // namespace

void add_doctor_command(CLI::App& app, Action& action) {
  struct Flags {
    DoctorOptions options;
    bool as_json = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* const command = app.add_subcommand(
      "doctor", "Check what a gateway needs of this machine; exit code 1 when something is wrong");
  command->add_flag("--fix", flags->options.fix,
                    "Remove what gateways that were killed left behind");
  command->add_flag("--json", flags->as_json, "Print JSON");
  command
      ->add_option("--runtime-dir", flags->options.runtime_base,
                   "Base directory of sockets and connection files")
      ->option_text("DIR");
  command->callback(
      [flags, &action] { action = [flags] { return report(flags->options, flags->as_json); }; });
}

}  // namespace perijove
