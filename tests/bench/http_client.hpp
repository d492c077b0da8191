#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "clock.hpp"

namespace bench {

/// Where a server is: "http://HOST:PORT/BASE/?token=TOKEN".
struct ServerUrl {
  std::string host;
  std::uint16_t port = 0;
  std::string base_path;  ///< "/" or "/something/"
  std::string token;

  /// Throws std::invalid_argument that says what is wrong with `text`.
  static ServerUrl parse(std::string_view text);
};

/// Collects one HTTP/1.1 response from a byte stream; content-length and chunked bodies.
class HttpResponseReader {
 public:
  /// Takes bytes; returns how many belong to this response. complete() tells whether it ended.
  std::size_t feed(std::string_view bytes);
  bool complete() const { return state_ == State::kComplete; }
  /// True once the status line and headers are there.
  bool has_head() const { return state_ != State::kHead; }
  int status() const { return status_; }
  const std::string& body() const { return body_; }
  /// Value of a header given in lower case; empty when absent.
  std::string_view header(std::string_view lower_case_name) const;
  void reset();

 private:
  enum class State : std::uint8_t { kHead, kBody, kChunkSize, kChunkData, kTrailer, kComplete };
  void start_body();
  bool take_line(std::string_view& bytes);

  State state_ = State::kHead;
  int status_ = 0;
  std::string head_;  // lower-cased names, "name: value\n" lines
  std::string line_;
  std::string body_;
  std::size_t missing_ = 0;
};

/// The text of a request, ready to be written.
std::string http_request(const ServerUrl& server, std::string_view method, std::string_view path,
                         std::string_view body = {}, std::string_view extra_headers = {});

/// A connected non-blocking TCP socket with TCP_NODELAY. Throws std::system_error.
int connect_tcp(const ServerUrl& server);

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// A blocking keep-alive client for the calls that set the scene; reconnects when the server has
/// closed. One thread at a time.
class HttpClient {
 public:
  explicit HttpClient(ServerUrl server) : server_(std::move(server)) {}
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// `path` is relative to the base path. Throws std::runtime_error when there is no answer in
  /// time.
  HttpAnswer request(std::string_view method, std::string_view path, std::string_view body = {},
                     Clock::duration timeout = seconds(60));

 private:
  bool try_request(const std::string& text, TimePoint deadline, HttpAnswer& answer);
  void disconnect();

  ServerUrl server_;
  int fd_ = -1;
};

}  // namespace bench
