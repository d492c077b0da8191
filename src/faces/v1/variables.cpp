#include <nlohmann/json.hpp>
#include <utility>

#include "code/python_scripts.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

// kVariablesScript says what this is. A JSON string is a literal of Python, too.
std::string expression_for(const json& request) {
  return "(lambda b, n, u: (b.exec(" + dump_json(kVariablesScript) + ", n), n[\"answer\"](u, " +
         dump_json(dump_json(request)) +
         "))[1])(__import__(\"builtins\"), {\"__name__\": \"perijove\"}, (lambda: 0).__globals__)";
}

void helper_problem(const CallPtr& call, const json& error) {
  const std::string type = json_text(error, "type");
  const std::string message = json_text(error, "message");
  if (type == "NameError") {
    problem(call, 404, "variable_not_found", message);
  } else {
    problem(call, 400, "validation_failed", message.empty() ? type : message);
  }
}

// Asks the session's kernel, and answers with what `tell` makes of an answer that is no error.
void ask(const std::shared_ptr<CodeSession>& session, const CallPtr& call, const json& request,
         std::function<json(json answer)> tell) {
  session->evaluate(
      "", expression_for(request), [call, tell = std::move(tell)](const Result<std::string>& text) {
        if (!text) {
          const Code code = text.error().code;
          problem(call, text.error(),
                  code == Code::aborted             ? "kernel_busy"
                  : code == Code::deadline_exceeded ? "timeout"
                                                    : "");
          return;
        }
        auto answer = parse_json(*text);
        if (!answer || !answer->is_object()) {
          problem(call, 503, "unavailable",
                  "the kernel's answer is not what it was asked for; is it an IPython?");
        } else if (!answer->value("ok", false)) {
          helper_problem(call, answer->value("error", json::object()));
        } else {
          call->json(200, tell(*std::move(answer)));
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

void list(const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  ask(session, call, {{"op", "list"}, {"include", included(call)}}, [](json answer) {
    answer.erase("ok");
    return answer;
  });
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
    json results = json::object();
    for (auto& [name, result] : answer["results"].items()) {
      const bool ok = result.value("ok", false);
      result.erase("ok");
      result["status"] = ok ? "ok" : "error";
      results[name] = std::move(result);
    }
    return json{{"results", std::move(results)}};
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
  if (session->language() != "python") {
    problem(call, 501, "language_not_supported",
            "variables are looked at in Python only; this session speaks " + session->language(),
            "run code that prints them");
    return true;
  }
  if (evaluates) {
    evaluate(session, call);
  } else if (!named) {
    list(session, call);
  } else if (call->request().method == "PUT") {
    set(session, call, path[4]);
  } else {
    ask(session, call, {{"op", "inspect"}, {"name", path[4]}}, variable_of);
  }
  return true;
}

}  // namespace perijove::v1
