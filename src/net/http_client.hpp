#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "net/http.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// The parts of an `http://` URL.
struct HttpUrl {
  std::string host;  ///< Without the brackets of an IPv6 address.
  std::string port;
  std::string path;  ///< Still encoded, begins with a slash.
  HttpFields query;  ///< Decoded.
};

/// Reads `http://host[:port][/path][?query]`. Errors: invalid_argument, also for https.
Result<HttpUrl> parse_http_url(std::string_view text);

/// How to speak TLS with a server: whom to trust, and who we are.
class TlsContext;

/// Files of certificates, all in PEM.
struct TlsFiles {
  std::string authorities;  ///< Who may vouch for the server.
  std::string certificate;  ///< Ours, with its chain; empty: none.
  std::string key;          ///< Of that certificate.
};

/// Reads the files. Errors: invalid_argument, with the file that cannot be used.
Result<std::shared_ptr<TlsContext>> load_tls(const TlsFiles& files);

/// Where a server listens.
struct HttpAddress {
  std::string host;
  std::string port;
  std::string socket_path;  ///< A unix socket; then host and port mean nothing.
  /// With it, TLS is spoken, and the server must have a certificate for `host`. Null: without.
  std::shared_ptr<TlsContext> tls = nullptr;

  /// `http://host:port`, `https://host:port` or `unix:///path`, for messages.
  std::string describe() const;
};

/// For HttpCall::timeout: however long it takes.
inline constexpr Duration kNoTimeout = Duration::max();

/// What to ask.
struct HttpCall {
  std::string method = "GET";
  std::string path;  ///< Encoded, with its query.
  HttpFields headers;
  std::string body;
  std::string content_type = "application/json";  ///< Of `body`, when there is one.
  Duration timeout =
      std::chrono::seconds(30);  ///< For everything, from connecting to the last byte.
  std::size_t body_bytes_max = 64 * 1024 * 1024;
  /// Gets the body of an answer below 400 piece by piece as it comes, of any length; that of the
  /// HttpResponse is then empty, and `timeout` is for each piece. blocking_http's may block. When
  /// it returns false nothing more is read, and the connection is closed. Null: the body comes
  /// whole.
  std::function<bool(std::string_view piece)> on_body = nullptr;
  /// Is told when an answer below 400 begins, before its body.
  std::function<void()> on_begin = nullptr;
};

/// One request on a connection of its own, from the loop. Any status is an answer; an Error means
/// that there was none: unavailable (nobody listens, connection lost), permission_denied (the unix
/// socket may not be used), failed_precondition (no agreement on TLS), deadline_exceeded, data_loss
/// (what came is not HTTP, or too long).
/// `done` is called once, never during this call; it may drop the share.
///
/// The returned share owns the request: dropping it closes the connection, and nothing is called
/// any more.
[[nodiscard]] std::shared_ptr<void> start_http(boost::asio::io_context& loop,
                                               const HttpAddress& server, HttpCall call,
                                               std::function<void(Result<HttpResponse>)> done);

/// The same, but blocks the calling thread until there is an answer or an Error.
Result<HttpResponse> blocking_http(const HttpAddress& server, const HttpCall& call);
Result<HttpResponse> blocking_http(const HttpUrl& server, const HttpCall& call);

}  // namespace perijove
