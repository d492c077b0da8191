#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace perijove {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

/// The value of the first field of that name, in any case; empty when there is none.
std::string_view find_field(const HttpFields& fields, std::string_view name);

/// One request, whole.
struct HttpRequest {
  std::string method;
  std::string path;           ///< As sent, still percent-encoded, without the query.
  HttpFields query;           ///< Decoded, in the order sent.
  std::string query_as_sent;  ///< Without its question mark.
  HttpFields headers;
  std::string body;
  std::string peer_address;

  std::string_view header(std::string_view name) const { return find_field(headers, name); }
  /// The first query argument of that name; nullopt when there is none.
  std::optional<std::string> argument(std::string_view name) const;
  /// Whether it asks for a websocket (RFC 6455 section 4.2.1).
  bool is_websocket_upgrade() const;
};

struct HttpResponse {
  int status = 200;
  HttpFields headers;
  std::string body;
};

/// "Not Found" for 404 and so on; "Unknown" for what has no name.
std::string_view reason_phrase(int status);

/// The time as a Date header has it (RFC 9110 section 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(WallTime time);

/// Decodes %XX (and + when `plus_is_space`); nullopt for a broken escape or a NUL byte.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

/// Encodes everything but unreserved characters; `/` stays.
std::string percent_encode_path(std::string_view text);

/// Splits `a=1&b=2`; arguments that cannot be decoded are left out.
HttpFields parse_query(std::string_view query);

/// Whether two ASCII texts are the same but for case.
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// Whether a comma-separated header value holds this token, in any case.
bool has_token(std::string_view list, std::string_view token);

}  // namespace perijove
