// Answers that come piece by piece, and clients that leave before their end.

#include "server_test.hpp"

namespace perijove {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TcpClient;

class HttpBodyStreamTest : public ServerTest {
 protected:
  HttpBodyStreamTest()
      : ServerTest([this](std::shared_ptr<HttpExchange> exchange) {
          if (exchange->request().path == "/now") {
            exchange->respond({.status = 200, .headers = {}, .body = "now"});
            return;
          }
          exchange->set_on_disconnect([this] { ++disconnects_; });
          if (exchange->request().path == "/wait") {
            waiting_ = std::move(exchange);
            return;
          }
          body_ = exchange->respond_in_pieces(
              {.status = 200, .headers = {{"Content-Type", "text/x"}}, .body = "ignored"});
          body_->set_on_drained([this] { ++drained_; });
        }) {}

  void cleanup() override {
    body_.reset();
    waiting_.reset();
  }

  template <typename Condition>
  bool wait_on_shard(Condition condition) {
    const TimePoint end = Clock::now() + std::chrono::seconds(30);
    while (Clock::now() < end) {
      if (on_shard(condition)) return true;
    }
    return false;
  }
  bool wait_for_body() {
    return wait_on_shard([this] { return body_ != nullptr; });
  }
  bool wait_for_disconnect() {
    return wait_on_shard([this] { return disconnects_ > 0; });
  }
  void write(const std::string& piece) {
    on_shard([&] { body_->write(piece); });
  }
  void finish() {
    on_shard([this] {
      body_->finish();
      body_.reset();
    });
  }
  void drop() {
    on_shard([this] { body_.reset(); });
  }

  std::unique_ptr<HttpBodyStream> body_;
  std::shared_ptr<HttpExchange> waiting_;
  int disconnects_ = 0;
  int drained_ = 0;
};

TEST_F(HttpBodyStreamTest, EachPieceArrivesAsItIsWritten) {
  TcpClient client(port_);
  client.send(get("/s"));
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_THAT(head, AllOf(HasSubstr("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Type: text/x\r\n"),
                          HasSubstr("Transfer-Encoding: chunked\r\n"),
                          Not(HasSubstr("Content-Length")), Not(HasSubstr("Connection: close"))));
  ASSERT_TRUE(wait_for_body());
  write("hello");
  EXPECT_EQ(client.read_until("hello\r\n"), "5\r\nhello\r\n");
  write("");
  write(std::string(0x1234, 'x'));
  EXPECT_EQ(client.read_until("\r\n"), "1234\r\n") << "an empty piece would be the end";
  EXPECT_EQ(client.read(0x1234 + 2), std::string(0x1234, 'x') + "\r\n");
  finish();
  EXPECT_EQ(client.read(5), "0\r\n\r\n");
  client.send(get("/now"));
  EXPECT_EQ(read_response(client).body, "now") << "the connection is kept";
  EXPECT_EQ(on_shard([this] { return disconnects_; }), 0);
}

TEST_F(HttpBodyStreamTest, WhatIsPipelinedWaitsForTheEndOfTheBody) {
  TcpClient client(port_);
  client.send(get("/s") + get("/now"));
  client.read_until("\r\n\r\n");
  ASSERT_TRUE(wait_for_body());
  write("x");
  finish();
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "1\r\nx\r\n0\r\n\r\n");
  EXPECT_EQ(read_response(client).body, "now");
}

TEST_F(HttpBodyStreamTest, HttpOnePointZeroReadsToTheEndOfTheConnection) {
  TcpClient client(port_);
  client.send("GET /s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"),
              AllOf(HasSubstr("\r\nConnection: close\r\n"), Not(HasSubstr("chunked"))));
  ASSERT_TRUE(wait_for_body());
  write("one");
  write("two");
  finish();
  EXPECT_EQ(client.read_to_end(), "onetwo");
}

TEST_F(HttpBodyStreamTest, HeadHasNoBodyWhateverIsWritten) {
  TcpClient client(port_);
  client.send("HEAD /s HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Content-Type: text/x\r\n"));
  ASSERT_TRUE(wait_for_body());
  write("never seen");
  finish();
  client.send(get("/now"));
  EXPECT_EQ(read_response(client).body, "now");
}

TEST_F(HttpBodyStreamTest, ABodyThatIsDroppedIsNotTakenForTheWhole) {
  TcpClient client(port_);
  client.send(get("/s"));
  client.read_until("\r\n\r\n");
  ASSERT_TRUE(wait_for_body());
  write("part");
  client.read_until("part\r\n");
  drop();
  EXPECT_EQ(client.read_to_end(), "") << "no last chunk";
  EXPECT_EQ(on_shard([this] { return disconnects_; }), 0) << "it was not the client that left";
}

TEST_F(HttpBodyStreamTest, ABodyThatIsDroppedEndsHttpOnePointZeroWithAReset) {
  TcpClient client(port_);
  client.send("GET /s HTTP/1.0\r\n\r\n");
  client.read_until("\r\n\r\n");
  ASSERT_TRUE(wait_for_body());
  write("part");
  client.read(4);
  drop();
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_TRUE(client.was_reset()) << "an orderly end is all that tells the whole from a part";
}

TEST_F(HttpBodyStreamTest, TellsWhenAClientDoesNotReadAndWhenItDoesAgain) {
  TcpClient client(port_, /*receive_buffer_bytes=*/4096);
  client.send(get("/s"));
  ASSERT_TRUE(wait_for_body());
  std::size_t written = 0;
  while (!on_shard([this] { return body_->is_blocked(); })) {
    write(std::string(1 << 20, 'x'));
    written += 1 << 20;
    ASSERT_LT(written, std::size_t{1} << 30);
  }
  EXPECT_EQ(on_shard([this] { return drained_; }), 0);
  client.read_until("\r\n\r\n");
  for (std::size_t read = 0; read < written; read += 1 << 20) client.read((1 << 20) + 10);
  EXPECT_TRUE(wait_on_shard([this] { return drained_ == 1; }));
  EXPECT_FALSE(on_shard([this] { return body_->is_blocked(); }));
  write("on");
  finish();
  EXPECT_THAT(client.read_until("0\r\n\r\n"), HasSubstr("2\r\non\r\n"));
}

TEST_F(HttpBodyStreamTest, MayBeFinishedOrDroppedWhenItIsDrained) {
  for (const bool in_order : {true, false}) {
    TcpClient client(port_, /*receive_buffer_bytes=*/4096);
    client.send(get("/s", "Connection: close\r\n"));
    ASSERT_TRUE(wait_for_body());
    on_shard([&] {
      body_->set_on_drained([this, in_order] {
        if (in_order) body_->finish();
        body_.reset();
      });
      while (!body_->is_blocked()) body_->write(std::string(1 << 20, 'x'));
    });
    EXPECT_EQ(client.read_to_end().ends_with("\r\n0\r\n\r\n"), in_order);
  }
}

TEST_F(HttpBodyStreamTest, TellsOnceThatTheClientHasLeft) {
  for (const bool reset : {false, true}) {
    on_shard([this] { disconnects_ = 0; });
    TcpClient client(port_);
    client.send(get("/s"));
    client.read_until("\r\n\r\n");
    ASSERT_TRUE(wait_for_body());
    reset ? client.reset() : client.close();
    EXPECT_TRUE(wait_for_disconnect());
    write("into the void");
    EXPECT_FALSE(on_shard([this] { return body_->is_blocked(); }));
    finish();
    EXPECT_EQ(on_shard([this] { return disconnects_; }), 1);
  }
}

TEST_F(HttpBodyStreamTest, ABodyMayBeDroppedBecauseTheClientHasLeft) {
  TcpClient client(port_);
  client.send(get("/wait"));
  ASSERT_TRUE(wait_on_shard([this] { return waiting_ != nullptr; }));
  on_shard([this] {
    waiting_->set_on_disconnect([this] {
      ++disconnects_;
      body_.reset();
    });
    body_ = waiting_->respond_in_pieces({.status = 200, .headers = {}, .body = ""});
    waiting_.reset();
  });
  client.read_until("\r\n\r\n");
  client.close();
  EXPECT_TRUE(wait_for_disconnect());
  EXPECT_TRUE(on_shard([this] { return body_ == nullptr; }));
}

TEST_F(HttpBodyStreamTest, TellsThatAClientLeftBeforeItsAnswerBegan) {
  TcpClient client(port_);
  client.send(get("/wait"));
  ASSERT_TRUE(wait_on_shard([this] { return waiting_ != nullptr; }));
  client.close();
  EXPECT_TRUE(wait_for_disconnect());
  on_shard([this] {
    EXPECT_FALSE(waiting_->connected());
    waiting_->respond({.status = 200, .headers = {}, .body = "too late"});
  });
  EXPECT_EQ(on_shard([this] { return disconnects_; }), 1);
}

TEST_F(HttpBodyStreamTest, AClientThatLeavesAfterItsAnswerIsNotTold) {
  {
    TcpClient client(port_);
    client.send(get("/wait"));
    ASSERT_TRUE(wait_on_shard([this] { return waiting_ != nullptr; }));
    on_shard([this] { waiting_->respond({.status = 200, .headers = {}, .body = "x"}); });
    EXPECT_EQ(read_response(client).body, "x");
    client.send(get("/now"));
    EXPECT_EQ(read_response(client).body, "now");
  }
  TcpClient other(port_);
  other.send(get("/now"));
  read_response(other);
  EXPECT_EQ(on_shard([this] { return disconnects_; }), 0);
}

TEST_F(HttpBodyStreamTest, WhatAClientSendsMeanwhileIsNotReadWithoutEnd) {
  TcpClient eager(port_);
  eager.send(get("/s"));
  eager.read_until("\r\n\r\n");
  ASSERT_TRUE(wait_for_body());
  const std::string bytes(1 << 20, 'x');
  std::size_t sent = 0;
  constexpr std::size_t kSystemBuffersMax = 64 << 20;
  for (std::size_t taken = 1; taken > 0 && sent < kSystemBuffersMax; sent += taken) {
    on_shard([] {});
    taken = eager.send_now(bytes);
  }
  EXPECT_LT(sent, kSystemBuffersMax);
  drop();
}

TEST_F(HttpBodyStreamTest, OutlivesTheServerHarmlessly) {
  TcpClient client(port_);
  client.send(get("/s"));
  client.read_until("\r\n\r\n");
  ASSERT_TRUE(wait_for_body());
  on_shard([this] { server_.reset(); });
  write("x");
  EXPECT_EQ(client.read_to_end(), "");
  finish();
  EXPECT_EQ(on_shard([this] { return disconnects_; }), 0);
}

}  // namespace
}  // namespace perijove
