#pragma once

#include <gmock/gmock.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>

#include "net/http_server.hpp"
#include "support/tcp_client.hpp"

namespace perijove {

constexpr std::uint64_t kBodyBytesMax = 100'000;

/// An HttpServer on a port of its own and a thread of its own. Its handler runs on that thread and
/// is the test's, or answers with the method, path and body of each request.
class ServerTest : public ::testing::Test {
 protected:
  explicit ServerTest(HttpHandler handler = nullptr,
                      HttpServer::Options options = {.body_bytes_max = kBodyBytesMax}) {
    if (!handler) {
      handler = [](std::shared_ptr<HttpExchange> exchange) {
        const HttpRequest& request = exchange->request();
        exchange->respond({.status = 200,
                           .headers = {{"Content-Type", "text/plain"}},
                           .body = request.method + ' ' + request.path + ' ' + request.body});
      };
    }
    server_.emplace(shard_, options, std::move(handler));
    const auto port = server_->listen("127.0.0.1", 0);
    EXPECT_TRUE(port) << port.error();
    port_ = *port;
    thread_ = std::thread([this] { shard_.run(); });
  }

  void TearDown() override {
    on_shard([this] {
      server_.reset();
      cleanup();
    });
    shard_.stop();
    thread_.join();
  }

  /// What a test must end on the shard's thread.
  virtual void cleanup() {}

  /// Runs a function on the server's thread and waits for it.
  template <typename Function>
  std::invoke_result_t<Function> on_shard(Function function) {
    std::packaged_task<std::invoke_result_t<Function>()> task(std::move(function));
    auto result = task.get_future();
    boost::asio::post(shard_.loop(), [&task] { task(); });
    return result.get();
  }

  struct Response {
    int status = 0;
    std::string head;
    std::string body;
  };

  /// One response; `to_head`: to a HEAD request, which has no body whatever its length says.
  static Response read_response(testing::TcpClient& client, bool to_head = false) {
    Response response;
    response.head = client.read_until("\r\n\r\n");
    response.status = std::stoi(response.head.substr(9, 3));
    const std::size_t at = response.head.find("Content-Length: ");
    if (at != std::string::npos && !to_head) {
      response.body = client.read(std::stoul(response.head.substr(at + 16)));
    }
    return response;
  }

  static std::string get(const std::string& path, const std::string& more_headers = "") {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + more_headers + "\r\n";
  }

  Shard shard_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> stays_ =
      boost::asio::make_work_guard(shard_.loop());
  std::optional<HttpServer> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace perijove
