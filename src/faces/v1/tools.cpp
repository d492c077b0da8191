#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "code/code_error.hpp"
#include "code/extraction.hpp"
#include "code/format_result.hpp"
#include "code/guard.hpp"
#include "code/python_scripts.hpp"
#include "executor/request_policies.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/code_blocks.hpp"
#include "protocol/json_fields.hpp"

// The helpers that need no session: what agents do with text before and after they run code.
namespace perijove::v1 {
namespace {

using nlohmann::json;

bool refuse_wrong(const CallPtr& call, const JsonFields& fields) {
  if (fields.error()) problem(call, *fields.error(), "validation_failed");
  return fields.error().has_value();
}

// Which texts are Python, for code that names no language: asked of Python one after another, since
// guessing by hand is what the guides get wrong.
class PythonJudgement : public std::enable_shared_from_this<PythonJudgement> {
 public:
  using Texts = std::map<std::string, bool, std::less<>>;

  PythonJudgement(PythonHelper& python, std::vector<std::string> texts,
                  std::function<void(const Texts&)> done)
      : python_(python), texts_(std::move(texts)), done_(std::move(done)) {}

  void next() {
    if (judged_.size() == texts_.size()) {
      done_(judged_);
      return;
    }
    const std::string& text = texts_[judged_.size()];
    python_.ask(kCheckCodeScript, {{"code", text}, {"policy", "standard"}}, kCheckTimeMax,
                [self = shared_from_this(), text](const Result<json>& answer) {
                  self->judged_[text] = answer && answer->value("valid", false);
                  self->next();
                });
  }

 private:
  PythonHelper& python_;
  std::vector<std::string> texts_;
  std::function<void(const Texts&)> done_;
  Texts judged_;
};

json to_json(const std::vector<CodeBlock>& blocks) {
  json list = json::array();
  for (const CodeBlock& block : blocks) {
    list.push_back({{"language", block.language}, {"code", block.code}});
  }
  return list;
}

// ---- extract ----

using Extraction = std::function<std::vector<CodeBlock>(const PythonCheck&)>;

// Twice: once to learn which texts are asked about, once with the answers.
void extract_with_python(V1Face& face, const CallPtr& call, Extraction extract) {
  constexpr std::size_t kQuestionsMax = 20;
  std::vector<std::string> questions;
  extract([&](std::string_view code) {
    const bool known = std::find(questions.begin(), questions.end(), code) != questions.end();
    if (!known && questions.size() < kQuestionsMax) questions.emplace_back(code);
    return false;
  });
  const auto answer = [call, extract](const PythonJudgement::Texts& judged) {
    const auto blocks = extract([&](std::string_view code) {
      const auto found = judged.find(code);
      return found != judged.end() && found->second;
    });
    call->json(200, {{"blocks", to_json(blocks)}});
  };
  std::make_shared<PythonJudgement>(face.sessions().python(), std::move(questions), answer)->next();
}

// `messages` are as chat interfaces have them, the oldest first.
std::vector<ChatMessage> read_messages(JsonFields& fields) {
  std::vector<ChatMessage> newest_first;
  const json* const messages = fields.find("messages");
  if (!messages->is_array()) {
    fields.refuse_type("messages", "an array", *messages);
    return {};
  }
  for (const json& each : *messages) {
    JsonFields message(each, "message");
    newest_first.insert(newest_first.begin(), {message.text("role"), message.text("content")});
    if (message.error()) fields.refuse("messages", message.error()->message);
  }
  return newest_first;
}

// A whole number, or `auto`.
std::string last_n_messages(JsonFields& fields) {
  const json* const value = fields.find("last_n_messages");
  if (value == nullptr || value->is_null()) return "auto";
  return value->is_string() ? value->get<std::string>() : value->dump();
}

void extract(V1Face& face, const CallPtr& call, const json& body) {
  JsonFields fields(body, "extract request");
  fields.refuse_unknown({"text", "messages", "mode", "last_n_messages", "languages"});
  const std::string text = fields.text("text");
  enum { kAll, kFirst, kLast, kGuideFirst, kAgentChat };
  const std::size_t mode =
      fields.choice("mode", {"all", "first", "last", "guide_first", "agentchat"}, kAll);
  const bool has_messages = fields.find("messages") != nullptr;
  if (has_messages == (fields.find("text") != nullptr)) {
    fields.refuse("text", "must be there, or 'messages': exactly one of them");
  }
  std::vector<std::string> languages = {"python", "sh"};
  if (const json* const wanted = fields.find("languages"); wanted != nullptr) {
    languages.clear();
    for (const json& each : *wanted) {
      if (each.is_string()) languages.push_back(each.get<std::string>());
    }
    if (languages.empty()) fields.refuse("languages", "must name languages");
  }
  if (has_messages) {
    const auto last = parse_last_n_messages(last_n_messages(fields));
    if (!last) {
      problem(call, last.error(), "validation_failed");
      return;
    }
    const auto messages = read_messages(fields);
    if (refuse_wrong(call, fields)) return;
    extract_with_python(face, call, [messages, last = *last](const PythonCheck& is_python) {
      return extract_from_messages(messages, last, is_python);
    });
    return;
  }
  if (refuse_wrong(call, fields)) return;
  if (mode == kGuideFirst) {
    call->json(200, {{"blocks", {{{"language", "python"}, {"code", first_code_or_text(text)}}}}});
  } else if (mode == kAgentChat) {
    const auto blocks = extract_supported_blocks(text, languages);
    json answer = {{"blocks", blocks ? to_json(*blocks) : json::array()}};
    if (!blocks) answer["message"] = blocks.error().message;
    call->json(200, answer);
  } else {
    const BlockChoice choice = mode == kFirst  ? BlockChoice::first
                               : mode == kLast ? BlockChoice::last
                                               : BlockChoice::all;
    extract_with_python(face, call, [text, choice](const PythonCheck& is_python) {
      return extract_blocks(text, is_python, choice);
    });
  }
}

// ---- validate ----

json verdict(bool valid, json errors, json issues = json::array()) {
  return {{"valid", valid}, {"errors", std::move(errors)}, {"issues", std::move(issues)}};
}

json verdict(const Result<void>& checked) {
  return checked ? verdict(true, json::array()) : verdict(false, {checked.error().message});
}

json issues_of(const GuardReport& report) {
  json issues = json::array();
  for (const GuardIssue& issue : report.issues) {
    issues.push_back({{"severity", "deny"},
                      {"pattern", issue.pattern},
                      {"line", issue.line},
                      {"message", issue.message}});
  }
  return issues;
}

// The tutorials' functions, each with its own words and, besides the common fields, its own ones.
std::optional<json> validate_by_patterns(const std::string& code, const std::string& language,
                                         const std::string& policy) {
  if (policy == "ag2") return verdict(refuse_forbidden_code(code));
  const auto found = find_guard_policy(policy);
  if (!found) return std::nullopt;
  const json issues = issues_of(check_patterns(**found, code, language));
  json answer;
  if (policy == "ag2-forbidden" || policy == "ag2-network") {
    answer = verdict(issues.empty(), json::array(), issues);
    const char* const words = policy == "ag2-network" ? "Network access not allowed: "
                                                      : "Potentially unsafe code detected: ";
    if (!issues.empty()) {
      answer["errors"] = {words + issues.front()["message"].get<std::string>()};
    }
  } else if (policy == "ag2-shell") {
    answer = verdict(refuse_dangerous_command(code, language));
    answer["issues"] = issues;
  } else if (policy == "guide") {
    answer = verdict(refuse_prohibited_code(code, language));
    answer["issues"] = issues;
  } else {
    const OperationsCheck check = check_dangerous_operations(code);
    answer = verdict(check.safe, check.issues, check.issues);
    answer["safe"] = check.safe;
  }
  return answer;
}

void validate(V1Face& face, const CallPtr& call, const json& body) {
  JsonFields fields(body, "validate request");
  fields.refuse_unknown({"code", "language", "policy", "rules", "network"});
  const std::string code = fields.text("code");
  const std::string language = fields.text("language", "python");
  const std::string policy = fields.text("policy", "strict");
  if (refuse_wrong(call, fields)) return;
  if (auto answer = validate_by_patterns(code, language, policy)) {
    call->json(200, *answer);
    return;
  }
  const bool only_syntax = policy == "syntax" || policy == "course-input";
  if (!only_syntax && policy != "strict" && policy != "standard") {
    const auto known = check_validation_profile(policy);
    problem(call, 400, "validation_failed",
            known ? "policy '" + policy + "' is unknown" : known.error().message,
            "besides there are: syntax, course-input, ag2");
    return;
  }
  if (canonical_language(language) != "python") {
    problem(call, 400, "language_not_supported",
            "policy '" + policy + "' reads Python only, not " + language);
    return;
  }
  json rules = {{"profile", only_syntax ? "standard" : policy}};
  for (const char* const field : {"rules", "network"}) {
    if (const json* const value = fields.find(field)) rules[field] = *value;
  }
  face.sessions().python().ask(
      kCheckCodeScript, {{"code", code}, {"policy", rules}}, kCheckTimeMax,
      [call, code, policy, only_syntax](const Result<json>& checked) {
        if (!checked) {
          problem(call, checked.error());
          return;
        }
        const json errors = checked->value("errors", json::array());
        if (policy == "course-input") {
          const InputCheck input = validate_code_input(
              code, [&](std::string_view) { return errors.get<std::vector<std::string>>(); });
          json answer = verdict(input.valid, input.valid ? json::array() : json{input.reason});
          answer["reason"] = input.valid ? json() : json(input.reason);
          call->json(200, answer);
          return;
        }
        json answer = verdict(checked->value("valid", false), errors);
        if (!only_syntax) {
          answer["safe"] = checked->value("safe", false);
          answer["issues"] = checked->value("issues", json::array());
        }
        call->json(200, answer);
      });
}

// ---- errors, formats ----

void parse_error_text(const CallPtr& call, const json& body) {
  JsonFields fields(body, "parse_error request");
  fields.refuse_unknown({"text", "mode"});
  const std::string text = fields.text("text");
  const bool any = fields.choice("mode", {"guide", "any"}, 0) == 1;
  if (refuse_wrong(call, fields)) return;
  const ParsedError error =
      perijove::parse_error(text, any ? ErrorReading::any_exception : ErrorReading::guide);
  call->json(200, {{"type", error.type},
                   {"line", error.line ? json(*error.line) : json()},
                   {"message", error.message}});
}

// What formats need of a result, read back from its JSON.
CodeResult read_result(JsonFields& fields) {
  CodeResult result;
  result.output = fields.text("output");
  result.stdout_text = fields.text("stdout", result.output);
  result.stderr_text = fields.text("stderr");
  result.exit_code = static_cast<int>(fields.number("exit_code", 0, -1e6, 1e6));
  result.status = result.exit_code == 0 ? CodeStatus::ok : CodeStatus::error;
  for (const CodeStatus each : {CodeStatus::timeout, CodeStatus::interrupted, CodeStatus::cancelled,
                                CodeStatus::out_of_memory, CodeStatus::kernel_died,
                                CodeStatus::denied, CodeStatus::rejected}) {
    if (fields.text("status") == to_string(each)) result.status = each;
  }
  if (const json* const error = fields.find("error"); error != nullptr && error->is_object()) {
    result.error = CodeError{.type = json_text(*error, "type"),
                             .message = json_text(*error, "message"),
                             .traceback = json_text(*error, "traceback"),
                             .hint = json_text(*error, "hint")};
  }
  if (const json* const files = fields.find("output_files");
      files != nullptr && files->is_array()) {
    for (const json& each : *files) {
      OutputFile file{.path = json_text(each, "path"), .mime_type = json_text(each, "mime")};
      const auto size = each.is_object() ? each.find("size") : each.end();
      if (size != each.end() && size->is_number_unsigned()) {
        file.size_bytes = size->get<std::uint64_t>();
      }
      result.output_files.push_back(std::move(file));
    }
  }
  return result;
}

void format(const CallPtr& call, const json& body) {
  JsonFields fields(body, "format request");
  fields.refuse_unknown({"result", "text", "exit_code", "format"});
  const std::string name = fields.text("format", "raw");
  CodeResult result;
  if (const json* const given = fields.find("result"); given != nullptr) {
    JsonFields members(*given, "result");
    result = read_result(members);
    if (members.error()) fields.refuse("result", members.error()->message);
  } else {
    result.output = result.stdout_text = fields.text("text");
    result.exit_code = static_cast<int>(fields.number("exit_code", 0, -1e6, 1e6));
    result.status = result.exit_code == 0 ? CodeStatus::ok : CodeStatus::error;
  }
  if (refuse_wrong(call, fields)) return;
  const auto text = format_result(name, result);
  if (!text) {
    problem(call, 400, "validation_failed", text.error().message);
  } else {
    call->json(200, {{"format", name}, {"text", *text}});
  }
}

void parse_reply(const CallPtr& call, const json& body) {
  JsonFields fields(body, "parse_reply request");
  fields.refuse_unknown({"text"});
  const ExecutionReply reply = extract_execution_results(fields.text("text"));
  if (refuse_wrong(call, fields)) return;
  call->json(
      200,
      {{"exit_code", reply.exit_code}, {"output", reply.output}, {"succeeded", reply.succeeded}});
}

// ---- programs ----

void describe_functions(V1Face& face, const CallPtr& call, const json& body) {
  JsonFields fields(body, "functions request");
  fields.refuse_unknown({"functions", "module", "template"});
  if (refuse_wrong(call, fields)) return;
  face.sessions().python().ask(kFunctionsScript, body, kCheckTimeMax,
                               [call](const Result<json>& answer) {
                                 if (!answer) {
                                   problem(call, answer.error());
                                 } else {
                                   call->json(answer->contains("errors") ? 400 : 200, *answer);
                                 }
                               });
}

void compute(V1Face& face, const CallPtr& call, const json& body) {
  JsonFields fields(body, "compute request");
  fields.refuse_unknown({"expression", "variables"});
  json what = {{"expression", fields.text("expression")}};
  if (const json* const variables = fields.find("variables")) what["variables"] = *variables;
  if (refuse_wrong(call, fields)) return;
  constexpr std::chrono::seconds kLongest{5};
  face.sessions().python().ask(kRestrictedScript, what, kLongest,
                               [call](const Result<json>& answer) {
                                 if (!answer) {
                                   problem(call, answer.error());
                                 } else {
                                   call->json(200, *answer);
                                 }
                               });
}

}  // namespace

bool handle_tools(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() != 3 || path[1] != "tools") return false;
  using Tool = std::function<void(V1Face&, const CallPtr&, const json&)>;
  const auto pure = [](void (*tool)(const CallPtr&, const json&)) -> Tool {
    return [tool](V1Face&, const CallPtr& c, const json& b) { tool(c, b); };
  };
  static const std::map<std::string, Tool> kTools = {{"extract", extract},
                                                     {"validate", validate},
                                                     {"parse_error", pure(parse_error_text)},
                                                     {"format", pure(format)},
                                                     {"parse_reply", pure(parse_reply)},
                                                     {"functions", describe_functions},
                                                     {"compute", compute}};
  const auto tool = kTools.find(path[2]);
  if (tool == kTools.end()) return false;
  if (!method_is(call, "POST")) return true;
  if (const auto body = body_object(call)) tool->second(face, call, *body);
  return true;
}

}  // namespace perijove::v1
