#include "app/gateway_client.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/server_file.hpp"
#include "io/runtime_dir.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

Code code_of(int status) {
  switch (status) {
    case 400:
      return Code::invalid_argument;
    case 403:
      return Code::permission_denied;
    case 404:
      return Code::not_found;
    case 409:
      return Code::failed_precondition;
    case 413:
      return Code::resource_exhausted;
    case 503:
      return Code::unavailable;
    case 504:
      return Code::deadline_exceeded;
    default:
      return Code::internal;
  }
}

Error refusal(const HttpResponse& response, const std::string& url, bool token_given) {
  if (response.status == 401) {
    return {
        Code::permission_denied,
        token_given
            ? url + " refuses the token that was given; its own goes into --token or PERIJOVE_TOKEN"
            : url + " asks for its token; give it with --token or PERIJOVE_TOKEN"};
  }
  std::string message;
  if (const auto body = parse_json(response.body); body && body->is_object()) {
    message = json_text(*body, "message");
    if (message.empty()) message = json_text(*body, "detail");  // a problem document (RFC 9457)
    if (const std::string hint = json_text(*body, "hint"); !hint.empty()) message += "; " + hint;
  }
  if (message.empty()) {
    message = url + " answers " + std::to_string(response.status) + " " +
              std::string(reason_phrase(response.status));
  }
  return {code_of(response.status), message};
}

Result<ServerEntry> only_server(const std::string& runtime_base) {
  const std::string base = runtime_base.empty() ? RuntimeDir::default_base() : runtime_base;
  std::vector<ServerEntry> servers = find_servers(base);
  if (servers.size() == 1) return servers.front();
  if (servers.empty()) {
    return Error{Code::not_found, "no gateway of this user is running (looked in " + base +
                                      "/servers); start one with `perijove serve`, or name one "
                                      "with --url"};
  }
  std::string message =
      std::to_string(servers.size()) + " gateways are running; say which with --url:";
  for (const ServerEntry& server : servers) message += "\n  " + server.url;
  return Error{Code::failed_precondition, message};
}

// Whose token goes with an address that a person gave: the gateway's own file knows.
std::string token_for(const std::string& url, const std::string& runtime_base) {
  const std::string base = runtime_base.empty() ? RuntimeDir::default_base() : runtime_base;
  for (const ServerEntry& server : find_servers(base)) {
    if (server.url == url || server.url == url + "/") return server.token;
  }
  const char* const variable = std::getenv("PERIJOVE_TOKEN");
  return variable == nullptr ? "" : variable;
}

}  // namespace

Result<GatewayClient> GatewayClient::find(const GatewayAddress& address) {
  std::string text = address.url;
  std::string token = address.token;
  if (text.empty()) {
    const auto server = only_server(address.runtime_base);
    if (!server) return server.error();
    text = server->url;
    if (token.empty()) token = server->token;
  }
  auto url = parse_http_url(text);
  if (!url) return url.error();
  const std::string shown = text.substr(0, text.find('?'));
  if (token.empty()) token = find_field(url->query, "token");
  if (token.empty() && !address.url.empty()) token = token_for(shown, address.runtime_base);
  if (!url->path.ends_with('/')) url->path += '/';
  return GatewayClient(*std::move(url), std::move(token), shown);
}

Result<std::string> GatewayClient::ask(std::string_view method, const std::string& path,
                                       const std::string& body) const {
  HttpCall call;
  call.method = method;
  call.path = path;
  call.body = body;
  return ask(std::move(call));
}

Result<std::string> GatewayClient::ask(HttpCall call) const {
  call.path = url_.path + call.path;
  if (!token_.empty()) call.headers.emplace_back("Authorization", "token " + token_);
  auto response = blocking_http(url_, call);
  if (!response) return response.error();
  if (response->status >= 400) return refusal(*response, shown_url_, !token_.empty());
  return std::move(response->body);
}

Result<nlohmann::json> GatewayClient::ask_json(std::string_view method, const std::string& path,
                                               const std::string& body) const {
  const auto text = ask(method, path, body);
  if (!text) return text.error();
  if (text->empty()) return nlohmann::json();
  auto value = parse_json(*text);
  if (!value) {
    return Error{Code::data_loss,
                 shown_url_ + " does not answer as a gateway: " + value.error().message};
  }
  return value;
}

}  // namespace perijove
