#include "executor/session_variables.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "code/python_scripts.hpp"
#include "executor/admission.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;
using Done = std::function<void(Result<json>)>;

// kVariablesScript says what this is. A JSON string is a literal of Python, too.
std::string expression_for(const json& request) {
  return "(lambda b, n, u: (b.exec(" + dump_json(kVariablesScript) + ", n), n[\"answer\"](u, " +
         dump_json(dump_json(request)) +
         "))[1])(__import__(\"builtins\"), {\"__name__\": \"perijove\"}, (lambda: 0).__globals__)";
}

Result<json> read_answer(const Result<std::string>& text) {
  if (!text) return text.error();
  auto answer = parse_json(*text);
  if (!answer || !answer->is_object()) {
    return Error{Code::unavailable,
                 "the kernel's answer is not what it was asked for; is it an IPython?"};
  }
  if (answer->value("ok", false)) {
    answer->erase("ok");
    return *std::move(answer);
  }
  const json error = answer->value("error", json::object());
  const std::string type = json_text(error, "type");
  const std::string message = json_text(error, "message");
  return Error{type == "NameError" ? Code::not_found : Code::invalid_argument,
               message.empty() ? type : message};
}

// Why the session's policies want no Python here at all.
Result<void> check_session(const CodeSession& session) {
  const SessionPolicies& policies = session.options().policies;
  if (session.language() != "python") {
    return Error{Code::unimplemented,
                 "variables are looked at in Python only; this session speaks " +
                     session.language() + ": run code that prints them"};
  }
  if (policies.restricted) {
    return Error{Code::permission_denied,
                 "a restricted session keeps no variables: run code that prints them"};
  }
  if (policies.off || !policies.allows("python") || !policies.runs("python")) {
    return Error{Code::permission_denied, "this session's policies do not let Python run"};
  }
  return {};
}

void ask(const std::shared_ptr<CodeSession>& session, const json& request, json warnings,
         Done done) {
  session->evaluate(
      "", expression_for(request),
      [warnings = std::move(warnings), done = std::move(done)](const Result<std::string>& text) {
        auto answer = read_answer(text);
        if (answer && !warnings.empty()) (*answer)["warnings"] = warnings;
        done(std::move(answer));
      });
}

}  // namespace

void ask_about_variables(const std::shared_ptr<CodeSession>& session, json request, Done done) {
  if (const auto allowed = check_session(*session); !allowed) {
    done(allowed.error());
    return;
  }
  const RequestPolicies& policies = session->options().defaults.policies;
  AdmissionRequest what{.blocks = {},
                        .validation = policies.validation,
                        .approval = {},
                        .sanitize = session->options().policies.sanitize};
  const bool evaluates = json_text(request, "op") == "evaluate";
  if (evaluates && policies.approval.required) {
    done(Error{Code::permission_denied,
               "code of this session has to be approved, and nobody is asked about expressions: "
               "run them as code"});
    return;
  }
  if (!evaluates || !what.needed()) {
    ask(session, request, json::array(), std::move(done));
    return;
  }
  for (const auto& [name, expression] : request["expressions"].items()) {
    what.blocks.push_back({.language = "python", .code = expression.get<std::string>()});
  }
  session->admit(std::move(what), [session, request = std::move(request),
                                   done = std::move(done)](AdmissionVerdict verdict) {
    if (verdict.refusal) {
      done(Error{Code::permission_denied, verdict.refusal->message});
      return;
    }
    json warnings = json::array();
    for (const std::string& each : verdict.warnings) warnings.push_back({{"message", each}});
    ask(session, request, std::move(warnings), done);
  });
}

}  // namespace perijove
