#include <nlohmann/json.hpp>
#include <utility>

#include "executor/session_variables.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

std::string_view problem_code(Code code) {
  switch (code) {
    case Code::aborted:
      return "kernel_busy";
    case Code::deadline_exceeded:
      return "timeout";
    case Code::not_found:
      return "variable_not_found";
    case Code::invalid_argument:
      return "validation_failed";
    case Code::permission_denied:
      return "denied";
    case Code::unimplemented:
      return "language_not_supported";
    default:
      return {};
  }
}

// Asks the session's kernel, and answers with what `tell` makes of an answer that is no error.
void ask(const std::shared_ptr<CodeSession>& session, const CallPtr& call, json request,
         std::function<json(json answer)> tell) {
  ask_about_variables(session, std::move(request),
                      [call, tell = std::move(tell)](const Result<json>& answer) {
                        if (answer) {
                          call->json(200, tell(*answer));
                        } else {
                          problem(call, answer.error(), problem_code(answer.error().code));
                        }
                      });
}

// `?include=modules,functions,private`.
json included(const CallPtr& call) {
  const std::string wanted = call->request().argument("include").value_or("");
  json include = json::array();
  for (const char* const kind : {"modules", "functions", "private"}) {
    if (has_token(wanted, kind)) include.push_back(kind);
  }
  return include;
}

json variable_of(const json& answer) { return answer.value("variable", json()); }

void set(const std::shared_ptr<CodeSession>& session, const CallPtr& call,
         const std::string& name) {
  const auto value = parse_json(call->request().body);
  if (!value) {
    problem(call, 400, "validation_failed",
            "the body must be the value, as JSON: " + value.error().message);
    return;
  }
  ask(session, call, {{"op", "set"}, {"name", name}, {"value", *value}}, variable_of);
}

void evaluate(const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  const auto body = body_object(call);
  if (!body) return;
  JsonFields fields(*body, "evaluate request");
  fields.refuse_unknown({"expressions"});
  const auto expressions = fields.text_map("expressions");
  if (expressions.empty()) fields.refuse("expressions", "must name at least one expression");
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
    return;
  }
  ask(session, call, {{"op", "evaluate"}, {"expressions", expressions}}, [](json answer) {
    for (auto& [name, result] : answer["results"].items()) {
      const bool ok = result.value("ok", false);
      result.erase("ok");
      result["status"] = ok ? "ok" : "error";
    }
    return answer;
  });
}

}  // namespace

bool handle_variables(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() < 4 || path.size() > 5 || path[1] != "sessions") return false;
  const bool evaluates = path.size() == 4 && path[3] == "evaluate";
  if (!evaluates && path[3] != "variables") return false;
  const bool named = path.size() == 5;
  if (!method_is(call, evaluates ? "POST" : named ? "GET,PUT" : "GET")) return true;
  const auto session = find_session(face, call, path);
  if (!session) return true;
  if (evaluates) {
    evaluate(session, call);
  } else if (!named) {
    ask(session, call, {{"op", "list"}, {"include", included(call)}},
        [](json answer) { return answer; });
  } else if (call->request().method == "PUT") {
    set(session, call, path[4]);
  } else {
    ask(session, call, {{"op", "inspect"}, {"name", path[4]}}, variable_of);
  }
  return true;
}

}  // namespace perijove::v1
