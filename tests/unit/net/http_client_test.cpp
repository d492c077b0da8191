#include "net/http_client.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "io/shard.hpp"
#include "net/http_server.hpp"

namespace perijove {
namespace {

/// A server on a thread of its own that answers with what it was asked.
class Mirror {
 public:
  Mirror() : server_(shard_, {.body_bytes_max = 1 << 20}, handler()) {
    port_ = *server_.listen("127.0.0.1", 0);
    thread_ = std::thread([this] { shard_.run(); });
  }
  ~Mirror() {
    shard_.stop();
    thread_.join();
  }
  HttpUrl url() const { return {"127.0.0.1", std::to_string(port_), "/", {}}; }

 private:
  HttpHandler handler() {
    return [this](const std::shared_ptr<HttpExchange>& exchange) {
      const HttpRequest& request = exchange->request();
      if (request.path == "/never") {
        waiting_.push_back(exchange);
        return;
      }
      HttpResponse response;
      response.status = request.path == "/missing" ? 404 : 200;
      response.headers.emplace_back("X-Seen", request.header("X-Sent"));
      response.headers.emplace_back("X-Type-Seen", request.header("Content-Type"));
      response.body = request.method + " " + request.path + " " + request.body;
      exchange->respond(std::move(response));
    };
  }

  Shard shard_;
  std::vector<std::shared_ptr<HttpExchange>> waiting_;
  HttpServer server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST(ParseHttpUrl, TakesHostPortPathAndQuery) {
  const auto url = parse_http_url("http://127.0.0.1:8888/base/?token=a%20b#frag");
  ASSERT_TRUE(url) << url.error();
  EXPECT_EQ(url->host, "127.0.0.1");
  EXPECT_EQ(url->port, "8888");
  EXPECT_EQ(url->path, "/base/");
  EXPECT_EQ(find_field(url->query, "token"), "a b");
  EXPECT_EQ(parse_http_url("http://host")->port, "80");
  EXPECT_EQ(parse_http_url("http://[::1]:9/")->host, "::1");
  EXPECT_EQ(parse_http_url("http://host?x=1")->path, "/");
}

TEST(ParseHttpUrl, RefusesWhatItCannotReach) {
  EXPECT_EQ(parse_http_url("https://host/").error().code, Code::invalid_argument);
  for (const char* text :
       {"", "host", "ftp://host/", "http://", "http://:80/", "http://h:x/", "http://user@host/",
        "http://[::1/", "http://[::1]x/", "http://h:123456"}) {
    const auto url = parse_http_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, Code::invalid_argument);
  }
}

TEST(BlockingHttp, BringsBackStatusFieldsAndBody) {
  const Mirror mirror;
  HttpCall call;
  call.method = "POST";
  call.path = "/x?y=1";
  call.headers = {{"X-Sent", "value"}};
  call.body = "words";
  const auto answer = blocking_http(mirror.url(), call);
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "POST /x words");
  EXPECT_EQ(find_field(answer->headers, "X-Seen"), "value");
}

TEST(BlockingHttp, TakesAnyStatusForAnAnswer) {
  const Mirror mirror;
  HttpCall call;
  call.path = "/missing";
  EXPECT_EQ(blocking_http(mirror.url(), call)->status, 404);
}

TEST(BlockingHttp, GivesUpAtItsDeadline) {
  const Mirror mirror;
  HttpCall call;
  call.path = "/never";
  call.timeout = std::chrono::milliseconds(50);
  const auto answer = blocking_http(mirror.url(), call);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::deadline_exceeded);
  EXPECT_NE(answer.error().message.find("50 ms"), std::string::npos) << answer.error();
}

TEST(BlockingHttp, RefusesABodyBeyondItsLimit) {
  const Mirror mirror;
  HttpCall call;
  call.path = "/x";
  call.body_bytes_max = 2;
  const auto answer = blocking_http(mirror.url(), call);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::data_loss);
}

TEST(BlockingHttp, HandsABodyOfAnyLengthOverInPieces) {
  const Mirror mirror;
  HttpCall call;
  call.method = "PUT";
  call.path = "/pieces";
  call.body = std::string(300'000, 'x');
  call.content_type = "text/plain";
  call.body_bytes_max = 10;  // not of pieces
  std::string body;
  std::size_t pieces = 0;
  call.on_body = [&](std::string_view piece) {
    body += piece;
    ++pieces;
    return true;
  };
  const auto response = blocking_http(mirror.url(), call);
  ASSERT_TRUE(response) << response.error();
  EXPECT_EQ(body, "PUT /pieces " + call.body);
  EXPECT_GT(pieces, 1u);
  EXPECT_EQ(response->body, "");
  EXPECT_EQ(find_field(response->headers, "X-Type-Seen"), "text/plain");
}

TEST(BlockingHttp, StopsReadingWhenNoMoreIsWanted) {
  const Mirror mirror;
  HttpCall call;
  call.path = "/pieces";
  call.body = std::string(300'000, 'x');
  std::size_t pieces = 0;
  call.on_body = [&](std::string_view) { return ++pieces < 1; };
  const auto response = blocking_http(mirror.url(), call);
  ASSERT_TRUE(response) << response.error();
  EXPECT_EQ(pieces, 1u);
}

TEST(BlockingHttp, KeepsTheBodyOfARefusalWhole) {
  const Mirror mirror;
  HttpCall call;
  call.path = "/missing";
  call.on_body = [](std::string_view) -> bool { throw std::logic_error("not for refusals"); };
  const auto response = blocking_http(mirror.url(), call);
  ASSERT_TRUE(response) << response.error();
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body, "GET /missing ");
}

TEST(BlockingHttp, SaysThatNobodyListens) {
  const auto answer = blocking_http(HttpUrl{"127.0.0.1", "1", "/", {}}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_NE(answer.error().message.find("http://127.0.0.1:1"), std::string::npos);
}

}  // namespace
}  // namespace perijove
