#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/shard.hpp"
#include "net/http_server.hpp"
#include "perijove/result.hpp"

/// What the faces share: one request on its way through a face.
namespace perijove {

/// What every call of a gateway has to do with.
struct CallContext {
  Shard& shard;
  std::string base_url;
  /// Requests by method and status, for /metrics: how many, and how long they took in all.
  std::map<std::pair<std::string, int>, std::pair<std::uint64_t, double>> count_and_seconds = {};
};

/// One request, and the headers that every answer to it carries.
class Call {
 public:
  Call(CallContext& context, std::shared_ptr<HttpExchange> exchange);

  const HttpRequest& request() const { return exchange_->request(); }
  HttpExchange& exchange() { return *exchange_; }
  Shard& shard() { return context_.shard; }
  const std::string& base_url() const { return context_.base_url; }

  void respond(int status, std::string body, std::string_view content_type, HttpFields extra = {});
  /// As respond(), for a body that comes piece by piece.
  std::unique_ptr<HttpBodyStream> respond_in_pieces(int status, std::string_view content_type,
                                                    HttpFields extra = {});
  void json(int status, const nlohmann::json& value, HttpFields extra = {});
  void json_text(int status, std::string text, HttpFields extra = {});
  /// 204 and the like.
  void empty(int status, HttpFields extra = {});
  /// As jupyter_server words it: {"message", "reason"}; `reason` null when empty.
  void error(int status, std::string_view message, std::string_view reason = {});
  void error(const Error& error);

  /// The body as a JSON object; empty is {}. Answers 400 and returns nullopt when it is none.
  std::optional<nlohmann::json> body_object();

  HttpFields common_headers;

 private:
  HttpResponse head(int status, std::string_view content_type, HttpFields extra);

  CallContext& context_;
  std::shared_ptr<HttpExchange> exchange_;
  TimePoint begun_;
};

using CallPtr = std::shared_ptr<Call>;
/// The path below the base URL, decoded, split at slashes: {"api", "kernels", "<id>"}.
using PathParts = std::vector<std::string>;
/// Answers calls of some paths; false when the path is none of theirs.
using Routes = std::function<bool(const CallPtr& call, const PathParts& path)>;

/// Answers 405 unless the method is one of `allowed` (separated by commas).
bool method_is(const CallPtr& call, std::string_view allowed);

}  // namespace perijove
