#include "faces/call.hpp"

#include <nlohmann/json.hpp>

#include "protocol/json.hpp"

namespace perijove {

Call::Call(CallContext& context, std::shared_ptr<HttpExchange> exchange)
    : context_(context), exchange_(std::move(exchange)), begun_(context.shard.now()) {
  common_headers = {
      {"X-Content-Type-Options", "nosniff"},
      {"Content-Security-Policy", "frame-ancestors 'self'; report-uri " + context.base_url +
                                      "api/security/csp-report; default-src 'none'"}};
}

HttpResponse Call::head(int status, std::string_view content_type, HttpFields extra) {
  auto& [count, seconds] = context_.count_and_seconds[{request().method, status}];
  ++count;
  seconds += std::chrono::duration<double>(context_.shard.now() - begun_).count();
  HttpResponse response;
  response.status = status;
  response.headers = common_headers;
  if (!content_type.empty()) response.headers.emplace_back("Content-Type", content_type);
  for (auto& field : extra) response.headers.push_back(std::move(field));
  return response;
}

void Call::respond(int status, std::string body, std::string_view content_type, HttpFields extra) {
  HttpResponse response = head(status, content_type, std::move(extra));
  response.body = std::move(body);
  exchange_->respond(std::move(response));
}

std::unique_ptr<HttpBodyStream> Call::respond_in_pieces(int status, std::string_view content_type,
                                                        HttpFields extra) {
  return exchange_->respond_in_pieces(head(status, content_type, std::move(extra)));
}

void Call::json(int status, const nlohmann::json& value, HttpFields extra) {
  json_text(status, dump_json(value), std::move(extra));
}

void Call::json_text(int status, std::string text, HttpFields extra) {
  respond(status, std::move(text), "application/json", std::move(extra));
}

void Call::empty(int status, HttpFields extra) { respond(status, "", "", std::move(extra)); }

void Call::error(int status, std::string_view message, std::string_view reason) {
  const nlohmann::json why = reason.empty() ? nlohmann::json() : nlohmann::json(reason);
  json(status, {{"message", message}, {"reason", why}});
}

void Call::error(const Error& error) {
  this->error(http_status(error.code), error.message, to_string(error.code));
}

std::optional<nlohmann::json> Call::body_object() {
  const std::string& body = request().body;
  if (body.find_first_not_of(" \t\r\n") == std::string::npos) return nlohmann::json::object();
  auto parsed = parse_json(body);
  if (!parsed) {
    error(400, "Invalid JSON in body of request", parsed.error().message);
    return std::nullopt;
  }
  if (parsed->is_null()) return nlohmann::json::object();
  if (!parsed->is_object()) {
    error(400, "Invalid JSON in body of request", "an object is expected");
    return std::nullopt;
  }
  return std::move(*parsed);
}

bool method_is(const CallPtr& call, std::string_view allowed) {
  const std::string& method = call->request().method;
  if (has_token(allowed, method)) return true;
  call->respond(405, R"({"message": "Method Not Allowed", "reason": null})", "application/json",
                {{"Allow", std::string(allowed)}});
  return false;
}

}  // namespace perijove
