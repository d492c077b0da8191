#include "executor/package_installation.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "code/python_scripts.hpp"
#include "code/requirement.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

using nlohmann::json;

// The last line of what was printed; nullopt when that is no answer.
std::optional<json> answer_in(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  auto answer = parse_json(text.substr(text.rfind('\n') + 1));
  if (!answer || !answer->is_object() || !answer->contains("installed")) return std::nullopt;
  return *std::move(answer);
}

}  // namespace

std::string packages_expression(std::string_view function, const json& request) {
  // A JSON string is a literal of Python, too. Its names live in a dictionary of their own.
  return "(lambda b, n: (b.exec(" + dump_json(kPackagesScript) + ", n), n[\"" +
         std::string(function) + "\"](" + dump_json(dump_json(request)) +
         "))[1])(__import__(\"builtins\"), {\"__name__\": \"perijove\"})";
}

Result<CodeRequest> installation_request(CodeSession& session, const Installation& what) {
  const SessionPolicies& policies = session.options().policies;
  if (policies.off || policies.restricted || !policies.allows("python") ||
      !policies.runs("python")) {
    return Error{Code::permission_denied, "this session's policies do not let Python run"};
  }
  json texts = json::array(), names = json::array();
  std::string command = "pip install";
  if (what.upgrade) command += " --upgrade";
  for (const std::string& each : what.packages) {
    const auto read = parse_requirement(each);
    if (!read) return read.error();
    texts.push_back(read->text);
    names.push_back(read->name);
    command += " " + read->text;
  }
  const json request = {{"install", texts}, {"names", names}, {"upgrade", what.upgrade}};
  session.keep_packages();
  CodeRequest made = session.options().defaults;
  made.blocks = {{.language = "python", .code = packages_expression("install", request)}};
  made.judged_as = {{.language = "bash", .code = std::move(command)}};
  made.timeout = what.timeout;
  made.total_timeout = std::nullopt;
  made.quiet_timeout = std::nullopt;
  made.store_history = false;
  made.capture_files = false;
  made.interactive = false;
  made.output = OutputPolicy();
  return made;
}

Result<json> read_installed(const CodeResult& result) {
  if (result.status == CodeStatus::ok) {
    if (auto answer = answer_in(result.stdout_text)) {
      (*answer)["execution_id"] = result.execution_id;
      return *std::move(answer);
    }
  }
  const std::string why = result.error ? result.error->message : result.note;
  const std::string message = "pip did not end in order" + (why.empty() ? "" : ": " + why);
  switch (result.status) {
    case CodeStatus::timeout:
      return Error{Code::deadline_exceeded, message};
    case CodeStatus::cancelled:
    case CodeStatus::interrupted:
      return Error{Code::aborted, message};
    case CodeStatus::denied:
      return Error{Code::permission_denied, why};
    case CodeStatus::rejected:
      return Error{Code::not_found, message};
    case CodeStatus::out_of_memory:
    case CodeStatus::kernel_died:
      return Error{Code::unavailable, message};
    case CodeStatus::ok:
    case CodeStatus::error:
      break;
  }
  return Error{Code::internal, message};
}

}  // namespace perijove
