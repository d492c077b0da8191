#include "http_client.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace bench {

namespace {

bool wait_for(int fd, short events, TimePoint deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
  if (left <= 0) return false;
  pollfd entry{fd, events, 0};
  return poll(&entry, 1, static_cast<int>(left)) > 0;
}

std::size_t parse_number(std::string_view text, int base) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

}  // namespace

ServerUrl ServerUrl::parse(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  const std::string shown(text);
  if (!text.starts_with(kScheme)) {
    throw std::invalid_argument("'" + shown + "' is not an http:// URL (https is not measured)");
  }
  text.remove_prefix(kScheme.size());
  ServerUrl url;
  if (const auto query = text.find('?'); query != std::string_view::npos) {
    constexpr std::string_view kToken = "token=";
    std::string_view value = text.substr(query + 1);
    if (const auto token = value.find(kToken); token != std::string_view::npos) {
      value.remove_prefix(token + kToken.size());
      url.token = value.substr(0, value.find('&'));
    }
    text = text.substr(0, query);
  }
  const auto slash = std::min(text.find('/'), text.size());
  const std::string_view authority = text.substr(0, slash);
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos) {
    throw std::invalid_argument("'" + shown + "' names no port");
  }
  url.host = authority.substr(0, colon);
  url.port = static_cast<std::uint16_t>(parse_number(authority.substr(colon + 1), 10));
  url.base_path = text.substr(slash);
  if (!url.base_path.ends_with('/')) url.base_path += '/';
  return url;
}

bool HttpResponseReader::take_line(std::string_view& bytes) {
  const auto end = bytes.find('\n');
  line_ += bytes.substr(0, end);
  if (end == std::string_view::npos) {
    bytes = {};
    return false;
  }
  bytes.remove_prefix(end + 1);
  if (line_.ends_with('\r')) line_.pop_back();
  return true;
}

void HttpResponseReader::start_body() {
  const bool bodyless = status_ == 204 || status_ == 304 || status_ < 200;
  if (!bodyless && header("transfer-encoding") == "chunked") {
    state_ = State::kChunkSize;
    return;
  }
  missing_ = bodyless ? 0 : parse_number(header("content-length"), 10);
  state_ = missing_ == 0 ? State::kComplete : State::kBody;
}

std::size_t HttpResponseReader::feed(std::string_view bytes) {
  const std::size_t offered = bytes.size();
  while (!bytes.empty() && state_ != State::kComplete) {
    if (state_ == State::kBody || state_ == State::kChunkData) {
      const std::size_t taken = std::min(missing_, bytes.size());
      body_ += bytes.substr(0, taken);
      bytes.remove_prefix(taken);
      missing_ -= taken;
      if (missing_ == 0) {
        state_ = state_ == State::kBody ? State::kComplete : State::kChunkSize;
      }
      continue;
    }
    if (!take_line(bytes)) break;
    const std::string line = std::exchange(line_, {});
    switch (state_) {
      case State::kHead:
        if (line.empty()) {
          start_body();
        } else if (status_ == 0) {
          status_ = static_cast<int>(parse_number(std::string_view(line).substr(9), 10));
        } else {
          const auto colon = std::min(line.find(':'), line.size());
          std::string name = line.substr(0, colon);
          std::transform(name.begin(), name.end(), name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
          head_ += name + line.substr(colon) + "\n";
        }
        break;
      case State::kChunkSize:
        if (line.empty()) break;  // the end of the chunk before
        missing_ = parse_number(line, 16);
        state_ = missing_ == 0 ? State::kTrailer : State::kChunkData;
        break;
      default:  // kTrailer
        if (line.empty()) state_ = State::kComplete;
    }
  }
  return offered - bytes.size();
}

std::string_view HttpResponseReader::header(std::string_view lower_case_name) const {
  const std::string_view head = head_;
  for (std::size_t start = 0; start < head.size();) {
    const std::size_t end = head.find('\n', start);
    std::string_view line = head.substr(start, end - start);
    if (line.starts_with(lower_case_name) && line.substr(lower_case_name.size()).starts_with(':')) {
      line.remove_prefix(lower_case_name.size() + 1);
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      return line;
    }
    start = end + 1;
  }
  return {};
}

void HttpResponseReader::reset() { *this = HttpResponseReader(); }

std::string http_request(const ServerUrl& server, std::string_view method, std::string_view path,
                         std::string_view body, std::string_view extra_headers) {
  std::string text;
  text.append(method).append(" ").append(server.base_path).append(path).append(" HTTP/1.1\r\n");
  text.append("Host: ").append(server.host).append(":").append(std::to_string(server.port));
  text.append("\r\n");
  if (!server.token.empty()) {
    text.append("Authorization: token ").append(server.token).append("\r\n");
  }
  if (method == "POST") {
    text.append("Content-Type: application/json\r\nContent-Length: ");
    text.append(std::to_string(body.size())).append("\r\n");
  }
  return text.append(extra_headers).append("\r\n").append(body);
}

int connect_tcp(const ServerUrl& server) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(server.port);
  if (const int error = getaddrinfo(server.host.c_str(), port.c_str(), &hints, &found);
      error != 0) {
    throw std::runtime_error("cannot resolve " + server.host + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  int last_error = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      last_error = errno;
      continue;
    }
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
      return fd;
    }
    last_error = errno;
    close(fd);
  }
  throw std::system_error(last_error, std::generic_category(),
                          "cannot connect to " + server.host + ":" + port);
}

HttpClient::~HttpClient() { disconnect(); }

void HttpClient::disconnect() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

bool HttpClient::try_request(const std::string& text, TimePoint deadline, HttpAnswer& answer) {
  std::string_view unsent = text;
  while (!unsent.empty()) {
    const ssize_t sent = send(fd_, unsent.data(), unsent.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      unsent.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN || !wait_for(fd_, POLLOUT, deadline)) {
      return false;
    }
  }
  HttpResponseReader reader;
  std::array<char, 65536> chunk;
  while (!reader.complete()) {
    const ssize_t received = recv(fd_, chunk.data(), chunk.size(), 0);
    if (received > 0) {
      reader.feed({chunk.data(), static_cast<std::size_t>(received)});
    } else if (received == 0 || errno != EAGAIN || !wait_for(fd_, POLLIN, deadline)) {
      return false;
    }
  }
  answer = {reader.status(), reader.body()};
  if (reader.header("connection") == "close") disconnect();
  return true;
}

HttpAnswer HttpClient::request(std::string_view method, std::string_view path,
                               std::string_view body, Clock::duration timeout) {
  const TimePoint deadline = Clock::now() + timeout;
  const std::string text = http_request(server_, method, path, body);
  HttpAnswer answer;
  // A kept-alive connection may have been closed by the server: then once more on a new one.
  const bool was_connected = fd_ >= 0;
  if (!was_connected) fd_ = connect_tcp(server_);
  if (try_request(text, deadline, answer)) return answer;
  disconnect();
  if (was_connected && Clock::now() < deadline) {
    fd_ = connect_tcp(server_);
    if (try_request(text, deadline, answer)) return answer;
    disconnect();
  }
  throw std::runtime_error("no answer to " + std::string(method) + " " + std::string(path));
}

}  // namespace bench
