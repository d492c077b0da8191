#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "net/http_client.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// Which running gateway a command is about.
struct GatewayAddress {
  std::string url;    ///< Empty: the one that this user runs. May carry `?token=`.
  std::string token;  ///< Empty: that of the URL, of the gateway's own file, or $PERIJOVE_TOKEN.
  std::string runtime_base;  ///< Where its file is; empty: the usual place.
};

/// Asks a running gateway over its REST API. Blocks.
class GatewayClient {
 public:
  /// Errors: not_found when no gateway is running, failed_precondition when several are and the
  /// address does not say which.
  static Result<GatewayClient> find(const GatewayAddress& address);

  /// `path` below the base URL: `api/kernels`. A status from 400 on is an Error with the gateway's
  /// own message.
  Result<std::string> ask(std::string_view method, const std::string& path,
                          const std::string& body = {}) const;
  /// The same with everything that a call can have; its path is below the base URL, too.
  Result<std::string> ask(HttpCall call) const;
  Result<nlohmann::json> ask_json(std::string_view method, const std::string& path,
                                  const std::string& body = {}) const;

  const std::string& url() const { return shown_url_; }

 private:
  GatewayClient(HttpUrl url, std::string token, std::string shown_url)
      : url_(std::move(url)), token_(std::move(token)), shown_url_(std::move(shown_url)) {}

  HttpUrl url_;  // its path ends with a slash
  std::string token_;
  std::string shown_url_;
};

}  // namespace perijove
