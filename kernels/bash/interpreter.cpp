#include "bash/interpreter.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "bash/completion.hpp"
#include "bash/syntax.hpp"
#include "common/utf8.hpp"

namespace perijove::kernels::bash {

using nlohmann::json;

BashInterpreter::BashInterpreter(std::string bash) : bash_(std::move(bash)) {}

void BashInterpreter::on_attached() {
  outputs_.emplace(server());
  shell_.emplace(bash_, server(), *outputs_);
}

// While the server is still there to publish what comes last.
void BashInterpreter::shutdown_request_impl() {
  if (!shell_) return;
  shell_->stop();
  shell_.reset();
  outputs_.reset();
}

json BashInterpreter::execute_request_impl(int, const std::string& code, bool, bool, json, bool) {
  try {
    outputs_->begin_block();
    if (const auto fault = fatal_fault(bash_, code)) {
      constexpr int kSyntaxError = 2;
      outputs_->say("stderr", *fault);
      BlockEnd end;
      end.status = kSyntaxError;
      return report(end);
    }
    return report(shell_->run(code));
  } catch (const std::exception& error) {
    return report_error("InternalError", error.what(), error.what());
  }
}

json BashInterpreter::report(const BlockEnd& end) {
  const std::string number = std::to_string(end.status);
  const std::string status = "exit status " + number;
  if (end.shell_ended && !server().stopping()) {
    outputs_->say("stderr", "The shell has ended (" + status +
                                "). The next block starts a fresh one, without the variables, "
                                "functions and directory of this one.\n");
  }
  if (end.status == 0) {
    return {{"status", "ok"}, {"payload", json::array()}, {"user_expressions", json::object()}};
  }
  if (end.interrupted) return report_error("KeyboardInterrupt", "", "KeyboardInterrupt");
  if (end.shell_ended && !end.by_signal) {
    return report_error("SystemExit", number, "SystemExit: " + number);
  }
  return report_error(
      "CalledProcessError", status,
      end.line ? "bash: line " + std::to_string(*end.line) + ": " + status : "bash: " + status);
}

json BashInterpreter::report_error(const std::string& ename, const std::string& evalue,
                                   const std::string& traceback) {
  publish_execution_error(ename, evalue, {traceback});
  return {{"status", "error"}, {"ename", ename}, {"evalue", evalue}, {"traceback", {traceback}}};
}

json BashInterpreter::complete_request_impl(const std::string& code, int cursor_pos) {
  const std::string_view before = std::string_view(code).substr(0, byte_offset(code, cursor_pos));
  const CompletedWord word = word_to_complete(before);
  json matches = json::array();
  try {
    for (std::string& match : matches_in(shell_->ask(command_to_complete(word)))) {
      matches.push_back(word.kept + std::move(match));
    }
  } catch (const std::exception&) {
    // No shell, no matches; the next block says why.
  }
  const int cursor = code_points(before);
  return {{"status", "ok"},
          {"matches", std::move(matches)},
          {"cursor_start", cursor - code_points(word.kept) - code_points(word.prefix)},
          {"cursor_end", cursor},
          {"metadata", json::object()}};
}

json BashInterpreter::inspect_request_impl(const std::string&, int, int) {
  return {
      {"status", "ok"}, {"found", false}, {"data", json::object()}, {"metadata", json::object()}};
}

json BashInterpreter::is_complete_request_impl(const std::string& code) {
  try {
    switch (check_syntax(bash_, code)) {
      case Completeness::kComplete:
        return {{"status", "complete"}};
      case Completeness::kIncomplete:
        return {{"status", "incomplete"}, {"indent", "  "}};
      case Completeness::kInvalid:
        return {{"status", "invalid"}};
    }
  } catch (const std::exception&) {
    // Bash could not be started.
  }
  return {{"status", "unknown"}};
}

json BashInterpreter::kernel_info_request_impl() {
  return {{"status", "ok"},
          {"implementation", "perijove-bash"},
          {"implementation_version", PERIJOVE_KERNEL_VERSION},
          {"banner", "Perijove bash kernel " PERIJOVE_KERNEL_VERSION " on " + bash_},
          {"language_info",
           {{"name", "bash"},
            {"version", bash_version(bash_)},
            {"mimetype", "text/x-sh"},
            {"file_extension", ".sh"},
            {"pygments_lexer", "bash"},
            {"codemirror_mode", "shell"},
            {"nbconvert_exporter", "script"}}},
          {"help_links",
           {{{"text", "Bash manual"}, {"url", "https://www.gnu.org/software/bash/manual/"}}}},
          {"debugger", false},
          {"supported_features", json::array()}};
}

}  // namespace perijove::kernels::bash
