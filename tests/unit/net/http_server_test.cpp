#include <poll.h>

#include "net/http_server.hpp"

#include <algorithm>
#include <deque>

#include "base/limits.hpp"
#include "server_test.hpp"
#include "support/processes.hpp"

namespace perijove {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using testing::TcpClient;

using HttpServerTest = ServerTest;

TEST_F(HttpServerTest, AnswersARequest) {
  TcpClient client(port_);
  client.send(get("/a%20b?x=1", "X-Thing: y\r\n"));
  const Response response = read_response(client);
  EXPECT_EQ(response.body, "GET /a%20b ");
  EXPECT_THAT(response.head, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(response.head, HasSubstr(" GMT\r\n"));
  EXPECT_THAT(response.head, HasSubstr("\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(response.head, HasSubstr("\r\nContent-Length: 11\r\n"));
}

TEST_F(HttpServerTest, KeepsAConnectionForTheNextRequest) {
  TcpClient client(port_);
  for (int i = 0; i < 3; ++i) {
    client.send(get("/" + std::to_string(i)));
    const Response response = read_response(client);
    EXPECT_EQ(response.body, "GET /" + std::to_string(i) + " ");
    EXPECT_THAT(response.head, Not(HasSubstr("Connection: close")));
  }
}

TEST_F(HttpServerTest, ClosesWhenTheClientAsksForIt) {
  for (const std::string& request :
       {get("/", "Connection: close\r\n"), std::string("GET / HTTP/1.0\r\n\r\n")}) {
    TcpClient client(port_);
    client.send(request);
    const Response response = read_response(client);
    EXPECT_EQ(response.status, 200);
    EXPECT_THAT(response.head, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_EQ(client.read_to_end(), "");
  }
}

TEST_F(HttpServerTest, ReadsABodyOfKnownLength) {
  TcpClient client(port_);
  const std::string body(kBodyBytesMax, 'x');
  client.send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  EXPECT_EQ(read_response(client).body, "POST /p " + body);
  client.send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(read_response(client).body, "POST /p ");
}

TEST_F(HttpServerTest, ReadsAChunkedBody) {
  TcpClient client(port_);
  client.send(
      "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(read_response(client).body, "POST /p hello world");
  client.send(get("/next"));
  EXPECT_EQ(read_response(client).body, "GET /next ");
}

TEST_F(HttpServerTest, ReadsARequestByteByByte) {
  TcpClient client(port_);
  const std::string request =
      "POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" + get("/after");
  for (const char c : request) client.send({&c, 1});
  EXPECT_EQ(read_response(client).body, "POST /slow abc");
  EXPECT_EQ(read_response(client).body, "GET /after ");
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  TcpClient client(port_);
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    requests += i % 3 == 0 ? get("/" + std::to_string(i))
                           : "POST /" + std::to_string(i) +
                                 " HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";
  }
  client.send(requests);
  for (int i = 0; i < 100; ++i) {
    const bool is_get = i % 3 == 0;
    EXPECT_EQ(read_response(client).body,
              (is_get ? "GET /" : "POST /") + std::to_string(i) + (is_get ? " " : " x"));
  }
}

// With one stack frame of parsing per request this would end the server.
TEST_F(HttpServerTest, TenThousandPipelinedRequestsDoNotRecurse) {
  constexpr int kRequests = 10'000;
  TcpClient client(port_);
  std::thread sender([&] {
    std::string requests;
    for (int i = 0; i < kRequests; ++i) requests += get("/x");
    EXPECT_TRUE(client.send(requests));
  });
  for (int i = 0; i < kRequests; ++i) EXPECT_EQ(read_response(client).body, "GET /x ");
  sender.join();
  EXPECT_EQ(on_shard([this] { return server_->counters().requests; }), kRequests);
}

TEST_F(HttpServerTest, LeavesTheBodyOutForHead) {
  TcpClient client(port_);
  client.send("HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n" + get("/next"));
  const Response head = read_response(client, /*to_head=*/true);
  EXPECT_THAT(head.head, HasSubstr("Content-Length: 8\r\n"));  // of "HEAD /h "
  EXPECT_EQ(read_response(client).body, "GET /next ");
}

TEST_F(HttpServerTest, SaysContinueToWhoWaitsForIt) {
  TcpClient client(port_);
  client.send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  EXPECT_EQ(read_response(client).body, "POST /p abc");
}

// ---- requests that are refused ----

TEST_F(HttpServerTest, RefusesABodyThatIsTooLarge) {
  for (const std::string head : {"Content-Length: 100001", "Content-Length: 18446744073709551615",
                                 "Content-Length: 100001\r\nExpect: 100-continue"}) {
    TcpClient client(port_);
    client.send("POST /p HTTP/1.1\r\nHost: h\r\n" + head + "\r\n\r\n");
    const Response response = read_response(client);
    EXPECT_EQ(response.status, 413) << head;
    EXPECT_THAT(response.head, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_THAT(response.body, HasSubstr("limit of 100000 bytes"));
    EXPECT_EQ(client.read_to_end(), "");
  }
}

TEST_F(HttpServerTest, RefusesAChunkedBodyThatGrowsTooLarge) {
  TcpClient client(port_);
  client.send("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "7530\r\n" + std::string(30'000, 'x') + "\r\n";
  for (int i = 0; i < 4; ++i) client.send(chunk);
  EXPECT_EQ(read_response(client).status, 413);
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(HttpServerTest, RefusesAHeaderThatIsTooLarge) {
  const std::string large(limits::kHttpHeaderBytesMax, 'x');
  for (const std::string& request : {"GET /" + large + " HTTP/1.1\r\nHost: h\r\n\r\n",
                                     get("/", "X: " + large + "\r\n"), "GET /" + large}) {
    TcpClient client(port_);
    client.send(request);
    const Response response = read_response(client);
    EXPECT_EQ(response.status, 431);
    EXPECT_EQ(client.read_to_end(), "");
  }
}

TEST_F(HttpServerTest, TakesAHeaderThatJustFits) {
  TcpClient client(port_);
  client.send(get("/", "X: " + std::string(limits::kHttpHeaderBytesMax - 100, 'x') + "\r\n"));
  EXPECT_EQ(read_response(client).status, 200);
}

TEST_F(HttpServerTest, RefusesWhatIsNoHttp) {
  for (const std::string request :
       {"\r\n\r\n\r\n\x16\x03\x01", "hello\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nNo colon\r\n\r\n", "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"}) {
    TcpClient client(port_);
    client.send(request);
    const std::string answer = client.read_to_end();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request\r\n")) << request;
    EXPECT_THAT(answer, HasSubstr("not an HTTP request")) << request;
  }
}

// Two readings of where a body ends are how requests are smuggled.
TEST_F(HttpServerTest, RefusesALengthBesidesChunks) {
  TcpClient client(port_);
  client.send(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\n\r\n" +
      get("/smuggled"));
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer, Not(HasSubstr("smuggled")));
}

TEST_F(HttpServerTest, AnswersWhatCameBeforeTheFault) {
  TcpClient client(port_);
  client.send(get("/good") + "bad\r\n\r\n" + get("/never"));
  EXPECT_EQ(read_response(client).body, "GET /good ");
  const std::string rest = client.read_to_end();
  EXPECT_THAT(rest, AllOf(StartsWith("HTTP/1.1 400"), Not(HasSubstr("/never"))));
}

TEST_F(HttpServerTest, ARefusalArrivesThoughTheClientSendsOn) {
  TcpClient client(port_);
  client.send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n");
  const std::string piece(100'000, 'x');
  for (int i = 0; i < 20; ++i) client.send(piece);
  EXPECT_EQ(read_response(client).status, 413);
}

// ---- clients that vanish ----

TEST_F(HttpServerTest, HalfARequestIsForgottenWithItsConnection) {
  const std::string request = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc";
  for (std::size_t size = 0; size <= request.size(); size += 7) {
    TcpClient client(port_);
    client.send(request.substr(0, size));
    client.shut_down();
    EXPECT_EQ(client.read_to_end(), "");
    TcpClient gone(port_);
    gone.send(request.substr(0, size));
    gone.reset();
  }
  TcpClient client(port_);
  client.send(get("/alive"));
  EXPECT_EQ(read_response(client).body, "GET /alive ");
  EXPECT_EQ(on_shard([this] { return server_->counters().requests; }), 1u);
}

TEST_F(HttpServerTest, ClosedConnectionsLeaveNoDescriptor) {
  const auto round_trip = [this] {
    TcpClient client(port_);
    client.send(get("/x", "Connection: close\r\n"));
    client.read_to_end();
  };
  round_trip();
  const std::size_t before = testing::open_descriptors().size();
  for (int i = 0; i < 100; ++i) round_trip();
  const auto grown = [&] {
    return on_shard([&] { return testing::open_descriptors().size() > before; });
  };
  const TimePoint end = Clock::now() + std::chrono::seconds(30);
  while (grown() && Clock::now() < end) {
  }
  EXPECT_FALSE(grown());
}

// ---- clients that take their time ----

class ImpatientServerTest : public ServerTest {
 protected:
  static constexpr auto kTime = std::chrono::milliseconds(200);
  static constexpr auto kNever = std::chrono::hours(1);
  ImpatientServerTest(Duration request_time_max, Duration idle_time_max)
      : ServerTest([this](std::shared_ptr<HttpExchange> exchange) { held_ = std::move(exchange); },
                   {.body_bytes_max = kBodyBytesMax,
                    .request_time_max = request_time_max,
                    .idle_time_max = idle_time_max}) {}
  void cleanup() override { held_.reset(); }

  /// The request that the server waits to have answered.
  std::shared_ptr<HttpExchange> take_held() {
    const TimePoint end = Clock::now() + std::chrono::seconds(30);
    while (Clock::now() < end) {
      if (auto taken = on_shard([this] { return std::exchange(held_, nullptr); })) return taken;
    }
    throw std::runtime_error("no request came");
  }

  std::shared_ptr<HttpExchange> held_;
};

struct SlowRequestTest : ImpatientServerTest {
  SlowRequestTest() : ImpatientServerTest(kTime, kNever) {}
};

struct SlowClientTest : ImpatientServerTest {
  SlowClientTest() : ImpatientServerTest(kNever, kTime) {}
};

TEST_F(SlowRequestTest, IsCutOffHoweverManyBytesStillCome) {
  for (const char* request :
       {"GET /x HTTP/1.1\r\nX: ", "POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n"}) {
    const TimePoint begun = Clock::now();
    TcpClient client(port_);
    client.send(request);
    while (client.send("x")) ::poll(nullptr, 0, /*milliseconds=*/1);
    EXPECT_GE(Clock::now() - begun, kTime);
  }
}

TEST_F(SlowRequestTest, ThatIsNotBegunIsNoReasonToCloseAConnection) {
  TcpClient resting(port_);
  TcpClient slow(port_);
  slow.send("G");
  EXPECT_EQ(slow.read_to_end(), "");  // by now the other one has rested as long
  resting.send(get("/x"));
  on_shard([held = take_held()]() mutable { held.reset(); });
  EXPECT_EQ(read_response(resting).status, 500);
}

TEST_F(SlowClientTest, IsCutOffWhenItAsksNothing) {
  const TimePoint begun = Clock::now();
  TcpClient client(port_);
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_GE(Clock::now() - begun, kTime);
}

TEST_F(SlowClientTest, IsWaitedForWhileItWaitsItself) {
  TcpClient waiting(port_);
  waiting.send(get("/x"));
  TcpClient resting(port_);
  EXPECT_EQ(resting.read_to_end(), "");
  on_shard([held = take_held()]() mutable {
    std::exchange(held, nullptr)->respond({.status = 200, .headers = {}, .body = "at last"});
  });
  EXPECT_EQ(read_response(waiting).body, "at last");
}

// ---- listening ----

TEST_F(HttpServerTest, SaysThatAPortIsTaken) {
  const auto again = on_shard([this] {
    HttpServer other(shard_, {.body_bytes_max = 1}, [](auto) {});
    return other.listen("127.0.0.1", port_);
  });
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::already_exists);
  EXPECT_THAT(again.error().message, HasSubstr("127.0.0.1:" + std::to_string(port_)));
}

TEST_F(HttpServerTest, RefusesWhatIsNoAddress) {
  const auto refused = on_shard([this] {
    HttpServer other(shard_, {.body_bytes_max = 1}, [](auto) {});
    return other.listen("nowhere.example", 0);
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
}

TEST_F(HttpServerTest, SaysThatAnAddressIsAnotherMachines) {
  const auto refused = on_shard([this] {
    HttpServer other(shard_, {.body_bytes_max = 1}, [](auto) {});
    return other.listen("203.0.113.1", 0);  // kept for documentation (RFC 5737)
  });
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("--ip 0.0.0.0"));
}

TEST_F(HttpServerTest, AcceptsNoMoreWhenToldSoAndEndsWhatIsOpenAtTheNextAnswer) {
  TcpClient open(port_);
  open.send(get("/first"));
  read_response(open);
  on_shard([this] { server_->stop_accepting(); });
  EXPECT_THROW(TcpClient{port_}, std::runtime_error);
  open.send(get("/last"));
  EXPECT_THAT(read_response(open).head, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_EQ(open.read_to_end(), "");
}

TEST_F(HttpServerTest, ClosesEveryConnectionWhenToldSo) {
  TcpClient resting(port_), reading(port_);
  resting.send(get("/x"));
  read_response(resting);
  reading.send("POST / HTTP/1.1\r\nContent-Le");
  on_shard([this] { server_->close_connections(); });
  EXPECT_EQ(resting.read_to_end(), "");
  EXPECT_EQ(reading.read_to_end(), "");
}

// ---- answers that come later, or are large ----

class LaterTest : public ServerTest {
 protected:
  LaterTest()
      : ServerTest([this](std::shared_ptr<HttpExchange> exchange) {
          ++handled_;
          if (exchange->request().path == "/drop") return;
          if (exchange->request().path == "/large") {
            exchange->respond(
                {.status = 200, .headers = {}, .body = std::string(kLargeBytes, 'L')});
          } else if (exchange->request().path == "/now") {
            exchange->respond({.status = 200, .headers = {}, .body = "now"});
          } else if (exchange->request().path == "/empty") {
            exchange->respond({.status = 204, .headers = {}, .body = ""});
          } else {
            waiting_.push_back(std::move(exchange));
          }
        }) {}

  void cleanup() override { waiting_.clear(); }

  bool wait_for_waiting(std::size_t count) {
    const TimePoint end = Clock::now() + std::chrono::seconds(30);
    while (Clock::now() < end) {
      if (on_shard([this] { return waiting_.size(); }) == count) return true;
    }
    return false;
  }
  void answer(const std::string& body) {
    on_shard([&] {
      const auto exchange = waiting_.front();
      waiting_.pop_front();
      exchange->respond({.status = 200, .headers = {}, .body = body});
    });
  }

  static constexpr std::size_t kLargeBytes = 20'000'000;
  std::deque<std::shared_ptr<HttpExchange>> waiting_;
  int handled_ = 0;
};

TEST_F(LaterTest, AnAnswerMayComeLater) {
  TcpClient client(port_);
  client.send(get("/wait"));
  ASSERT_TRUE(wait_for_waiting(1));
  EXPECT_TRUE(on_shard([this] { return waiting_.front()->connected(); }));
  answer("at last");
  EXPECT_EQ(read_response(client).body, "at last");
}

TEST_F(LaterTest, WhatIsPipelinedWaitsForTheAnswerBeforeIt) {
  TcpClient client(port_);
  client.send(get("/wait") + get("/now") + get("/wait"));
  ASSERT_TRUE(wait_for_waiting(1));
  EXPECT_EQ(on_shard([this] { return handled_; }), 1);
  answer("first");
  EXPECT_EQ(read_response(client).body, "first");
  EXPECT_EQ(read_response(client).body, "now");
  ASSERT_TRUE(wait_for_waiting(1));
  answer("third");
  EXPECT_EQ(read_response(client).body, "third");
}

TEST_F(LaterTest, ARequestThatIsDroppedIsAnsweredAllTheSame) {
  TcpClient client(port_);
  client.send(get("/drop") + get("/now"));
  const Response response = read_response(client);
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, HasSubstr("dropped"));
  EXPECT_EQ(read_response(client).body, "now");
}

TEST_F(LaterTest, OnlyTheFirstAnswerCounts) {
  TcpClient client(port_);
  client.send(get("/wait"));
  ASSERT_TRUE(wait_for_waiting(1));
  on_shard([this] {
    waiting_.front()->respond({.status = 200, .headers = {}, .body = "one"});
    waiting_.front()->respond({.status = 200, .headers = {}, .body = "two"});
    EXPECT_FALSE(waiting_.front()->connected());
    waiting_.clear();
  });
  client.send(get("/now"));
  EXPECT_EQ(read_response(client).body, "one");
  EXPECT_EQ(read_response(client).body, "now");
}

TEST_F(LaterTest, AnsweringAClientThatHasGoneIsHarmless) {
  {
    TcpClient client(port_);
    client.send(get("/wait"));
    ASSERT_TRUE(wait_for_waiting(1));
    client.reset();
  }
  answer("into the void");
  TcpClient client(port_);
  client.send(get("/now"));
  EXPECT_EQ(read_response(client).body, "now");
}

TEST_F(LaterTest, AnsweringAfterTheServersEndIsHarmless) {
  TcpClient client(port_);
  client.send(get("/wait"));
  ASSERT_TRUE(wait_for_waiting(1));
  on_shard([this] { server_.reset(); });
  answer("too late");
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(LaterTest, AnEmptyAnswerHasNoLength) {
  TcpClient client(port_);
  client.send(get("/empty") + get("/now"));
  const Response response = read_response(client);
  EXPECT_EQ(response.status, 204);
  EXPECT_THAT(response.head, Not(HasSubstr("Content-Length")));
  EXPECT_EQ(read_response(client).body, "now");
}

TEST_F(LaterTest, ALargeAnswerArrivesWhole) {
  TcpClient client(port_);
  client.send(get("/large") + get("/now"));
  EXPECT_EQ(read_response(client).body, std::string(kLargeBytes, 'L'));
  EXPECT_EQ(read_response(client).body, "now");
}

TEST_F(LaterTest, ALargeLastAnswerArrivesWholeBeforeTheEnd) {
  TcpClient client(port_);
  client.send(get("/large", "Connection: close\r\n"));
  EXPECT_EQ(read_response(client).body, std::string(kLargeBytes, 'L'));
  EXPECT_EQ(client.read_to_end(), "");
}

// Each request of 40 bytes asks for 20 MB: answers must not pile up in the server.
TEST_F(LaterTest, AClientThatDoesNotReadIsAnsweredNoFurther) {
  TcpClient lazy(port_, /*receive_buffer_bytes=*/4096);
  constexpr int kRequests = 1000;
  std::string requests;
  for (int i = 0; i < kRequests; ++i) requests += get("/large");
  lazy.send(requests);
  // The others are served meanwhile.
  for (int i = 0; i < 10; ++i) {
    TcpClient client(port_);
    client.send(get("/now"));
    EXPECT_EQ(read_response(client).body, "now");
  }
  EXPECT_EQ(on_shard([this] { return handled_; }), 1 + 10);
  // And it gets on when it reads.
  EXPECT_EQ(read_response(lazy).body.size(), kLargeBytes);
  EXPECT_EQ(read_response(lazy).body.size(), kLargeBytes);
  EXPECT_LE(on_shard([this] { return handled_; }), 4 + 10);
}

TEST_F(LaterTest, AClientThatSendsRequestsWithoutEndIsNotReadWithoutEnd) {
  TcpClient eager(port_);
  eager.send(get("/wait"));
  ASSERT_TRUE(wait_for_waiting(1));
  // What is not read fills the system's buffers, and then the client cannot send any more.
  const std::string requests(1 << 20, 'x');
  std::size_t sent = 0;
  constexpr std::size_t kSystemBuffersMax = 64 << 20;
  for (std::size_t taken = 1; taken > 0 && sent < kSystemBuffersMax; sent += taken) {
    on_shard([] {});
    taken = eager.send_now(requests);
  }
  EXPECT_LT(sent, kSystemBuffersMax);
  eager.reset();
}

}  // namespace
}  // namespace perijove
