#include "net/http_server.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <cstdio>
#include <unordered_set>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/scope.hpp"
#include "base/time.hpp"

namespace perijove {

namespace http = boost::beast::http;
using boost::asio::ip::tcp;

struct HttpServer::State : std::enable_shared_from_this<State> {
  State(Shard& owner, Options given, HttpHandler handle)
      : shard(owner),
        options(given),
        handler(std::move(handle)),
        acceptor(owner.loop()),
        sweep_timer(owner.loop()) {}

  void accept();
  void sweep();

  Shard& shard;
  Options options;
  HttpHandler handler;
  tcp::acceptor acceptor;
  boost::asio::steady_timer sweep_timer;
  std::unordered_set<std::shared_ptr<HttpConnection>> connections;
  Counters counters;
  bool closing = false;
};

/// One connection, one request at a time: the next is read when the last has been answered.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpServer::State> server, std::shared_ptr<Stream> stream)
      : server_(std::move(server)), stream_(std::move(stream)) {
    rest_since_ = server_->shard.now();
  }

  void start() {
    auto self = shared_from_this();
    stream_->set_handlers([self](ByteView bytes) { self->on_bytes(bytes); },
                          [self] { self->gone(); }, [self] { self->go_on(); });
    stream_->start_reading();
  }

  void respond(const HttpRequest& request, HttpResponse response);
  void begin_body(const HttpRequest& request, const HttpResponse& head);
  void write_piece(std::string_view piece);
  void finish_body();
  bool is_blocked() const { return stream_->is_blocked(); }
  void set_on_drained(std::function<void()> on_drained) { on_drained_ = std::move(on_drained); }
  void set_on_disconnect(std::function<void()> on_disconnect) {
    on_disconnect_ = std::move(on_disconnect);
    if (answering_) stream_->pause_reading(false);
  }
  std::shared_ptr<WebSocket> upgrade(const HttpRequest& request, std::string_view subprotocol,
                                     std::size_t message_bytes_max);
  bool is_open() const { return stream_->is_open(); }

  void close() {
    on_disconnect_ = nullptr;
    on_drained_ = nullptr;
    if (answering_ && body_ == Body::until_close) {
      stream_->reset();  // an orderly end would be that of the body
    } else {
      stream_->abort();
    }
    forget();
  }

  /// Ends a connection that rests too long, or whose client takes too long to send its request, or
  /// takes nothing of its answer.
  void sweep(TimePoint now) {
    if (answering_) return;
    const std::uint64_t written = stream_->written_bytes();
    if (std::exchange(swept_bytes_, written) != written) rest_since_ = now;
    const HttpServer::Options& options = server_->options;
    const Duration limit = parser_ ? options.request_time_max : options.idle_time_max;
    if (now - rest_since_ > limit) close();
  }

 private:
  using Parser = http::request_parser<http::string_body>;

  void on_bytes(ByteView bytes) {
    pending_ += bytes;
    if (answering_ && pending_.size() > limits::kHttpHeaderBytesMax) stream_->pause_reading(true);
    parse();
  }

  void parse();
  void go_on();
  void refuse(int status, std::string_view reason);
  void dispatch();
  void write_head(const HttpResponse& response);
  void end_answer();
  void gone() {
    const auto call = std::exchange(on_disconnect_, nullptr);
    on_drained_ = nullptr;
    forget();
    if (call) call();
  }
  void forget() { server_->connections.erase(shared_from_this()); }

  std::shared_ptr<HttpServer::State> server_;
  std::shared_ptr<Stream> stream_;
  std::unique_ptr<Parser> parser_;  // only while a request is being read: an idle one costs little
  std::string pending_;             // read, not parsed
  TimePoint rest_since_;
  std::uint64_t swept_bytes_ = 0;  // of the stream's written_bytes, when sweep() looked last
  bool parsing_ = false;
  bool answering_ = false;
  bool keep_alive_ = true;
  bool continued_ = false;
  bool http_1_0_ = false;
  enum class Body { whole, sized, chunked, until_close, none };
  Body body_ = Body::whole;  // of the response that is being sent
  std::function<void()> on_drained_;
  std::function<void()> on_disconnect_;
};

void HttpConnection::parse() {
  if (parsing_) return;  // an answer given at once: the loop below goes on with the next request
  const auto self = shared_from_this();
  const ScopeExit leave([this] { parsing_ = false; });
  parsing_ = true;
  // A client that does not take its answers gets no further ones to pile up here.
  while (!answering_ && !stream_->is_blocked() && !pending_.empty() && stream_->is_open()) {
    if (!parser_) {
      parser_ = std::make_unique<Parser>();
      parser_->eager(true);
      parser_->header_limit(limits::kHttpHeaderBytesMax);
      parser_->body_limit(server_->options.body_bytes_max);
      rest_since_ = server_->shard.now();
      continued_ = false;
    }
    boost::system::error_code error;
    const std::size_t used =
        parser_->put(boost::asio::const_buffer(pending_.data(), pending_.size()), error);
    pending_.erase(0, used);
    if (error && error != http::error::need_more) {
      if (error == http::error::body_limit) {
        refuse(413, "request body is larger than the limit of " +
                        std::to_string(server_->options.body_bytes_max) + " bytes");
      } else if (error == http::error::header_limit) {
        refuse(431, "request header is larger than the limit of " +
                        std::to_string(limits::kHttpHeaderBytesMax) + " bytes");
      } else {
        refuse(400, "not an HTTP request: " + error.message());
      }
      return;
    }
    if (parser_->is_done()) {
      dispatch();
      continue;
    }
    if (parser_->is_header_done() && !continued_ &&
        equal_ignoring_case(std::string_view(parser_->get()[http::field::expect].data(),
                                             parser_->get()[http::field::expect].size()),
                            "100-continue")) {
      continued_ = true;
      stream_->append("HTTP/1.1 100 Continue\r\n\r\n");
      stream_->flush();
    }
    if (error == http::error::need_more || used == 0) return;
  }
}

void HttpConnection::dispatch() {
  HttpRequest request;
  auto& message = parser_->get();
  const auto text = [](auto view) { return std::string(view.data(), view.size()); };
  request.method = text(message.method_string());
  const std::string target = text(message.target());
  const std::size_t question = std::min(target.find('?'), target.size());
  request.path = target.substr(0, question);
  request.query_as_sent = target.substr(std::min(question + 1, target.size()));
  request.query = parse_query(request.query_as_sent);
  for (const auto& field : message) {
    request.headers.emplace_back(text(field.name_string()), text(field.value()));
  }
  request.body = std::move(message.body());
  request.peer_address = stream_->peer_address();
  keep_alive_ = message.keep_alive();
  http_1_0_ = message.version() < 11;
  parser_.reset();
  answering_ = true;
  ++server_->counters.requests;
  // What the client sends meanwhile waits in the system's buffers.
  stream_->pause_reading(true);
  server_->handler(std::make_shared<HttpExchange>(shared_from_this(), std::move(request)));
}

void HttpConnection::write_head(const HttpResponse& response) {
  std::string& out = stream_->tail();
  out += "HTTP/1.1 " + std::to_string(response.status) + ' ';
  out += reason_phrase(response.status);
  out += "\r\nDate: " + http_date(std::chrono::system_clock::now()) + "\r\n";
  for (const auto& [name, value] : response.headers) out += name + ": " + value + "\r\n";
  keep_alive_ = keep_alive_ && !server_->closing && body_ != Body::until_close;
  if (!keep_alive_) out += "Connection: close\r\n";
}

void HttpConnection::end_answer() {
  answering_ = false;
  body_ = Body::whole;
  on_disconnect_ = nullptr;
  on_drained_ = nullptr;
  rest_since_ = server_->shard.now();
}

void HttpConnection::begin_body(const HttpRequest& request, const HttpResponse& head) {
  if (!stream_->is_open()) return;
  const bool sized = !find_field(head.headers, "Content-Length").empty();
  body_ = request.method == "HEAD" ? Body::none
          : sized                  ? Body::sized
          : http_1_0_              ? Body::until_close
                                   : Body::chunked;
  write_head(head);
  const bool told = sized || body_ == Body::until_close;
  stream_->append(told ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
  stream_->flush();
}

void HttpConnection::write_piece(std::string_view piece) {
  if (!stream_->is_open() || piece.empty() || body_ == Body::none) return;
  if (body_ == Body::chunked) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
    stream_->append(size);
  }
  stream_->append(piece);
  if (body_ == Body::chunked) stream_->append("\r\n");
  stream_->flush();
}

void HttpConnection::finish_body() {
  if (stream_->is_open() && body_ == Body::chunked) stream_->append("0\r\n\r\n");
  end_answer();
  if (!stream_->is_open()) return;
  if (!keep_alive_) {
    stream_->finish();
    return;
  }
  stream_->flush();
  go_on();
}

void HttpConnection::respond(const HttpRequest& request, HttpResponse response) {
  end_answer();
  if (!stream_->is_open()) return;
  write_head(response);
  std::string& out = stream_->tail();
  const bool bodiless = response.status == 204 || response.status == 304;
  if (!bodiless) out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  out += "\r\n";
  if (!bodiless && request.method != "HEAD") {
    const SharedBytes body = SharedBytes::own(std::move(response.body));
    constexpr std::size_t kGatherBytesMin = 16 * 1024;
    if (body.size() < kGatherBytesMin) {
      stream_->append(body.view());
    } else {
      stream_->append(body.view(), std::make_shared<SharedBytes>(body));
    }
  }
  if (!keep_alive_) {
    stream_->finish();
    return;
  }
  stream_->flush();
  go_on();
}

void HttpConnection::go_on() {
  if (answering_) {
    const auto on_drained = on_drained_;  // a copy: the call may end the answer
    if (on_drained) on_drained();
    return;
  }
  if (stream_->is_open()) parse();
  if (stream_->is_open() && !answering_) stream_->pause_reading(stream_->is_blocked());
}

// The rest of a refused request cannot be told from a next one, so the connection ends.
void HttpConnection::refuse(int status, std::string_view reason) {
  parser_.reset();
  pending_.clear();
  keep_alive_ = false;
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = R"({"message": ")" + std::string(reason) + R"(", "reason": null})";
  HttpRequest request;
  request.method = "GET";
  respond(request, std::move(response));
}

std::shared_ptr<WebSocket> HttpConnection::upgrade(const HttpRequest& request,
                                                   std::string_view subprotocol,
                                                   std::size_t message_bytes_max) {
  end_answer();
  if (!stream_->is_open()) return nullptr;
  std::string& out = stream_->tail();
  out += "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  out += "Sec-WebSocket-Accept: " + ws_accept(request.header("Sec-WebSocket-Key")) + "\r\n";
  if (!subprotocol.empty()) {
    out += "Sec-WebSocket-Protocol: ";
    out += subprotocol;
    out += "\r\n";
  }
  out += "\r\n";
  stream_->flush();
  if (!stream_->is_open()) return nullptr;
  forget();
  return std::make_shared<WebSocket>(stream_, message_bytes_max, std::exchange(pending_, {}));
}

HttpExchange::HttpExchange(std::shared_ptr<HttpConnection> connection, HttpRequest request)
    : connection_(std::move(connection)), request_(std::move(request)) {}

HttpExchange::~HttpExchange() {
  if (!connection_) return;
  HttpResponse response;
  response.status = 500;
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = R"({"message": "the gateway dropped this request", "reason": null})";
  respond(std::move(response));
}

void HttpExchange::respond(HttpResponse response) {
  if (const auto connection = std::exchange(connection_, nullptr)) {
    connection->respond(request_, std::move(response));
  }
}

std::shared_ptr<WebSocket> HttpExchange::upgrade(std::string_view subprotocol,
                                                 std::size_t message_bytes_max) {
  const auto connection = std::exchange(connection_, nullptr);
  return connection ? connection->upgrade(request_, subprotocol, message_bytes_max) : nullptr;
}

std::unique_ptr<HttpBodyStream> HttpExchange::respond_in_pieces(HttpResponse head) {
  auto connection = std::exchange(connection_, nullptr);
  if (connection) connection->begin_body(request_, head);
  return std::make_unique<HttpBodyStream>(std::move(connection));
}

void HttpExchange::set_on_disconnect(std::function<void()> on_disconnect) {
  if (connection_) connection_->set_on_disconnect(std::move(on_disconnect));
}

HttpBodyStream::HttpBodyStream(std::shared_ptr<HttpConnection> connection)
    : connection_(std::move(connection)) {}

HttpBodyStream::~HttpBodyStream() {
  if (connection_) connection_->close();
}

void HttpBodyStream::write(std::string_view piece) {
  if (connection_) connection_->write_piece(piece);
}

void HttpBodyStream::finish() {
  if (const auto connection = std::exchange(connection_, nullptr)) connection->finish_body();
}

bool HttpBodyStream::is_blocked() const { return connection_ && connection_->is_blocked(); }

void HttpBodyStream::set_on_drained(std::function<void()> on_drained) {
  if (connection_) connection_->set_on_drained(std::move(on_drained));
}

bool HttpExchange::connected() const { return connection_ && connection_->is_open(); }

HttpServer::HttpServer(Shard& shard, Options options, HttpHandler handler)
    : state_(std::make_shared<State>(shard, options, std::move(handler))) {}

HttpServer::~HttpServer() {
  stop_accepting();
  close_connections();
  state_->handler = nullptr;
}

// What somebody who wanted to listen there can do about it.
static Error listening_failed(const std::string& ip, std::uint16_t port,
                              const boost::system::error_code& error) {
  std::string message =
      "cannot listen on " + ip + ":" + std::to_string(port) + ": " + error.message();
  if (error == boost::asio::error::address_in_use) {
    return {Code::already_exists, message + "; choose another --port, or 0 for a free one"};
  }
  if (error == boost::asio::error::access_denied) {
    return {Code::permission_denied,
            message + "; choose a --port from 1024 on, or 0 for a free one"};
  }
  if (error == boost::system::errc::address_not_available) {
    message += "; this machine has no such address: --ip 0.0.0.0 listens on all that it has";
  }
  return {Code::unavailable, message};
}

Result<std::uint16_t> HttpServer::listen(const std::string& ip, std::uint16_t port) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(ip == "localhost" ? "127.0.0.1" : ip, error);
  if (error) {
    return Error{Code::invalid_argument, "'" + ip +
                                             "' is not an IP address such as 127.0.0.1, or 0.0.0.0 "
                                             "for all that this machine has"};
  }
  const tcp::endpoint endpoint(address, port);
  auto& acceptor = state_->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(boost::asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) {
    boost::system::error_code ignored;
    acceptor.close(ignored);
    return listening_failed(ip, port, error);
  }
  state_->accept();
  state_->sweep();
  return acceptor.local_endpoint().port();
}

void HttpServer::State::accept() {
  acceptor.async_accept(
      [self = shared_from_this()](const boost::system::error_code& error, tcp::socket socket) {
        if (error == boost::asio::error::operation_aborted || !self->acceptor.is_open()) return;
        if (error) {
          // Out of descriptors, mostly: try again when some have been closed, not in a busy loop.
          log::error("accept_failed", {{"reason", error.message()}});
          constexpr auto kPause = std::chrono::milliseconds(100);
          auto timer = std::make_shared<boost::asio::steady_timer>(self->shard.loop(), kPause);
          timer->async_wait([self, timer](const boost::system::error_code&) {
            if (self->acceptor.is_open()) self->accept();
          });
          return;
        }
        if (self->connections.size() >= limits::kConnectionsMax) {
          ++self->counters.refused_connections;
        } else {
          auto stream = std::make_shared<Stream>(self->shard, std::move(socket));
          auto connection = std::make_shared<HttpConnection>(self, std::move(stream));
          self->connections.insert(connection);
          connection->start();
        }
        self->accept();
      });
}

void HttpServer::State::sweep() {
  constexpr Duration kLongestInterval = std::chrono::seconds(5);
  sweep_timer.expires_after(
      std::min({kLongestInterval, options.request_time_max / 10, options.idle_time_max / 10}));
  sweep_timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error) return;
    const auto now = self->shard.now();
    const auto copy = self->connections;  // sweep() may erase
    for (const auto& connection : copy) connection->sweep(now);
    self->sweep();
  });
}

void HttpServer::stop_accepting() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  state_->closing = true;
}

void HttpServer::close_connections() {
  state_->sweep_timer.cancel();
  const auto copy = std::exchange(state_->connections, {});
  for (const auto& connection : copy) connection->close();
}

const HttpServer::Counters& HttpServer::counters() const { return state_->counters; }

}  // namespace perijove
