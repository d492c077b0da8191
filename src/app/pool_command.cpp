#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/gateway_command.hpp"
#include "app/session_actions.hpp"
#include "app/table.hpp"
#include "app/units.hpp"
#include "net/http.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

struct PoolFlags : GatewayFlags {
  std::string name;
  std::string kernel;
  std::string config;
  std::string size = "1";
  std::string max = "0";
};

std::string pool_path(const std::string& name) { return "v1/pools/" + percent_encode_path(name); }

std::vector<std::string> row_of(const json& pool) {
  std::vector<std::string> row = {json_text(pool, "name")};
  for (const char* const count : {"size", "ready", "starting", "taken", "max"}) {
    row.push_back(std::to_string(pool.value(count, 0)));
  }
  row.push_back(json_text(pool, "last_error"));
  return row;
}

void show(const std::vector<json>& pools, Console& console) {
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "SIZE", "READY", "STARTING", "TAKEN", "MAX", "LAST ERROR"}};
  for (const json& pool : pools) rows.push_back(row_of(pool));
  console.result(format_table(rows));
}

Result<int> list_pools(const GatewayClient& client, const PoolFlags& flags, Console& console) {
  const auto answer = ask_object(client, "GET", "v1/pools");
  if (!answer) return answer.error();
  const json pools = answer->value("pools", json::array());
  if (flags.as_json) {
    console.result(dump_json_pretty(pools));
  } else if (pools.empty()) {
    console.note("there is no pool at " + client.url() + "; `perijove pool set NAME` makes one");
  } else {
    show(std::vector<json>(pools.begin(), pools.end()), console);
  }
  return 0;
}

Result<int> set_pool(const GatewayClient& client, const PoolFlags& flags, Console& console) {
  constexpr std::uint64_t kCountMax = 1'000'000;
  const auto size = parse_count(flags.size, "--size", 0, kCountMax);
  if (!size) return size.error();
  const auto max = parse_count(flags.max, "--max", 0, kCountMax);
  if (!max) return max.error();
  auto session = read_session_config(flags.config);
  if (!session) return session.error();
  if (!flags.kernel.empty()) (*session)["kernel"] = flags.kernel;
  const auto pool =
      ask_object(client, "PUT", pool_path(flags.name),
                 dump_json({{"size", *size}, {"max", *max}, {"session", *std::move(session)}}));
  if (!pool) return pool.error();
  if (flags.as_json) {
    console.result(dump_json_pretty(*pool));
  } else {
    show({*pool}, console);
  }
  return 0;
}

Result<int> remove_pool(const GatewayClient& client, const PoolFlags& flags, Console& console) {
  HttpCall call;
  call.method = "DELETE";
  call.path = pool_path(flags.name);
  const auto answer = client.ask(std::move(call));
  if (!answer) return answer.error();
  if (!flags.as_json) console.note(flags.name + " removed");
  return 0;
}

}  // namespace

void add_pool_command(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand(
      "pool",
      "Pools of a gateway that is running: sessions that are ready before they are asked for");
  group->require_subcommand(1);
  const auto add = [group, &action](
                       const char* name, const char* description,
                       Result<int> (*body)(const GatewayClient&, const PoolFlags&, Console&)) {
    return add_gateway_command<PoolFlags>(*group, action, name, description, body);
  };
  const auto add_name = [](CLI::App& command, PoolFlags& flags) {
    command.add_option("NAME", flags.name, "The pool's name")->option_text(" ")->required();
  };
  add("list", "Show the pools: how many sessions are ready, starting, taken", list_pools);
  const auto [set_command, set_flags] =
      add("set", "Make a pool, or change how many sessions it keeps ready, and which", set_pool);
  add_name(*set_command, *set_flags);
  set_command
      ->add_option("KERNEL", set_flags->kernel,
                   "Kernelspec or language of its sessions; absent: the default one")
      ->option_text(" ");
  set_command->add_option("--size", set_flags->size, "Sessions that are kept ready [1]")
      ->option_text("COUNT");
  set_command
      ->add_option("--max", set_flags->max,
                   "Sessions of it at most, those that were taken included; 0: no limit [0]")
      ->option_text("COUNT");
  set_command
      ->add_option("--config", set_flags->config,
                   "A JSON file with what its sessions are made with, as for POST /v1/sessions")
      ->option_text("FILE");
  set_command->footer(
      "A client takes a session with {\"pool\": NAME}. For example:\n"
      "  perijove pool set analysis python --size 5\n"
      "  perijove session start --pool analysis --key report\n"
      "  perijove session exec report -c 'print(1 + 1)'\n"
      "  perijove session release report");
  const auto [remove_command, remove_flags] =
      add("remove", "End its sessions that nobody has taken, and forget it", remove_pool);
  add_name(*remove_command, *remove_flags);
}

}  // namespace perijove
