#include "command/interpreter.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace perijove::kernels::command {

using nlohmann::json;

CommandInterpreter::CommandInterpreter(Language language, std::string executable)
    : language_(std::move(language)), executable_(std::move(executable)) {}

void CommandInterpreter::on_attached() {
  outputs_.emplace(server(), [this](std::string_view stream, std::string_view text) {
    if (stream == "stderr") errors_.add(text);
  });
  program_.emplace(language_, executable_, server(), *outputs_);
}

// While the server is still there to publish what comes last.
void CommandInterpreter::shutdown_request_impl() {
  program_.reset();
  outputs_.reset();
}

json CommandInterpreter::execute_request_impl(int, const std::string& code, bool, bool, json,
                                              bool) {
  try {
    outputs_->begin_block();
    errors_ = Tail();  // no program runs: nobody adds to it
    return report(program_->run(code), code);
  } catch (const std::exception& error) {
    return report_error("InternalError", error.what(), {error.what()});
  }
}

json CommandInterpreter::report(const BlockEnd& end, const std::string& code) {
  if (end.end.status == 0) {
    return {{"status", "ok"}, {"payload", json::array()}, {"user_expressions", json::object()}};
  }
  if (end.interrupted) return report_error("KeyboardInterrupt", "", {"KeyboardInterrupt"});
  const std::string status = "exit status " + std::to_string(end.end.status);
  const Failure failure =
      end.end.by_signal ? Failure{} : read_failure(language_.errors, errors_.text());
  if (!failure.message) {
    return report_error("CalledProcessError", status, {language_.name + ": " + status});
  }
  const std::string ename = failure.name.value_or("Error");
  std::string place = language_.name + ": ";
  if (failure.line) {
    const std::string prologue = prologue_for(language_, code);
    const auto before = std::count(prologue.begin(), prologue.end(), '\n');
    place += "line " + std::to_string(*failure.line - before) + ": ";
  }
  return report_error(ename, *failure.message,
                      {place + ename + ": " + *failure.message, language_.name + ": " + status});
}

json CommandInterpreter::report_error(const std::string& ename, const std::string& evalue,
                                      const std::vector<std::string>& traceback) {
  publish_execution_error(ename, evalue, traceback);
  return {{"status", "error"}, {"ename", ename}, {"evalue", evalue}, {"traceback", traceback}};
}

json CommandInterpreter::complete_request_impl(const std::string&, int cursor_pos) {
  return {{"status", "ok"},
          {"matches", json::array()},
          {"cursor_start", cursor_pos},
          {"cursor_end", cursor_pos},
          {"metadata", json::object()}};
}

json CommandInterpreter::inspect_request_impl(const std::string&, int, int) {
  return {
      {"status", "ok"}, {"found", false}, {"data", json::object()}, {"metadata", json::object()}};
}

json CommandInterpreter::is_complete_request_impl(const std::string&) {
  return {{"status", "unknown"}};
}

json CommandInterpreter::kernel_info_request_impl() {
  const std::string version = ask_version(language_, executable_);
  json info = language_.info;
  info["version"] = version;
  return {{"status", "ok"},
          {"implementation", "perijove-command"},
          {"implementation_version", PERIJOVE_KERNEL_VERSION},
          {"banner", language_.display_name + (version.empty() ? "" : " " + version) + " (" +
                         executable_ +
                         "), run by Perijove's command kernel " PERIJOVE_KERNEL_VERSION
                         ". Stateless: each block is a program of its own, and no variable is kept "
                         "for the next one."},
          {"language_info", std::move(info)},
          {"help_links", language_.help_links},
          {"debugger", false},
          {"supported_features", json::array()}};
}

}  // namespace perijove::kernels::command
