#include "executor/restricted.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace perijove {

BlockResult restricted_result(std::size_t index, const Result<nlohmann::json>& answer) {
  BlockResult result;
  result.index = index;
  result.language = "python";
  if (!answer) {
    const bool late = answer.error().code == Code::deadline_exceeded;
    result.status = late ? CodeStatus::timeout : CodeStatus::error;
    result.error = CodeError{.type = late ? "timeout" : "restricted_failed",
                             .message = answer.error().message,
                             .block = index};
  } else if (answer->value("success", false)) {
    result.stdout_text = result.output = answer->value("output", std::string());
  } else {
    result.status = CodeStatus::error;
    const auto told = answer->find("error");
    const bool has_message = told != answer->end() && told->is_string();
    CodeError error{.type = "Error",
                    .message = has_message ? told->get<std::string>() : std::string(),
                    .block = index};
    // "Type: message"; a message that was cut may have lost its colon.
    if (const std::size_t colon = error.message.find(": "); colon != std::string::npos) {
      error.type = error.message.substr(0, colon);
      error.message.erase(0, colon + 2);
    } else if (!error.message.empty()) {
      error.type = std::exchange(error.message, {});
    }
    const auto line = answer->find("line");
    if (line != answer->end() && line->is_number_integer()) error.line = line->get<int>();
    std::string output = answer->value("output", std::string());
    // Of refused code the output is the reasons, the first of which is the message.
    if (!error.message.empty() && output.starts_with(error.message)) {
      error.traceback = std::move(output);
    } else {
      result.stdout_text = result.output = std::move(output);
    }
    result.error = std::move(error);
  }
  result.exit_code = exit_code(result.status);
  return result;
}

}  // namespace perijove
