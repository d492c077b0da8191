#include "faces/v1/v1_face.hpp"

#include <nlohmann/json.hpp>

#include "protocol/json.hpp"

namespace perijove {
namespace v1 {

void problem(const CallPtr& call, int status, std::string_view code, std::string_view detail,
             std::string_view hint) {
  nlohmann::json document = {{"type", "about:blank"},
                             {"title", reason_phrase(status)},
                             {"status", status},
                             {"code", code},
                             {"detail", detail}};
  if (!hint.empty()) document["hint"] = hint;
  call->respond(status, dump_json(document), "application/problem+json");
}

void problem(const CallPtr& call, const Error& error, std::string_view code) {
  // Not the 403 that Jupyter's clients know: these may try again when something has ended.
  const int status = error.code == Code::resource_exhausted ? 429 : http_status(error.code);
  problem(call, status, code.empty() ? to_string(error.code) : code, error.message);
}

std::shared_ptr<CodeSession> find_session(V1Face& face, const CallPtr& call,
                                          const PathParts& path) {
  auto session = face.sessions().find(path[2]);
  if (!session) {
    problem(call, 404, "session_not_found", "there is no session '" + path[2] + "'",
            "it may have expired; POST /v1/sessions makes a new one");
  }
  return session;
}

std::optional<nlohmann::json> body_object(const CallPtr& call) {
  const std::string& body = call->request().body;
  if (body.find_first_not_of(" \t\r\n") == std::string::npos) return nlohmann::json::object();
  auto parsed = parse_json(body);
  if (!parsed) {
    problem(call, 400, "validation_failed", "the body is not JSON: " + parsed.error().message);
    return std::nullopt;
  }
  if (!parsed->is_object()) {
    problem(call, 400, "validation_failed", "the body must be a JSON object");
    return std::nullopt;
  }
  return *std::move(parsed);
}

std::optional<std::uint64_t> number_argument(const CallPtr& call, std::string_view name,
                                             std::uint64_t fallback) {
  const auto text = call->request().argument(name);
  if (!text) return fallback;
  std::uint64_t value = 0;
  constexpr std::size_t kDigitsMax = 18;
  bool sound = !text->empty() && text->size() <= kDigitsMax;
  for (const char c : *text) {
    sound = sound && c >= '0' && c <= '9';
    if (sound) value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (sound) return value;
  problem(call, 400, "validation_failed", std::string(name) + " must be a whole number");
  return std::nullopt;
}

}  // namespace v1

bool V1Face::handle(const CallPtr& call, const PathParts& path) {
  if (v1::handle_info(*this, call, path)) return true;
  if (path.empty() || path[0] != "v1") return false;
  return v1::handle_sessions(*this, call, path) || v1::handle_pools(*this, call, path) ||
         v1::handle_executions(*this, call, path) || v1::handle_jobs(*this, call, path) ||
         v1::handle_files(*this, call, path) || v1::handle_variables(*this, call, path) ||
         v1::handle_history(*this, call, path) || v1::handle_packages(*this, call, path) ||
         v1::handle_checkpoints(*this, call, path) ||
         v1::handle_tools(*this, call, path) || v1::handle_tests(*this, call, path);
}

}  // namespace perijove
