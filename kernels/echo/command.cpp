#include "echo/command.hpp"

#include <unordered_map>

#include "common/json_text.hpp"

namespace perijove::kernels::echo {
namespace {

using nlohmann::json;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

void Cell::write(std::string_view stream, std::string_view text) {
  server.publish("stream",
                 R"({"name":)" + json_string(stream) + R"(,"text":)" + json_string(text) + '}');
}

void Cell::result(std::string_view text) {
  if (silent) return;  // the protocol: a silent request broadcasts no result
  server.publish("execute_result", R"({"execution_count":)" + std::to_string(execution_count) +
                                       R"(,"data":{"text/plain":)" + json_string(text) +
                                       R"(},"metadata":{}})");
}

void Cell::display(const json& data, const json& metadata, const json& transient,
                   std::string_view msg_type) {
  server.publish(msg_type,
                 dump({{"data", data}, {"metadata", metadata}, {"transient", transient}}));
}

const std::vector<Command>& all_commands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> all;
    for (const auto group : {output_commands(), state_commands(), load_commands(),
                             process_commands(), hostile_commands()}) {
      all.insert(all.end(), group.begin(), group.end());
    }
    return all;
  }();
  return commands;
}

const Command* find_command(std::string_view name) {
  static const std::unordered_map<std::string_view, const Command*> by_name = [] {
    std::unordered_map<std::string_view, const Command*> names;
    for (const Command& command : all_commands()) names.emplace(command.name, &command);
    return names;
  }();
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

}  // namespace perijove::kernels::echo
