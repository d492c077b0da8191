#include "javascript/interpreter.hpp"

#include <sstream>
#include <utility>
#include <vector>

#include "common/utf8.hpp"

namespace perijove::kernels::javascript {

using nlohmann::json;

namespace {

json ok_reply() {
  return {{"status", "ok"}, {"payload", json::array()}, {"user_expressions", json::object()}};
}

}  // namespace

JavascriptInterpreter::JavascriptInterpreter(std::string node) : node_(std::move(node)) {}

void JavascriptInterpreter::on_attached() {
  outputs_.emplace(server());
  host_.emplace(node_, server(), *outputs_, [this](const json& bundle) {
    display_data(bundle, json::object(), json::object());
  });
}

// While the server is still there to publish what comes last.
void JavascriptInterpreter::shutdown_request_impl() {
  host_.reset();
  outputs_.reset();
}

json JavascriptInterpreter::execute_request_impl(int execution_count, const std::string& code,
                                                 bool silent, bool, json, bool) {
  try {
    outputs_->begin_block();
    return report(host_->ask({{"type", "execute"}, {"code", code}, {"number", execution_count}}),
                  execution_count, silent);
  } catch (const std::exception& error) {
    return report_error("InternalError", error.what(), error.what());
  }
}

json JavascriptInterpreter::report(const Answer& answer, int execution_count, bool silent) {
  if (answer.end) return report_end(*answer.end, answer.interrupted);
  const auto error = answer.done.find("error");
  const bool failed = !answer.done.is_object() || error != answer.done.end();
  if (answer.done.value("interrupted", false) || (failed && answer.interrupted)) {
    return report_error("KeyboardInterrupt", "", "KeyboardInterrupt");
  }
  if (failed) {
    return report_error(error->value("name", "Error"), error->value("message", ""),
                        error->value("stack", ""));
  }
  if (answer.done.contains("text") && !silent) {
    publish_execution_result(execution_count, {{"text/plain", answer.done["text"]}},
                             json::object());
  }
  return ok_reply();
}

json JavascriptInterpreter::report_end(const guest::Process::End& end, bool interrupted) {
  const std::string number = std::to_string(end.status);
  const std::string status = "exit status " + number;
  outputs_->say("stderr", "Node has ended (" + status +
                              "). The next block starts a fresh one, without the variables and "
                              "functions of this one.\n");
  if (end.status == 0) return ok_reply();
  if (interrupted) return report_error("KeyboardInterrupt", "", "KeyboardInterrupt");
  if (end.by_signal) return report_error("CalledProcessError", status, "node: " + status);
  return report_error("SystemExit", number, "SystemExit: " + number);
}

json JavascriptInterpreter::report_error(const std::string& ename, const std::string& evalue,
                                         const std::string& traceback) {
  std::vector<std::string> lines;
  std::istringstream text(traceback);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  publish_execution_error(ename, evalue, lines);
  return {{"status", "error"}, {"ename", ename}, {"evalue", evalue}, {"traceback", lines}};
}

json JavascriptInterpreter::complete_request_impl(const std::string& code, int cursor_pos) {
  const std::string before = code.substr(0, byte_offset(code, cursor_pos));
  const int cursor = code_points(before);
  json matches = json::array();
  int prefix = 0;
  try {
    const Answer answer = host_->ask({{"type", "complete"}, {"code", before}});
    if (answer.done.contains("matches")) {
      matches = answer.done["matches"];
      prefix = code_points(answer.done.value("prefix", ""));
    }
  } catch (const std::exception&) {
    // No node, no matches; the next block says why.
  }
  return {{"status", "ok"},
          {"matches", std::move(matches)},
          {"cursor_start", cursor - prefix},
          {"cursor_end", cursor},
          {"metadata", json::object()}};
}

json JavascriptInterpreter::inspect_request_impl(const std::string&, int, int) {
  return {
      {"status", "ok"}, {"found", false}, {"data", json::object()}, {"metadata", json::object()}};
}

json JavascriptInterpreter::is_complete_request_impl(const std::string& code) {
  try {
    const Answer answer = host_->ask({{"type", "isComplete"}, {"code", code}});
    const std::string status = answer.done.value("status", "unknown");
    if (status == "incomplete") return {{"status", status}, {"indent", "  "}};
    return {{"status", status}};
  } catch (const std::exception&) {
    return {{"status", "unknown"}};
  }
}

json JavascriptInterpreter::kernel_info_request_impl() {
  return {{"status", "ok"},
          {"implementation", "perijove-javascript"},
          {"implementation_version", PERIJOVE_KERNEL_VERSION},
          {"banner", "Perijove JavaScript kernel " PERIJOVE_KERNEL_VERSION " on " + node_},
          {"language_info",
           {{"name", "javascript"},
            {"version", "ES2023"},
            {"mimetype", "text/javascript"},
            {"file_extension", ".js"},
            {"pygments_lexer", "javascript"},
            {"codemirror_mode", "javascript"},
            {"nbconvert_exporter", "script"}}},
          {"help_links", {{{"text", "Node.js"}, {"url", "https://nodejs.org/docs/latest/api/"}}}},
          {"debugger", false},
          {"supported_features", json::array()}};
}

}  // namespace perijove::kernels::javascript
