#include "echo/interpreter.hpp"

#include <algorithm>
#include <string_view>

#include "common/utf8.hpp"

namespace perijove::kernels::echo {
namespace {

using nlohmann::json;

void run_line(Cell& cell, std::string_view line) {
  cell.server.interrupt().check();
  if (line.empty() || line.front() == '#') return;
  const std::size_t name_end = std::min(line.find(' '), line.size());
  const Command* const command = find_command(line.substr(0, name_end));
  if (command == nullptr) return cell.result(line);
  try {
    command->run(cell, Arguments(line.substr(std::min(name_end + 1, line.size()))));
  } catch (const UsageError& error) {
    throw CellError{"UsageError",
                    std::string(error.what()) + "; usage: " + std::string(command->name) + ' ' +
                        std::string(command->arguments),
                    {}};
  }
}

void run_lines(Cell& cell, std::string_view code) {
  while (!code.empty()) {
    const std::size_t end = std::min(code.find('\n'), code.size());
    std::string_view line = code.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    run_line(cell, line);
    code.remove_prefix(std::min(end + 1, code.size()));
  }
}

/// The line around the cursor, from its beginning.
std::string_view line_at(std::string_view code, std::size_t offset) {
  const std::size_t begin = offset == 0 ? 0 : code.rfind('\n', offset - 1) + 1;  // npos + 1 is 0
  return code.substr(begin, std::min(code.find('\n', offset), code.size()) - begin);
}

std::string usage_of(const Command& command) {
  std::string usage(command.name);
  if (!command.arguments.empty()) usage += ' ' + std::string(command.arguments);
  return usage;
}

}  // namespace

void EchoInterpreter::on_attached() {
  state_.tricks.attach(server(), options_.answers_kernel_info);
  server().set_shutdown_hook([this](bool) { return !state_.ignores_shutdown; });
}

void EchoInterpreter::configure_impl() { state_.comms.register_target(comm_manager()); }

void EchoInterpreter::shutdown_request_impl() { state_.comms.clear(); }

json EchoInterpreter::execute_request_impl(int execution_count, const std::string& code,
                                           bool silent, bool, json user_expressions,
                                           bool allow_stdin) {
  Cell cell{server(), state_, execution_count, silent, allow_stdin};
  try {
    run_lines(cell, code);
  } catch (const CellError& error) {
    return report(error);
  } catch (const Interrupted&) {
    return report({"KeyboardInterrupt", "", {}});
  } catch (const std::exception& error) {
    return report({"InternalError", error.what(), {}});
  }
  return {{"status", "ok"},
          {"payload", std::move(cell.payload)},
          {"user_expressions", evaluate(user_expressions)}};
}

json EchoInterpreter::report(const CellError& error) {
  std::vector<std::string> traceback = error.traceback;
  if (traceback.empty()) traceback = {error.ename + ": " + error.evalue};
  publish_execution_error(error.ename, error.evalue, traceback);
  return {{"status", "error"},
          {"ename", error.ename},
          {"evalue", error.evalue},
          {"traceback", std::move(traceback)}};
}

json EchoInterpreter::evaluate(const json& user_expressions) const {
  json values = json::object();
  for (const auto& [name, expression] : user_expressions.items()) {
    const auto found = expression.is_string()
                           ? state_.variables.find(expression.get_ref<const std::string&>())
                           : state_.variables.end();
    if (found == state_.variables.end()) {
      values[name] = {{"status", "error"},
                      {"ename", "NameError"},
                      {"evalue", "this name is not set"},
                      {"traceback", json::array()}};
    } else {
      values[name] = {{"status", "ok"},
                      {"data", {{"text/plain", found->second}}},
                      {"metadata", json::object()}};
    }
  }
  return values;
}

json EchoInterpreter::complete_request_impl(const std::string& code, int cursor_pos) {
  const std::size_t offset = byte_offset(code, cursor_pos);
  const int cursor = code_points(std::string_view(code).substr(0, offset));
  const std::size_t line_begin = offset == 0 ? 0 : code.rfind('\n', offset - 1) + 1;
  const std::string_view prefix = std::string_view(code).substr(line_begin, offset - line_begin);
  json matches = json::array();
  for (const Command& command : all_commands()) {
    if (command.name.starts_with(prefix)) matches.push_back(command.name);
  }
  return {{"status", "ok"},
          {"matches", std::move(matches)},
          {"cursor_start", cursor - code_points(prefix)},
          {"cursor_end", cursor},
          {"metadata", json::object()}};
}

json EchoInterpreter::inspect_request_impl(const std::string& code, int cursor_pos, int) {
  const std::string_view line = line_at(code, byte_offset(code, cursor_pos));
  const Command* const command = find_command(line.substr(0, line.find(' ')));
  json data = json::object();
  if (command != nullptr) {
    data["text/plain"] = usage_of(*command) + "\n" + std::string(command->help);
  }
  return {{"status", "ok"},
          {"found", command != nullptr},
          {"data", std::move(data)},
          {"metadata", json::object()}};
}

json EchoInterpreter::is_complete_request_impl(const std::string& code) {
  if (code.ends_with('\\')) return {{"status", "incomplete"}, {"indent", "  "}};
  return {{"status", code.starts_with("!") ? "invalid" : "complete"}};
}

json EchoInterpreter::kernel_info_request_impl() {
  return {{"status", "ok"},
          {"implementation", "perijove-echo"},
          {"implementation_version", PERIJOVE_KERNEL_VERSION},
          {"banner", "Perijove echo kernel " PERIJOVE_KERNEL_VERSION
                     ": prints, fails and misbehaves to order"},
          {"language_info",
           {{"name", "echo"},
            {"version", PERIJOVE_KERNEL_VERSION},
            {"mimetype", "text/plain"},
            {"file_extension", ".txt"},
            {"pygments_lexer", "text"},
            {"codemirror_mode", "null"},
            {"nbconvert_exporter", "script"}}},
          {"help_links", json::array()},
          {"debugger", false},
          {"supported_features", json::array()}};
}

std::string command_manual() {
  std::size_t width = 0;
  for (const Command& command : all_commands()) width = std::max(width, usage_of(command).size());
  std::string manual;
  for (const Command& command : all_commands()) {
    const std::string usage = usage_of(command);
    manual += "  " + usage + std::string(width - usage.size() + 2, ' ') +
              std::string(command.help) + '\n';
  }
  return manual;
}

}  // namespace perijove::kernels::echo
