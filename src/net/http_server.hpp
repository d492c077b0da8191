#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/limits.hpp"
#include "base/time.hpp"
#include "io/shard.hpp"
#include "net/http.hpp"
#include "net/websocket.hpp"
#include "perijove/result.hpp"

namespace perijove {

class HttpConnection;

/// A response whose body comes piece by piece (chunked, unless its head tells the length). Whoever
/// holds it drops it at the end: one that is dropped before finish() breaks the connection, so that
/// no client takes a part for the whole. Shard thread only.
class HttpBodyStream {
 public:
  explicit HttpBodyStream(std::shared_ptr<HttpConnection> connection);
  ~HttpBodyStream();
  HttpBodyStream(const HttpBodyStream&) = delete;
  HttpBodyStream& operator=(const HttpBodyStream&) = delete;

  /// Sends a piece; nothing when the client has gone.
  void write(std::string_view piece);
  /// Ends the body in order.
  void finish();
  /// Whether the client does not take what was written: wait for on_drained before writing more.
  bool is_blocked() const;
  /// Called each time a blocked client has taken everything.
  void set_on_drained(std::function<void()> on_drained);

 private:
  std::shared_ptr<HttpConnection> connection_;  // null once finished
};

/// One request that waits for its answer. Answer it once, at any later time on the shard's thread;
/// an exchange that is dropped unanswered answers 500 by itself, so every request ends.
class HttpExchange {
 public:
  HttpExchange(std::shared_ptr<HttpConnection> connection, HttpRequest request);
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  const HttpRequest& request() const { return request_; }

  /// Sends the response; Content-Length and Date are filled in, the body is left out for HEAD.
  void respond(HttpResponse response);

  /// Sends the head of a response whose body follows; `head.body` is ignored. With a Content-Length
  /// the caller keeps its word: exactly so many bytes before finish(). For HEAD there is no body,
  /// whatever is written. set_on_disconnect() stays in force until the body is finished.
  std::unique_ptr<HttpBodyStream> respond_in_pieces(HttpResponse head);

  /// Calls back, once, when the client closes its connection before it has its whole answer. What
  /// it sends meanwhile is read, up to a limit, and kept for later.
  void set_on_disconnect(std::function<void()> on_disconnect);

  /// Answers 101 and turns the connection into a websocket; `subprotocol` may be empty. Null when
  /// the client has gone meanwhile. Only for a request with is_websocket_upgrade().
  std::shared_ptr<WebSocket> upgrade(std::string_view subprotocol, std::size_t message_bytes_max);

  /// Whether the client is still there to read an answer.
  bool connected() const;

 private:
  std::shared_ptr<HttpConnection> connection_;  // null once answered
  HttpRequest request_;
};

using HttpHandler = std::function<void(std::shared_ptr<HttpExchange>)>;

/// Accepts HTTP/1.1 connections on one shard and hands whole requests to a handler.
class HttpServer {
 public:
  struct Options {
    std::uint64_t body_bytes_max = 0;  ///< A longer body is refused with 413.
    /// From the first byte of a request to its last, and without a request: then the connection is
    /// closed, at most a tenth of the shorter one, or five seconds, late.
    Duration request_time_max = limits::kHttpRequestTimeMax;
    Duration idle_time_max = limits::kHttpIdleTimeMax;
  };
  struct Counters {
    std::uint64_t requests = 0;
    std::uint64_t refused_connections = 0;
  };

  HttpServer(Shard& shard, Options options, HttpHandler handler);
  ~HttpServer();

  /// Binds and listens; `port` 0 takes a free one. Returns the port. Errors: already_exists (the
  /// address is in use), permission_denied, invalid_argument (no such address).
  Result<std::uint16_t> listen(const std::string& ip, std::uint16_t port);

  /// Accepts no more; what is open goes on.
  void stop_accepting();
  /// Ends every HTTP connection. Websockets are their owners'.
  void close_connections();

  const Counters& counters() const;

  struct State;  // of http_server.cpp

 private:
  std::shared_ptr<State> state_;
};

}  // namespace perijove
