#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>

#include "scenario.hpp"

namespace bench {
namespace {

constexpr int kFaultsFound = 1;
constexpr int kNotMeasured = 2;
/// More than this is work of others that the measured programs would have to share the CPUs with.
constexpr int kQuietPercent = 10;

struct CommandLine {
  Settings settings;
  std::vector<std::string> targets;  // NAME=URL
  std::vector<std::string> pids;     // NAME=PID
  std::vector<std::string> transports;
  std::vector<std::string> framings = {"json", "v1"};
  std::vector<std::string> acks = {"ordinary"};
  std::vector<std::string> strict;
  std::vector<std::string> scenarios;
  std::vector<std::string> notes;
  std::string reference;
  std::string json_file;
  bool list = false;
  bool quick = false;
};

constexpr const char* kDescription =
    "Measures Jupyter-compatible servers from outside, over HTTP and WebSocket, side by side.\n"
    "\n"
    "Name one or more servers, and --direct for the kernel without any server in between:\n"
    "\n"
    "  perijove-bench --quick --direct ipc \\\n"
    "      --target perijove='http://127.0.0.1:8888/?token=T' \\\n"
    "      --target jupyter='http://127.0.0.1:8889/?token=T' --scenario round-trip,flood\n"
    "\n"
    "All targets take turns in every round, so only ratios within one run mean anything. A ratio "
    "says\n"
    "how many times better the reference (the first --target) is. ! lines are protocol faults: "
    "lost\n"
    "output, a missing idle, a refusal. tests/bench/compare starts the usual peers by itself.";

constexpr const char* kFooter =
    "Exit status: 0, or 1 when a --strict target had a fault, or 2 when nothing could be "
    "measured.\n"
    "What every number means: tests/bench/README.md";

/// Splits NAME=VALUE.
std::pair<std::string, std::string> split(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw std::invalid_argument("'" + text + "' is not of the form NAME=VALUE");
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void add_options(CLI::App& app, CommandLine& line) {
  Settings& settings = line.settings;
  app.add_option("--target", line.targets, "A server: NAME=http://HOST:PORT/BASE?token=TOKEN")
      ->group("What is measured");
  app.add_option("--direct", line.transports,
                 "Kernels started by this program itself, without a server: tcp, ipc")
      ->delimiter(',')
      ->check(CLI::IsMember({"tcp", "ipc"}))
      ->group("What is measured");
  app.add_option("--scenario", line.scenarios, "Only these, in any order (see --list)")
      ->delimiter(',')
      ->group("What is measured");
  app.add_flag("--list", line.list, "Lists the scenarios")->group("What is measured");
  app.add_option("--reference", line.reference,
                 "The target that ratios compare with (default: the first --target)")
      ->group("What is measured");
  app.add_option("--strict", line.strict, "Targets whose faults make the exit status 1")
      ->delimiter(',')
      ->group("What is measured");
  app.add_option("--pid", line.pids,
                 "NAME=PID of a server (default: who listens on its port on this machine)")
      ->group("What is measured");

  app.add_option("--framing", line.framings,
                 "Websocket framings: json (the older one), v1 (v1.kernel.websocket.jupyter.org)")
      ->delimiter(',')
      ->check(CLI::IsMember({"json", "v1"}))
      ->capture_default_str()
      ->group("How");
  app.add_option("--ack", line.acks,
                 "ordinary: TCP acknowledges as for any client; quick: at once (TCP_QUICKACK)")
      ->delimiter(',')
      ->check(CLI::IsMember({"ordinary", "quick"}))
      ->capture_default_str()
      ->group("How");
  app.add_flag_callback(
         "--quickack", [&line] { line.acks = {"quick"}; }, "The same as --ack quick")
      ->group("How");
  app.add_option("--echo-kernel", settings.echo_kernel, "Kernelspec of the echo kernel")
      ->capture_default_str()
      ->group("How");
  app.add_option("--ipykernel", settings.ipykernel, "Kernelspec of an ipykernel")
      ->capture_default_str()
      ->group("How");
  app.add_option("--python-kernels", settings.python_kernels,
                 "Kernelspecs whose starts are compared; the first is also copied while it lives")
      ->delimiter(',')
      ->capture_default_str()
      ->group("How");

  app.add_flag("--quick", line.quick, "Small sizes: about a minute in all")->group("How much");
  const auto size = [&](const char* name, auto& value, const char* text) {
    app.add_option(name, value, text)->capture_default_str()->group("How much");
  };
  const auto sizes = [&](const char* name, auto& value, const char* text) {
    app.add_option(name, value, text)->delimiter(',')->capture_default_str()->group("How much");
  };
  size("--rounds", settings.rounds, "Turns of every target");
  size("--seconds", settings.round_seconds, "Longest turn in the scenarios that repeat");
  size("--lane-seconds", settings.lane_seconds,
       "A target that has taken so long in one scenario has no further round in it (0: no limit)");
  size("--patience", settings.patience_seconds, "Silence after which a message counts as lost, s");
  size("--flood-messages", settings.flood_messages, "Messages of the flood");
  size("--flood-bytes", settings.flood_bytes, "Bytes of each");
  size("--printed-lines", settings.printed_lines, "Flushed prints of ipykernel");
  size("--output-mib", settings.output_mib, "Size of the large output");
  sizes("--upload-mib", settings.upload_mib, "Sizes of the buffers sent to the kernel");
  sizes("--kernel-counts", settings.kernel_counts, "Kernels that execute at once");
  size("--fan-out-clients", settings.fanout_clients, "Clients on one kernel");
  size("--stall-seconds", settings.stall_seconds, "How long the slow reader stalls");
  size("--stall-mib", settings.stall_mib, "Size of the flood meanwhile");
  size("--repeats", settings.lifecycle_repeats, "Starts, restarts, interrupts, deaths");
  size("--rest-kernels", settings.rest_kernels, "Kernels behind GET /api/kernels");
  sizes("--python-counts", settings.python_counts, "Numbers of Python kernels, rising");
  sizes("--branch-mib", settings.branch_mib, "Sizes of the sessions that are copied");
  sizes("--idle-kernels", settings.idle_kernels, "Numbers of idle kernels");
  sizes("--idle-websockets", settings.idle_websockets, "Numbers of idle websockets");
  size("--idle-seconds", settings.idle_seconds, "How long idle CPU is measured");
  size("--bring-up-seconds", settings.bring_up_seconds,
       "Bringing up kernels or websockets to be idle ends then");

  app.add_option("--json", line.json_file, "Also writes everything, each round included, here")
      ->group("Output");
  app.add_option("--note", line.notes, "Text kept in the output, such as a peer's version")
      ->group("Output");
}

std::vector<std::unique_ptr<Host>> make_hosts(const CommandLine& line) {
  std::map<std::string, pid_t> pids;
  for (const std::string& entry : line.pids) {
    const auto [name, value] = split(entry);
    pids[name] = std::stoi(value);
  }
  std::vector<std::unique_ptr<Host>> hosts;
  for (const std::string& transport : line.transports) {
    hosts.push_back(make_direct_host("direct-" + transport, transport));
  }
  for (const std::string& target : line.targets) {
    const auto [name, url] = split(target);
    ServerUrl server = ServerUrl::parse(url);
    const auto known = pids.find(name);
    const auto pid =
        known != pids.end() ? std::optional(known->second) : process_listening_on(server.port);
    HttpAnswer answer;
    try {
      answer = HttpClient(server).request("GET", "api/kernelspecs");
    } catch (const std::exception& error) {
      throw std::runtime_error("target '" + name + "': " + error.what());
    }
    if (answer.status != 200) {
      throw std::runtime_error("target '" + name + "' answers GET /api/kernelspecs with " +
                               std::to_string(answer.status) + "; is the token right?");
    }
    hosts.push_back(make_gateway_host(name, std::move(server), pid));
  }
  if (hosts.empty()) throw std::invalid_argument("nothing to measure: give --target or --direct");
  return hosts;
}

std::vector<const Scenario*> chosen_scenarios(const std::vector<std::string>& names) {
  std::vector<const Scenario*> chosen;
  for (const Scenario& scenario : scenarios()) {
    if (names.empty() || std::find(names.begin(), names.end(), scenario.name) != names.end()) {
      chosen.push_back(&scenario);
    }
  }
  for (const std::string& name : names) {
    if (std::none_of(chosen.begin(), chosen.end(),
                     [&](const Scenario* scenario) { return scenario->name == name; })) {
      throw std::invalid_argument("there is no scenario '" + name + "'; see --list");
    }
  }
  return chosen;
}

/// Thousands of websockets need thousands of descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int measure(const CommandLine& line) {
  const std::vector<const Scenario*> chosen = chosen_scenarios(line.scenarios);
  const std::vector<std::unique_ptr<Host>> hosts = make_hosts(line);
  std::string reference = line.reference;
  if (reference.empty()) {
    const auto first_server = std::find_if(
        hosts.begin(), hosts.end(), [](const auto& host) { return host->server() != nullptr; });
    reference = (first_server == hosts.end() ? hosts.front() : *first_server)->name();
  }
  Report report(reference);
  for (const std::string& note : line.notes) report.add_note(note);
  constexpr double kLookSeconds = 0.5;
  const int busy_percent = static_cast<int>(100 * machine_busy_share(kLookSeconds));
  std::string load = "other CPU use before the run: " + std::to_string(busy_percent) + " %";
  if (busy_percent > kQuietPercent) load += ": too much for figures to be trusted";
  report.add_note(load);
  report.print_head(std::cout);

  Loop loop;
  Context context{line.settings, report, loop, {}};
  for (const auto& host : hosts) context.hosts.push_back(host.get());
  for (const Scenario* scenario : chosen) {
    scenario->run(context);
    report.print_new_tables(std::cout);
  }
  if (!line.json_file.empty()) std::ofstream(line.json_file) << report.to_json() << '\n';

  int exit_status = 0;
  for (const std::string& target : line.strict) {
    for (const std::string& fault : report.faults_of(target)) {
      std::cerr << "perijove-bench: strict target " << target << ": " << fault << '\n';
      exit_status = kFaultsFound;
    }
  }
  return exit_status;
}

int run(int argc, char** argv) {
  CommandLine line;
  // Looked for by hand: --quick changes the defaults which the options below then override.
  if (std::any_of(argv, argv + argc, [](std::string_view word) { return word == "--quick"; })) {
    line.settings.make_quick();
  }
  CLI::App app{kDescription};
  app.footer(kFooter);
  add_options(app, line);
  CLI11_PARSE(app, argc, argv);
  if (line.list) {
    for (const Scenario& scenario : scenarios()) {
      std::cout << "  " << scenario.name << std::string(24 - scenario.name.size(), ' ')
                << scenario.summary << '\n';
    }
    return 0;
  }
  line.settings.framings.clear();
  for (const std::string& name : line.framings) {
    line.settings.framings.push_back(name == "v1" ? Framing::kV1 : Framing::kJson);
  }
  line.settings.acks.clear();
  for (const std::string& name : line.acks) {
    line.settings.acks.push_back(name == "quick" ? Ack::kQuick : Ack::kOrdinary);
  }
  raise_descriptor_limit();
  signal(SIGINT, [](int) { Loop::interrupt(); });
  signal(SIGTERM, [](int) { Loop::interrupt(); });
  try {
    return measure(line);
  } catch (const std::exception& error) {
    std::cerr << "perijove-bench: " << error.what() << '\n';
    return kNotMeasured;
  }
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(argc, argv); }
