#include "net/websocket.hpp"

#include <deque>

#include "server_test.hpp"
#include "support/hex.hpp"
#include "support/ws_frames.hpp"

namespace perijove {
namespace {

using ::testing::AllOf;
using testing::client_frame;
using ::testing::ElementsAre;
using testing::from_hex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kBinary;
using testing::kClose;
using testing::kContinuation;
using testing::kPing;
using testing::kPong;
using testing::kText;
using ::testing::Not;
using testing::TcpClient;

constexpr std::size_t kMessageBytesMax = 1'000'000;

// The server's websocket of the latest connection, and what its handlers were told.
class WebSocketTest : public ServerTest {
 protected:
  WebSocketTest()
      : ServerTest([this](std::shared_ptr<HttpExchange> exchange) {
          socket_ = exchange->upgrade("test.protocol", kMessageBytesMax);
          if (!socket_) return;
          socket_->start({.on_message = [this](WsMessage message) { take(std::move(message)); },
                          .on_drained = [this] { ++drained_; },
                          .on_closed = [this] { EXPECT_EQ(++closed_, 1); }});
        }) {}

  void cleanup() override {
    if (const auto socket = std::exchange(socket_, nullptr)) socket->abort();
  }

  void take(WsMessage message) {
    EXPECT_EQ(closed_, 0) << "nothing is told after the end";
    messages_.push_back((message.binary ? "binary:" : "text:") + message.payload);
    if (echoes_) {
      socket_->send_text(message.payload);
      socket_->flush();
    }
  }

  static std::string handshake() {
    return get("/ws",
               "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
  }

  TcpClient connect(const std::string& sent_with_it = "", int receive_buffer_bytes = 0) {
    TcpClient client(port_, receive_buffer_bytes);
    client.send(handshake() + sent_with_it);
    client.read_until("\r\n\r\n");
    return client;
  }

  // The next frame of the server as "opcode:payload".
  static std::string read_frame(TcpClient& client) {
    const std::string head = client.read(2);
    EXPECT_EQ(head[0] & 0x70, 0);
    EXPECT_EQ(head[1] & 0x80, 0) << "a server masks nothing";
    std::uint64_t size = head[1] & 0x7f;
    if (size > 125) {
      const std::string more = client.read(size == 126 ? 2 : 8);
      size = 0;
      for (const char c : more) size = size << 8 | static_cast<unsigned char>(c);
    }
    return std::to_string(head[0] & 0x0f) + ':' + client.read(size);
  }

  template <typename Condition>
  bool until(Condition done) {
    const TimePoint end = Clock::now() + std::chrono::seconds(30);
    while (Clock::now() < end) {
      if (on_shard(done)) return true;
    }
    return false;
  }
  bool until_closed() {
    return until([this] { return closed_ == 1; });
  }
  std::vector<std::string> messages() {
    return on_shard([this] { return messages_; });
  }

  std::shared_ptr<WebSocket> socket_;
  std::vector<std::string> messages_;
  int drained_ = 0;
  int closed_ = 0;
  bool echoes_ = true;
};

TEST_F(WebSocketTest, AnswersTheHandshake) {
  TcpClient client(port_);
  client.send(handshake());
  EXPECT_THAT(
      client.read_until("\r\n\r\n"),
      AllOf(::testing::StartsWith("HTTP/1.1 101 Switching Protocols\r\n"),
            HasSubstr("\r\nUpgrade: websocket\r\n"), HasSubstr("\r\nConnection: Upgrade\r\n"),
            HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            HasSubstr("\r\nSec-WebSocket-Protocol: test.protocol\r\n"),
            Not(HasSubstr("Extensions"))));
}

TEST_F(WebSocketTest, CarriesMessagesBothWays) {
  TcpClient client = connect();
  client.send(client_frame(kText, "hello"));
  EXPECT_EQ(read_frame(client), "1:hello");
  client.send(client_frame(kBinary, std::string(kMessageBytesMax, 'x')));
  EXPECT_EQ(read_frame(client), "1:" + std::string(kMessageBytesMax, 'x'));
  client.send(client_frame(kText, ""));
  EXPECT_EQ(read_frame(client), "1:");
}

TEST_F(WebSocketTest, ReadsWhatCameWithTheHandshake) {
  TcpClient client =
      connect(client_frame(kText, "early") + client_frame(kText, "half").substr(0, 7));
  EXPECT_EQ(read_frame(client), "1:early");
  client.send(client_frame(kText, "half").substr(7));
  EXPECT_EQ(read_frame(client), "1:half");
}

TEST_F(WebSocketTest, ReadsFragmentsThatComeByteByByte) {
  TcpClient client = connect();
  const std::string bytes = client_frame(kText, "frag", false) + client_frame(kPing, "p") +
                            client_frame(kContinuation, "mented");
  for (const char c : bytes) client.send({&c, 1});
  EXPECT_EQ(read_frame(client), "10:p");
  EXPECT_EQ(read_frame(client), "1:fragmented");
}

TEST_F(WebSocketTest, GathersAMessageFromItsPieces) {
  TcpClient client = connect();
  auto owner = std::make_shared<const std::string>(300'000, 'y');
  on_shard([&] {
    socket_->begin_message(WsOpcode::binary, 5 + owner->size() + 4);
    socket_->stream().append("head:");
    socket_->stream().append(*owner, owner);
    socket_->stream().tail() += "tail";
    socket_->flush();
  });
  EXPECT_EQ(read_frame(client), "2:head:" + *owner + "tail");
}

TEST_F(WebSocketTest, SendsPings) {
  TcpClient client = connect();
  on_shard([this] { socket_->ping(); });
  EXPECT_EQ(read_frame(client), "9:");
}

TEST_F(WebSocketTest, AClientThatNeverAnswersPingsStays) {
  TcpClient client = connect();
  for (int i = 0; i < 100; ++i) on_shard([this] { socket_->ping(); });
  for (int i = 0; i < 100; ++i) EXPECT_EQ(read_frame(client), "9:");
  client.send(client_frame(kText, "still here"));
  EXPECT_EQ(read_frame(client), "1:still here");
}

TEST_F(WebSocketTest, AnswersEachPing) {
  TcpClient client = connect();
  for (int i = 0; i < 10; ++i) client.send(client_frame(kPing, std::to_string(i)));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(read_frame(client), "10:" + std::to_string(i));
  client.send(client_frame(kPong, "unasked") + client_frame(kText, "x"));
  EXPECT_EQ(read_frame(client), "1:x");
}

// ---- clients that do not read ----

class LazyClientTest : public WebSocketTest {
 protected:
  LazyClientTest() { echoes_ = false; }

  // A client that has 20 MB to read and has read none of it.
  TcpClient connect_lazy() {
    TcpClient client = connect("", /*receive_buffer_bytes=*/4096);
    on_shard([this] {
      socket_->begin_message(WsOpcode::binary, kLargeBytes);
      socket_->stream().append(large_, std::shared_ptr<const void>(&large_, [](const void*) {}));
      socket_->flush();
      EXPECT_TRUE(socket_->stream().is_blocked());
    });
    return client;
  }

  static constexpr std::size_t kLargeBytes = 20'000'000;
  const std::string large_ = std::string(kLargeBytes, 'L');
};

TEST_F(LazyClientTest, IsToldWhenItHasReadAll) {
  TcpClient client = connect_lazy();
  EXPECT_GT(on_shard([this] { return socket_->queued_bytes(); }), kLargeBytes / 2);
  EXPECT_EQ(on_shard([this] { return drained_; }), 0);
  EXPECT_EQ(read_frame(client), "2:" + large_);
  EXPECT_TRUE(until([this] { return drained_ == 1; }));
  EXPECT_EQ(on_shard([this] { return socket_->queued_bytes(); }), 0u);
}

TEST_F(LazyClientTest, IsStillHeard) {
  TcpClient client = connect_lazy();
  client.send(client_frame(kText, "I am busy"));
  EXPECT_TRUE(until([this] { return messages_.size() == 1; }));
}

TEST_F(LazyClientTest, PingsDoNotPileUpAnswers) {
  TcpClient client = connect_lazy();
  std::string pings;
  for (int i = 0; i < 10'000; ++i) pings += client_frame(kPing, std::to_string(i));
  client.send(pings + client_frame(kText, "that was all"));
  ASSERT_TRUE(until([this] { return messages_.size() == 1; }));
  EXPECT_LE(on_shard([this] { return socket_->queued_bytes(); }), kLargeBytes + 10);
  EXPECT_EQ(read_frame(client), "2:" + large_);
  EXPECT_EQ(read_frame(client), "10:9999") << "the last is answered";
  client.send(client_frame(kPing, "again"));
  EXPECT_EQ(read_frame(client), "10:again");
}

TEST_F(LazyClientTest, MayVanish) {
  TcpClient client = connect_lazy();
  client.reset();
  EXPECT_TRUE(until_closed());
  EXPECT_EQ(on_shard([this] { return socket_->queued_bytes(); }), 0u);
}

TEST_F(LazyClientTest, GetsItAllBeforeTheClose) {
  TcpClient client = connect_lazy();
  on_shard([this] { socket_->close(WsClose::service_restart, "bye"); });
  EXPECT_EQ(read_frame(client), "2:" + large_);
  EXPECT_EQ(read_frame(client), "8:" + from_hex("03f4") + "bye");
  EXPECT_EQ(client.read_to_end(), "");
}

// What it had not begun to read is for the one who comes back with its session.
TEST_F(LazyClientTest, ThatClosesGetsTheFrameThatHadBegunAndNoFurtherOne) {
  TcpClient client = connect_lazy();
  on_shard([this] {
    for (int i = 0; i < 10; ++i) socket_->send_text("unsent");
    socket_->ping();
  });
  client.send(client_frame(kClose, from_hex("03e9")));
  ASSERT_TRUE(until([this] { return !socket_->is_open(); }));
  EXPECT_EQ(read_frame(client), "2:" + large_);
  EXPECT_EQ(read_frame(client), "8:" + from_hex("03e9"));
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(LazyClientTest, MayDropWhatIsQueuedBetweenFrames) {
  TcpClient client = connect();
  on_shard([this] {
    socket_->send_text("sent");
    socket_->flush();
    socket_->send_text("dropped");
    socket_->drop_unsent_frames();
    EXPECT_EQ(socket_->queued_bytes(), 0u);
    socket_->send_text("kept");
    socket_->flush();
  });
  EXPECT_EQ(read_frame(client), "1:sent");
  EXPECT_EQ(read_frame(client), "1:kept");
}

TEST_F(LazyClientTest, TellsHowMuchHasArrived) {
  TcpClient client = connect_lazy();
  const auto acknowledged = [this] { return socket_->stream().acknowledged_bytes(); };
  EXPECT_LT(on_shard(acknowledged), kLargeBytes);
  const std::uint64_t written = on_shard([this] { return socket_->stream().written_bytes(); });
  EXPECT_LE(on_shard(acknowledged), written);
  EXPECT_EQ(read_frame(client), "2:" + large_);
  EXPECT_TRUE(until([&] { return acknowledged() >= kLargeBytes; }));
  EXPECT_EQ(on_shard(acknowledged), on_shard([this] { return socket_->stream().written_bytes(); }));
  // And what was known at the end stays known.
  const std::uint64_t all = on_shard(acknowledged);
  client.reset();
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(on_shard(acknowledged), all);
}

TEST_F(WebSocketTest, APausedOneLeavesItsClientsMessagesInTheSystem) {
  TcpClient client = connect();
  on_shard([this] {
    echoes_ = false;
    socket_->pause_reading(true);
  });
  // More than what was on its way before the pause is not read.
  for (int i = 0; i < 100; ++i) client.send(client_frame(kText, std::to_string(i)));
  const std::size_t before = messages().size();
  for (int i = 0; i < 100; ++i) on_shard([] {});
  EXPECT_EQ(messages().size(), before);
  on_shard([this] { socket_->pause_reading(false); });
  EXPECT_TRUE(until([this] { return messages_.size() == 100; }));
  EXPECT_EQ(messages().back(), "text:99");
}

// ---- its end ----

TEST_F(WebSocketTest, AnswersAClosingClientInKind) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "03e8"},              // none: 1000
      {"03e8", "03e8"},          // 1000
      {"03e9", "03e9"},          // 1001
      {"0f a0 627965", "0fa0"},  // 4000 with a reason
      {"03ed", "03e8"},          // 1005 may not be sent; it means none
      {"03ee", "03ea"},          // nor 1006: protocol error
      {"0000", "03ea"},
      {"03e7", "03ea"},
      {"03ec", "03ea"},
      {"03f7", "03ea"},
      {"0bb7", "03ea"},
      {"1388", "03ea"},
      {"ffff", "03ea"},
  };
  for (const auto& [sent, answered] : rows) {
    on_shard([this] { closed_ = 0; });
    TcpClient client = connect();
    client.send(client_frame(kClose, from_hex(sent)) + client_frame(kText, "too late"));
    EXPECT_EQ(read_frame(client), "8:" + from_hex(answered)) << sent;
    EXPECT_EQ(client.read_to_end(), "");
    client.close();
    EXPECT_TRUE(until_closed());
  }
  EXPECT_THAT(messages(), IsEmpty());
}

TEST_F(WebSocketTest, ClosesOnAFaultAndSaysWhich) {
  const std::pair<std::string, std::string> rows[] = {
      {from_hex("8105") + "Hello", from_hex("03ea") + "a client's frame must be masked"},
      {client_frame(kContinuation, "x"), from_hex("03ea") + "nothing to continue"},
      {client_frame(kText, std::string(kMessageBytesMax + 1, 'x')),
       from_hex("03f1") + "message is larger than the limit of 1000000 bytes"},
  };
  for (const auto& [sent, answered] : rows) {
    on_shard([this] { closed_ = 0; });
    TcpClient client = connect();
    client.send(sent);
    EXPECT_EQ(read_frame(client), "8:" + answered);
    EXPECT_EQ(client.read_to_end(), "");
    client.close();
    EXPECT_TRUE(until_closed());
  }
}

TEST_F(WebSocketTest, MayBeClosedByItsOwnMessageHandler) {
  TcpClient client = connect();
  on_shard([this] {
    echoes_ = false;
    socket_->start({.on_message =
                        [this](WsMessage message) {
                          messages_.push_back(message.payload);
                          socket_->close(WsClose::policy_violation, "no");
                          socket_.reset();
                        },
                    .on_drained = nullptr,
                    .on_closed = [this] { ++closed_; }});
  });
  client.send(client_frame(kText, "one") + client_frame(kText, "two"));
  EXPECT_EQ(read_frame(client), "8:" + from_hex("03f0") + "no");
  EXPECT_EQ(client.read_to_end(), "");
  client.close();
  EXPECT_TRUE(until_closed());
  EXPECT_THAT(messages(), ElementsAre("one"));
}

TEST_F(WebSocketTest, IsClosedOnlyOnce) {
  TcpClient client = connect();
  on_shard([this] {
    socket_->close(WsClose::normal, "first");
    EXPECT_FALSE(socket_->is_open());
    socket_->close(WsClose::internal_error, "second");
  });
  EXPECT_EQ(read_frame(client), "8:" + from_hex("03e8") + "first");
  client.send(client_frame(kClose, from_hex("03e8")));
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_EQ(on_shard([this] { return closed_; }), 0) << "the connection has not ended yet";
  client.close();
  EXPECT_TRUE(until_closed());
}

TEST_F(WebSocketTest, MayBeEndedAtOnce) {
  TcpClient client = connect();
  on_shard([this] {
    WebSocket& socket = *socket_;
    socket_.reset();  // the connection's is the last share
    socket.abort();
    EXPECT_EQ(closed_, 1);
  });
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(WebSocketTest, NoticesAClientThatVanishes) {
  for (const bool reset : {true, false}) {
    on_shard([this] { closed_ = 0; });
    TcpClient client = connect(client_frame(kText, "half a frame").substr(0, 8));
    if (reset) {
      client.reset();
    } else {
      client.close();
    }
    EXPECT_TRUE(until_closed());
    EXPECT_FALSE(on_shard([this] { return socket_->is_open(); }));
    // What is still sent to it goes nowhere.
    on_shard([this] {
      socket_->send_text("into the void");
      socket_->flush();
      socket_->ping();
      socket_->close(WsClose::normal, "");
    });
  }
}

TEST_F(WebSocketTest, SendingBehindTheCloseBreaksNothing) {
  TcpClient client = connect();
  on_shard([this] {
    socket_->close(WsClose::normal, "bye");
    socket_->send_text("late");
    socket_->flush();
  });
  EXPECT_EQ(read_frame(client), "8:" + from_hex("03e8") + "bye");
  EXPECT_EQ(client.read_to_end(), "");
}

}  // namespace
}  // namespace perijove
