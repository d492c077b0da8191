#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/commands.hpp"
#include "app/gateway_command.hpp"
#include "app/table.hpp"
#include "app/units.hpp"
#include "base/ids.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

struct KernelFlags : GatewayFlags {
  std::vector<std::string> ids;
  std::string name;
  std::string path;
  std::string timeout = "60";
  bool all = false;
};

Result<std::vector<json>> list_kernels(const GatewayClient& client) {
  const auto answer = client.ask_json("GET", "api/kernels?perijove=1");
  if (!answer) return answer.error();
  if (!answer->is_array()) return Error{Code::data_loss, client.url() + " lists no kernels"};
  return answer->get<std::vector<json>>();
}

// The ids that the arguments mean; each may be the beginning of one.
Result<std::vector<std::string>> resolve_ids(const GatewayClient& client,
                                             const KernelFlags& flags) {
  if (flags.ids.empty() && !flags.all) {
    return Error{Code::invalid_argument, "name a kernel; `perijove kernel list` shows their ids"};
  }
  if (!flags.all && std::all_of(flags.ids.begin(), flags.ids.end(),
                                [](const std::string& id) { return looks_like_id(id); })) {
    return flags.ids;
  }
  const auto kernels = list_kernels(client);
  if (!kernels) return kernels.error();
  std::vector<std::string> found;
  if (flags.all) {
    for (const json& kernel : *kernels) found.push_back(json_text(kernel, "id"));
    return found;
  }
  for (const std::string& wanted : flags.ids) {
    std::vector<std::string> matching;
    for (const json& kernel : *kernels) {
      const std::string id = json_text(kernel, "id");
      if (!wanted.empty() && id.starts_with(wanted)) matching.push_back(id);
    }
    if (matching.empty()) {
      return Error{Code::not_found, "no kernel has an id that begins with '" + wanted +
                                        "'; `perijove "
                                        "kernel list` shows them"};
    }
    if (matching.size() > 1) {
      return Error{Code::invalid_argument, std::to_string(matching.size()) +
                                               " kernels have an id that begins with '" + wanted +
                                               "'; give more of it"};
    }
    found.push_back(matching.front());
  }
  return found;
}

Result<void> list(const GatewayClient& client, const KernelFlags& flags, Console& console) {
  const auto kernels = list_kernels(client);
  if (!kernels) return kernels.error();
  if (flags.as_json) {
    console.result(dump_json_pretty(*kernels));
    return {};
  }
  std::vector<std::vector<std::string>> rows = {
      {"ID", "KERNELSPEC", "STATE", "CLIENTS", "LAST ACTIVITY", "PROCESS", "DIRECTORY"}};
  for (const json& kernel : *kernels) {
    const json ours = kernel.value("perijove", json::object());
    std::string state = json_text(kernel, "execution_state");
    if (const std::string why = json_text(kernel, "reason"); !why.empty())
      state += " (" + why + ")";
    rows.push_back({json_text(kernel, "id"), json_text(kernel, "name"), fit(state, 60),
                    std::to_string(kernel.value("connections", 0)),
                    json_text(kernel, "last_activity").substr(0, 19), json_text(ours, "process"),
                    json_text(ours, "work_dir")});
  }
  if (kernels->empty()) {
    console.note("no kernel is running at " + client.url());
  } else {
    console.result(format_table(rows));
  }
  return {};
}

// A start is answered at once; whether it succeeds shows a moment later.
Result<json> wait_ready(const GatewayClient& client, const std::string& id, Duration timeout) {
  constexpr auto kPause = std::chrono::milliseconds(50);
  const TimePoint deadline = Clock::now() + timeout;
  while (true) {
    auto kernel = client.ask_json("GET", "api/kernels/" + id + "?perijove=1");
    if (!kernel) return kernel;
    const std::string state = json_text(*kernel, "execution_state");
    if (state == "dead") {
      return Error{Code::unavailable, "the kernel did not start: " + json_text(*kernel, "reason") +
                                          "; `perijove kernel logs " + id.substr(0, 8) + "`"};
    }
    if (state != "starting" && state != "restarting") return kernel;
    if (Clock::now() >= deadline) {
      return Error{Code::deadline_exceeded,
                   "kernel " + id + " is still starting after " + format_duration(timeout)};
    }
    std::this_thread::sleep_for(kPause);
  }
}

Result<void> start(const GatewayClient& client, const KernelFlags& flags, Console& console) {
  const auto timeout = parse_duration(flags.timeout, "--timeout");
  if (!timeout) return timeout.error();
  json body = json::object();
  if (!flags.name.empty()) body["name"] = flags.name;
  if (!flags.path.empty()) body["path"] = flags.path;
  const auto started = client.ask_json("POST", "api/kernels", dump_json(body));
  if (!started) return started.error();
  const auto kernel = wait_ready(client, json_text(*started, "id"), *timeout);
  if (!kernel) return kernel.error();
  console.result(flags.as_json ? dump_json_pretty(*kernel) : json_text(*kernel, "id"));
  return {};
}

Result<void> print_logs(const GatewayClient& client, const KernelFlags& flags, Console& console) {
  const auto ids = resolve_ids(client, flags);
  if (!ids) return ids.error();
  json all = json::object();
  for (const std::string& id : *ids) {
    const auto text = client.ask("GET", "api/kernels/" + id + "/logs");
    if (!text) return text.error();
    if (flags.as_json) {
      all[id] = *text;
    } else {
      if (ids->size() > 1) console.note("== " + id);
      console.print(*text);
    }
  }
  if (flags.as_json) console.result(dump_json_pretty(all));
  return {};
}

// interrupt, restart and shutdown: one request for each kernel.
Result<void> act(const GatewayClient& client, const KernelFlags& flags, Console& console,
                 std::string_view method, const std::string& action, std::string_view done) {
  const auto ids = resolve_ids(client, flags);
  if (!ids) return ids.error();
  for (const std::string& id : *ids) {
    const auto answer = client.ask(method, "api/kernels/" + id + action);
    if (!answer) return answer.error();
    if (!flags.as_json) console.note(id + " " + std::string(done));
  }
  if (flags.as_json) console.result(dump_json_pretty(json(*ids)));
  return {};
}

}  // namespace

void add_kernel_command(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand("kernel", "Kernels of a gateway that is running");
  group->require_subcommand(1);
  const auto add = [group, &action](const char* name, const char* description, auto body) {
    return add_gateway_command<KernelFlags>(
        *group, action, name, description,
        [body](const GatewayClient& client, const KernelFlags& given,
               Console& console) -> Result<int> {
          const Result<void> done = body(client, given, console);
          if (!done) return done.error();
          return 0;
        });
  };
  const auto add_with_ids = [&add](const char* name, const char* description, auto body) {
    const auto [command, flags] = add(name, description, body);
    command->add_option("ID", flags->ids, "Ids of kernels, or their beginnings")
        ->option_text("...");
    command->add_flag("--all", flags->all, "All kernels");
  };
  add("list", "Show what runs: id, kernelspec, state, clients, process, directory", list);
  const auto [command, flags] = add("start", "Start a kernel and print its id", start);
  command->add_option("KERNELSPEC", flags->name, "Its kernelspec; absent: the default one")
      ->option_text(" ");
  command->add_option("--path", flags->path, "Directory below the gateway's, to run in")
      ->option_text("DIR");
  command->add_option("--timeout", flags->timeout, "Seconds to wait until it answers [60]")
      ->option_text("SECONDS");
  add_with_ids("interrupt", "Interrupt what they run",
               [](const GatewayClient& client, const KernelFlags& given, Console& console) {
                 return act(client, given, console, "POST", "/interrupt", "interrupted");
               });
  add_with_ids("restart", "Start them anew, without their state",
               [](const GatewayClient& client, const KernelFlags& given, Console& console) {
                 return act(client, given, console, "POST", "/restart", "restarted");
               });
  add_with_ids("shutdown", "End them",
               [](const GatewayClient& client, const KernelFlags& given, Console& console) {
                 return act(client, given, console, "DELETE", "", "shut down");
               });
  add_with_ids("logs", "Show the last of what their processes wrote outside of Jupyter messages",
               print_logs);
}

}  // namespace perijove
