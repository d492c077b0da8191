#include "net/http_client.hpp"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "perijove/version.hpp"

namespace perijove {

class TlsContext {
 public:
  boost::asio::ssl::context context{boost::asio::ssl::context::tls_client};
};

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::generic::stream_protocol;
using asio::ip::tcp;

constexpr unsigned kFirstErrorStatus = 400;

std::string authority(const HttpAddress& server) {
  if (!server.socket_path.empty()) return "localhost";
  const bool v6 = server.host.find(':') != std::string::npos;
  return (v6 ? "[" + server.host + "]" : server.host) + ":" + server.port;
}

// One request from resolving to the last byte. Waits on the loop keep it; whoever asked holds a
// Ticket, whose end is the request's.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  struct Functions {
    std::function<void()> on_begin;
    std::function<bool(std::string_view)> on_body;
    std::function<void(Result<HttpResponse>)> done;
  };

  Exchange(asio::io_context& loop, HttpAddress server, HttpCall call,
           std::function<void(Result<HttpResponse>)> done)
      : server_(std::move(server)),
        call_(std::move(call)),
        functions_(std::make_shared<const Functions>(
            Functions{std::move(call_.on_begin), std::move(call_.on_body), std::move(done)})),
        resolver_(loop),
        stream_(loop) {
    if (server_.tls) tls_.emplace(stream_, server_.tls->context);
    request_.method_string(call_.method);
    request_.target(call_.path);
    request_.version(11);
    request_.set(http::field::host, authority(server_));
    request_.set(http::field::user_agent, "perijove/" PERIJOVE_VERSION);
    for (const auto& [name, value] : call_.headers) request_.set(name, value);
    if (!call_.body.empty()) request_.set(http::field::content_type, call_.content_type);
    request_.body() = std::move(call_.body);
    request_.prepare_payload();
    if (functions_->on_body) {
      parser_.body_limit(boost::none);
    } else {
      parser_.body_limit(call_.body_bytes_max);
    }
  }

  void start() {
    expire();
    if (!server_.socket_path.empty()) {
      if (server_.socket_path.size() >= limits::kSocketPathBytesMax) {
        asio::post(stream_.get_executor(), [self = shared_from_this()] {
          self->step(asio::error::make_error_code(asio::error::name_too_long));
        });
        return;
      }
      connect(
          {stream_protocol::endpoint(asio::local::stream_protocol::endpoint(server_.socket_path))});
      return;
    }
    resolver_.async_resolve(
        server_.host, server_.port,
        [self = shared_from_this()](const auto& error, const tcp::resolver::results_type& found) {
          if (!self->step(error)) return;
          std::vector<stream_protocol::endpoint> endpoints;
          for (const auto& each : found) endpoints.emplace_back(each.endpoint());
          self->connect(std::move(endpoints));
        });
  }

  // Nothing is told any more.
  void abandon() {
    finish();
    resolver_.cancel();
  }

 private:
  void connect(std::vector<stream_protocol::endpoint> endpoints) {
    stream_.async_connect(std::move(endpoints),
                          [self = shared_from_this()](const auto& connected, const auto&) {
                            if (!self->step(connected)) return;
                            if (self->tls_) {
                              self->shake_hands();
                            } else {
                              self->write();
                            }
                          });
  }

  void shake_hands() {
    boost::system::error_code error;
    tls_->set_verify_callback(asio::ssl::host_name_verification(server_.host), error);
    // Servers of several names choose their certificate by it; addresses are no such name.
    asio::ip::make_address(server_.host, error);
    if (error) SSL_set_tlsext_host_name(tls_->native_handle(), server_.host.c_str());
    tls_->async_handshake(asio::ssl::stream_base::client,
                          [self = shared_from_this()](const auto& agreed) {
                            if (self->step(agreed)) self->write();
                          });
  }

  void write() {
    with_stream([this](auto& stream) {
      http::async_write(stream, request_,
                        [self = shared_from_this()](const auto& written, std::size_t) {
                          // A server may answer and close before it has read everything.
                          if (written && written != asio::error::broken_pipe &&
                              written != asio::error::connection_reset) {
                            self->step(written);
                          } else {
                            self->begin_reading();
                          }
                        });
    });
  }

  template <typename Function>
  void with_stream(Function function) {
    if (tls_) {
      function(*tls_);
    } else {
      function(stream_);
    }
  }

  void begin_reading() {
    if (!functions_) return;
    if (!functions_->on_body && !functions_->on_begin) {
      with_stream([this](auto& stream) {
        http::async_read(stream, buffer_, parser_,
                         [self = shared_from_this()](const auto& read, std::size_t) {
                           if (self->step(read)) self->succeed();
                         });
      });
      return;
    }
    with_stream([this](auto& stream) {
      http::async_read_header(stream, buffer_, parser_,
                              [self = shared_from_this()](const auto& read, std::size_t) {
                                if (!self->step(read)) return;
                                const auto functions = self->functions_;
                                if (self->accepted() && functions->on_begin) functions->on_begin();
                                self->read_pieces();
                              });
    });
  }

  bool accepted() const { return parser_.get().result_int() < kFirstErrorStatus; }

  void read_pieces() {
    const auto functions = functions_;
    if (!functions) return;  // dropped by on_begin
    std::string& body = parser_.get().body();
    if (!body.empty() && functions->on_body && accepted()) {
      const std::string piece = std::exchange(body, {});
      const bool more = functions->on_body(piece);
      if (!functions_) return;
      if (!more) {
        succeed();
        return;
      }
    }
    if (parser_.is_done()) {
      succeed();
      return;
    }
    expire();
    with_stream([this](auto& stream) {
      http::async_read_some(stream, buffer_, parser_,
                            [self = shared_from_this()](const auto& read, std::size_t) {
                              if (self->step(read)) self->read_pieces();
                            });
    });
  }

  void expire() {
    if (call_.timeout == kNoTimeout) {
      stream_.expires_never();
    } else {
      stream_.expires_after(call_.timeout);
    }
  }

  // Whether to go on; what failed is told.
  bool step(const boost::system::error_code& error) {
    if (!functions_) return false;
    if (error) tell(fail(error));
    return !error;
  }

  void succeed() {
    HttpResponse response;
    response.status = static_cast<int>(parser_.get().result_int());
    for (const auto& field : parser_.get()) {
      response.headers.emplace_back(field.name_string(), field.value());
    }
    response.body = std::move(parser_.get().body());
    tell(std::move(response));
  }

  void tell(Result<HttpResponse> result) {
    if (const auto functions = finish()) functions->done(std::move(result));
  }

  // From here on nothing is told. The functions live until they have returned.
  std::shared_ptr<const Functions> finish() {
    stream_.close();
    return std::exchange(functions_, nullptr);
  }

  Error fail(const boost::system::error_code& error) const {
    const std::string where = server_.describe();
    if (error == beast::error::timeout) {
      return {Code::deadline_exceeded,
              where + " did not answer within " + format_duration(call_.timeout)};
    }
    if (error.category() == http::make_error_code(http::error::bad_line_ending).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return {Code::data_loss,
              where + " answers something that cannot be read: " + error.message()};
    }
    if (error.category() == asio::error::get_ssl_category()) {
      return {Code::failed_precondition,
              "no agreement on TLS with " + where + ": " + error.message()};
    }
    return {error == asio::error::access_denied ? Code::permission_denied : Code::unavailable,
            "cannot reach " + where + ": " + error.message()};
  }

  HttpAddress server_;
  HttpCall call_;
  std::shared_ptr<const Functions> functions_;  // null once it is over
  tcp::resolver resolver_;
  beast::basic_stream<stream_protocol> stream_;
  std::optional<asio::ssl::stream<beast::basic_stream<stream_protocol>&>> tls_;  // over stream_
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response_parser<http::string_body> parser_;
};

struct Ticket {
  std::shared_ptr<Exchange> exchange;
  explicit Ticket(std::shared_ptr<Exchange> owned) : exchange(std::move(owned)) {}
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() { exchange->abandon(); }
};

}  // namespace

std::string HttpAddress::describe() const {
  if (!socket_path.empty()) return "unix://" + socket_path;
  return (tls ? "https://" : "http://") + authority(*this);
}

Result<std::shared_ptr<TlsContext>> load_tls(const TlsFiles& files) {
  auto tls = std::make_shared<TlsContext>();
  boost::system::error_code error;
  const auto use = [&error](const std::string& file, auto load) -> Result<void> {
    if (file.empty()) return {};
    load();
    if (!error) return {};
    return Error{Code::invalid_argument, "cannot use '" + file + "' for TLS: " + error.message()};
  };
  asio::ssl::context& context = tls->context;
  context.set_verify_mode(asio::ssl::verify_peer);
  for (const auto& used :
       {use(files.authorities, [&] { context.load_verify_file(files.authorities, error); }),
        use(files.certificate,
            [&] { context.use_certificate_chain_file(files.certificate, error); }),
        use(files.key,
            [&] { context.use_private_key_file(files.key, asio::ssl::context::pem, error); })}) {
    if (!used) return used.error();
  }
  return tls;
}

Result<HttpUrl> parse_http_url(std::string_view text) {
  const Error wrong{Code::invalid_argument,
                    "'" + std::string(text) + "' is not a URL such as http://127.0.0.1:8888/"};
  constexpr std::string_view kScheme = "http://";
  if (text.starts_with("https://")) {
    return Error{Code::invalid_argument,
                 "https is not spoken here; use the http address behind the proxy"};
  }
  if (!text.starts_with(kScheme)) return wrong;
  text.remove_prefix(kScheme.size());
  const std::size_t fragment = text.find('#');
  if (fragment != std::string_view::npos) text = text.substr(0, fragment);

  HttpUrl url;
  const std::size_t query = text.find('?');
  if (query != std::string_view::npos) {
    url.query = parse_query(text.substr(query + 1));
    text = text.substr(0, query);
  }
  const std::size_t slash = std::min(text.find('/'), text.size());
  url.path = std::string(text.substr(slash));
  if (url.path.empty()) url.path = "/";
  std::string_view authority = text.substr(0, slash);
  if (authority.find('@') != std::string_view::npos) return wrong;

  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return wrong;
    url.host = std::string(authority.substr(1, end - 1));
    authority.remove_prefix(end + 1);
    if (!authority.empty() && !authority.starts_with(':')) return wrong;
    port = authority.empty() ? authority : authority.substr(1);
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    url.host = std::string(authority.substr(0, colon));
    port = colon == authority.size() ? std::string_view() : authority.substr(colon + 1);
  }
  url.port = port.empty() ? "80" : std::string(port);
  const bool digits = url.port.find_first_not_of("0123456789") == std::string::npos;
  if (url.host.empty() || !digits || url.port.size() > 5) return wrong;
  return url;
}

std::shared_ptr<void> start_http(asio::io_context& loop, const HttpAddress& server, HttpCall call,
                                 std::function<void(Result<HttpResponse>)> done) {
  auto exchange = std::make_shared<Exchange>(loop, server, std::move(call), std::move(done));
  exchange->start();
  return std::make_shared<Ticket>(std::move(exchange));
}

Result<HttpResponse> blocking_http(const HttpAddress& server, const HttpCall& call) {
  asio::io_context loop{1};
  std::optional<Result<HttpResponse>> answer;
  const auto ticket =
      start_http(loop, server, call, [&](Result<HttpResponse> told) { answer = std::move(told); });
  loop.run();
  return *std::move(answer);
}

Result<HttpResponse> blocking_http(const HttpUrl& server, const HttpCall& call) {
  return blocking_http(HttpAddress{server.host, server.port, {}}, call);
}

}  // namespace perijove
