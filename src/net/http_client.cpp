#include "net/http_client.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

#include "perijove/version.hpp"

namespace perijove {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

// One request from resolving to the last byte. Asynchronous inside, because only asynchronous
// operations can be given up at a deadline.
class Exchange {
 public:
  Exchange(const HttpUrl& server, const HttpCall& call)
      : server_(server), call_(call), authority_(server.host) {
    if (authority_.find(':') != std::string::npos) authority_ = "[" + authority_ + "]";
    authority_ += ":" + server.port;
    request_.method_string(call.method);
    request_.target(call.path);
    request_.version(11);
    request_.set(http::field::host, authority_);
    request_.set(http::field::user_agent, "perijove/" PERIJOVE_VERSION);
    for (const auto& [name, value] : call.headers) request_.set(name, value);
    if (!call.body.empty()) request_.set(http::field::content_type, call.content_type);
    request_.body() = call.body;
    request_.prepare_payload();
    if (call.on_body) {
      parser_.body_limit(boost::none);
    } else {
      parser_.body_limit(call.body_bytes_max);
    }
  }

  Result<HttpResponse> run() {
    stream_.expires_after(call_.timeout);
    boost::system::error_code error;
    const auto addresses = resolver_.resolve(server_.host, server_.port, error);
    if (error) return fail(error);
    stream_.async_connect(addresses, [this](const auto& connected, const auto&) {
      if (!step(connected)) return;
      http::async_write(stream_, request_, [this](const auto& written, std::size_t) {
        if (!step(written)) return;
        begin_reading();
      });
    });
    loop_.run();
    if (error_) return fail(error_);

    HttpResponse response;
    response.status = static_cast<int>(parser_.get().result_int());
    for (const auto& field : parser_.get()) {
      response.headers.emplace_back(field.name_string(), field.value());
    }
    response.body = std::move(parser_.get().body());
    return response;
  }

 private:
  void begin_reading() {
    if (!call_.on_body) {
      http::async_read(stream_, buffer_, parser_,
                       [this](const auto& read, std::size_t) { step(read); });
      return;
    }
    http::async_read_header(stream_, buffer_, parser_, [this](const auto& read, std::size_t) {
      if (step(read)) read_pieces();
    });
  }

  void read_pieces() {
    std::string& body = parser_.get().body();
    constexpr int kFirstErrorStatus = 400;
    if (!body.empty() && parser_.get().result_int() < kFirstErrorStatus) {
      if (!call_.on_body(body)) return;
      body.clear();
    }
    if (parser_.is_done()) return;
    stream_.expires_after(call_.timeout);
    http::async_read_some(stream_, buffer_, parser_, [this](const auto& read, std::size_t) {
      if (step(read)) read_pieces();
    });
  }

  bool step(const boost::system::error_code& error) {
    error_ = error;
    return !error;
  }

  Error fail(const boost::system::error_code& error) const {
    const std::string where = "http://" + authority_;
    if (error == beast::error::timeout) {
      return {Code::deadline_exceeded,
              where + " did not answer within " + format_duration(call_.timeout)};
    }
    if (error.category() == http::make_error_code(http::error::bad_line_ending).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return {Code::data_loss,
              where + " answers something that cannot be read: " + error.message()};
    }
    return {Code::unavailable, "cannot reach " + where + ": " + error.message()};
  }

  const HttpUrl& server_;
  const HttpCall& call_;
  std::string authority_;
  asio::io_context loop_{1};
  tcp::resolver resolver_{loop_};
  beast::tcp_stream stream_{loop_};
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response_parser<http::string_body> parser_;
  boost::system::error_code error_;
};

}  // namespace

Result<HttpUrl> parse_http_url(std::string_view text) {
  const Error wrong{Code::invalid_argument,
                    "'" + std::string(text) + "' is not a URL such as http://127.0.0.1:8888/"};
  constexpr std::string_view kScheme = "http://";
  if (text.starts_with("https://")) {
    return Error{Code::unimplemented,
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

Result<HttpResponse> blocking_http(const HttpUrl& server, const HttpCall& call) {
  return Exchange(server, call).run();
}

}  // namespace perijove
