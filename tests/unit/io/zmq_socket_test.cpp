#include "io/zmq_socket.hpp"

#include <gmock/gmock.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/limits.hpp"
#include "support/loop.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_until;

using Texts = std::vector<std::string>;

Texts to_texts(const std::vector<zmq::message_t>& frames) {
  Texts texts;
  for (const zmq::message_t& frame : frames) texts.push_back(frame.to_string());
  return texts;
}

// The other end: a plain socket of libzmq's, used from the test's thread or one of its own.
class Peer {
 public:
  Peer(zmq::context_t& context, zmq::socket_type type, const std::string& endpoint)
      : socket_(context, type) {
    constexpr int kPatienceMilliseconds = 30'000;
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvtimeo, kPatienceMilliseconds);
    socket_.set(zmq::sockopt::sndtimeo, kPatienceMilliseconds);
    if (type == zmq::socket_type::router) socket_.set(zmq::sockopt::router_mandatory, true);
    if (type == zmq::socket_type::xpub) socket_.set(zmq::sockopt::sndhwm, 0);
    if (!endpoint.empty()) socket_.bind(endpoint);
  }

  zmq::socket_t& socket() { return socket_; }

  bool send(const Texts& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const auto flags = i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
      if (!socket_.send(zmq::buffer(frames[i]), flags)) return false;
    }
    return true;
  }

  // One message; empty when none came in time.
  Texts receive() {
    Texts frames;
    zmq::message_t frame;
    do {
      if (!socket_.recv(frame)) return {};
      frames.push_back(frame.to_string());
    } while (frame.more());
    return frames;
  }

 private:
  zmq::socket_t socket_;
};

bool send(ZmqSocket& socket, const Texts& texts) {
  std::vector<OutFrame> frames;
  for (const std::string& text : texts) frames.push_back({text, nullptr});
  return socket.send(frames);
}

class ZmqSocketTest : public ::testing::Test {
 protected:
  std::unique_ptr<ZmqSocket> connect(zmq::socket_type type, const std::string& routing_id = {}) {
    auto socket = std::make_unique<ZmqSocket>(shard_, type, routing_id);
    const auto connected = socket->connect(endpoint_);
    EXPECT_TRUE(connected) << connected.error();
    return socket;
  }

  template <typename Condition>
  bool until(Condition done) {
    return run_until(shard_.loop(), done);
  }

  testing::TempDir temp_;
  std::string endpoint_ = "ipc://" + temp_.str() + "/socket";
  zmq::context_t context_;
  Shard shard_;
};

TEST_F(ZmqSocketTest, SendsAllFramesAsOneMessage) {
  Peer peer(context_, zmq::socket_type::router, endpoint_);
  const auto socket = connect(zmq::socket_type::dealer, "our-id");
  EXPECT_TRUE(send(*socket, {"a", "", std::string("\0\xff", 2)}));
  EXPECT_TRUE(send(*socket, {"b"}));
  EXPECT_THAT(peer.receive(), ElementsAre("our-id", "a", "", std::string("\0\xff", 2)));
  EXPECT_THAT(peer.receive(), ElementsAre("our-id", "b"));
}

TEST_F(ZmqSocketTest, ReceivesWholeMessages) {
  Peer peer(context_, zmq::socket_type::router, endpoint_);
  const auto socket = connect(zmq::socket_type::dealer, "our-id");
  std::vector<Texts> received;
  int turns = 0;
  socket->start([&](auto& frames) { received.push_back(to_texts(frames)); }, [&] { ++turns; });
  send(*socket, {"hello"});
  ASSERT_THAT(peer.receive(), ElementsAre("our-id", "hello"));
  ASSERT_TRUE(peer.send({"our-id", "x", "", "y"}));
  ASSERT_TRUE(peer.send({"our-id", ""}));
  ASSERT_TRUE(until([&] { return received.size() == 2; }));
  EXPECT_THAT(received[0], ElementsAre("x", "", "y"));
  EXPECT_THAT(received[1], ElementsAre(""));
  EXPECT_TRUE(until([&] { return turns > 0; }));
}

TEST_F(ZmqSocketTest, FramesMayBeKept) {
  Peer peer(context_, zmq::socket_type::router, endpoint_);
  const auto socket = connect(zmq::socket_type::dealer, "our-id");
  std::vector<std::vector<zmq::message_t>> kept;
  socket->start([&](auto& frames) { kept.push_back(std::move(frames)); }, [] {});
  send(*socket, {"hello"});
  peer.receive();
  for (int i = 0; i < 100; ++i) peer.send({"our-id", "small " + std::to_string(i), "tail"});
  ASSERT_TRUE(until([&] { return kept.size() == 100; }));
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_THAT(to_texts(kept[i]), ElementsAre("small " + std::to_string(i), "tail"));
  }
}

TEST_F(ZmqSocketTest, MayConnectBeforeAnybodyListens) {
  const auto socket = connect(zmq::socket_type::dealer, "our-id");
  EXPECT_TRUE(send(*socket, {"early"}));
  Peer peer(context_, zmq::socket_type::router, endpoint_);
  EXPECT_THAT(peer.receive(), ElementsAre("our-id", "early"));
}

TEST_F(ZmqSocketTest, NamesAnEndpointThatItCannotUse) {
  ZmqSocket socket(shard_, zmq::socket_type::dealer);
  for (const char* endpoint : {"", "nonsense", "ipc:/half", "tcp://127.0.0.1"}) {
    const auto connected = socket.connect(endpoint);
    ASSERT_FALSE(connected) << endpoint;
    EXPECT_EQ(connected.error().code, Code::unavailable);
    EXPECT_THAT(connected.error().message, HasSubstr(std::string("cannot connect to ") + endpoint));
  }
}

// The descriptor of a socket is edge-triggered, and every send may eat an edge: a loop that trusts
// it receives 300 of these 1000.
TEST_F(ZmqSocketTest, LosesNothingWhileItAlsoSends) {
  constexpr int kMessages = 1000;
  Peer peer(context_, zmq::socket_type::router, endpoint_);
  const auto socket = connect(zmq::socket_type::dealer, "our-id");
  std::vector<std::string> received;
  int sent = 0;
  const auto send_one = [&] {
    const bool sends = sent < kMessages && send(*socket, {"ours " + std::to_string(sent)});
    if (sends) ++sent;
    return sends;
  };
  socket->start(
      [&](auto& frames) {
        received.push_back(to_texts(frames).front());
        send_one();
      },
      [&] {
        while (received.size() == kMessages && send_one()) {
        }
      });
  send(*socket, {"hello"});
  Texts at_peer;
  std::thread other([&] {
    peer.receive();
    for (int i = 0; i < kMessages; ++i) peer.send({"our-id", "theirs " + std::to_string(i)});
    for (int i = 0; i < kMessages; ++i) at_peer.push_back(peer.receive().at(1));
  });
  EXPECT_TRUE(until([&] { return received.size() == kMessages && sent == kMessages; }));
  other.join();
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_EQ(received[static_cast<std::size_t>(i)], "theirs " + std::to_string(i));
    ASSERT_EQ(at_peer[static_cast<std::size_t>(i)], "ours " + std::to_string(i));
  }
}

TEST_F(ZmqSocketTest, AnswersAreSeenThoughASendFollowedThem) {
  // One question after the other, with a send on the same socket right behind each.
  Peer peer(context_, zmq::socket_type::router, endpoint_);
  const auto socket = connect(zmq::socket_type::dealer, "our-id");
  int answers = 0;
  socket->start([&](auto&) { ++answers; }, [] {});
  std::thread other([&] {
    for (int i = 0; i < 400; ++i) {
      const Texts question = peer.receive();
      if (question.size() == 2 && question[1] == "question") peer.send({"our-id", "answer"});
    }
  });
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(send(*socket, {"question"}));
    EXPECT_TRUE(send(*socket, {"noise"}));
    EXPECT_TRUE(until([&] { return answers == i + 1; })) << i;
  }
  other.join();
}

// ---- queues that fill ----

TEST_F(ZmqSocketTest, ASubscriberThatDoesNotReadLosesNothing) {
  constexpr int kMessages = 20'000;
  Peer peer(context_, zmq::socket_type::xpub, endpoint_);
  const auto socket = connect(zmq::socket_type::sub);
  ASSERT_EQ(peer.receive(), Texts({"\x01"})) << "it subscribed to everything";
  for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(peer.send({"topic", std::to_string(i)}));

  int received = 0;
  socket->start(
      [&](auto& frames) {
        EXPECT_EQ(to_texts(frames).at(1), std::to_string(received));
        ++received;
      },
      [] {});
  EXPECT_TRUE(until([&] { return received == kMessages; }));
}

TEST_F(ZmqSocketTest, ADealerThatDoesNotReadLosesNothing) {
  constexpr int kMessages = 20'000;
  Peer peer(context_, zmq::socket_type::router, endpoint_);
  const auto socket = connect(zmq::socket_type::dealer, "our-id");
  send(*socket, {"hello"});
  peer.receive();
  // A kernel's router drops what does not fit; this one waits instead, and would wait for ever.
  for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(peer.send({"our-id", std::to_string(i)})) << i;

  int received = 0;
  socket->start(
      [&](auto& frames) {
        EXPECT_EQ(to_texts(frames).at(0), std::to_string(received));
        ++received;
      },
      [] {});
  EXPECT_TRUE(until([&] { return received == kMessages; }));
}

TEST_F(ZmqSocketTest, RefusesWhatTheQueueDoesNotTakeAndSendsNothingOfIt) {
  const auto socket = connect(zmq::socket_type::dealer);
  int accepted = 0;
  while (accepted < 100'000 && send(*socket, {std::to_string(accepted), "tail"})) ++accepted;
  ASSERT_LT(accepted, 100'000);
  EXPECT_FALSE(send(*socket, {"refused", "tail"}));

  Peer peer(context_, zmq::socket_type::router, endpoint_);
  for (int i = 0; i < accepted; ++i) {
    const Texts message = peer.receive();
    ASSERT_EQ(message.size(), 3u);
    ASSERT_EQ(message[1], std::to_string(i));
  }
}

// Sends only when told that it may: a forgotten call would end this test.
TEST_F(ZmqSocketTest, TellsWhenItMaySendAgain) {
  constexpr int kMessages = 100'000;
  Peer peer(context_, zmq::socket_type::router, endpoint_);
  peer.socket().set(zmq::sockopt::rcvhwm, 10);
  const auto socket = connect(zmq::socket_type::dealer);
  int sent = 0, refused = 0;
  const std::string payload(1000, 'x');
  const auto send_more = [&] {
    while (sent < kMessages) {
      if (!send(*socket, {std::to_string(sent), payload})) {
        ++refused;
        return;
      }
      ++sent;
    }
  };
  socket->start([](auto&) {}, send_more);
  int received = 0;
  std::thread reader([&] {
    while (received < kMessages) {
      const Texts message = peer.receive();
      if (message.size() != 3 || message[1] != std::to_string(received)) return;
      ++received;
    }
  });
  EXPECT_TRUE(until([&] { return sent == kMessages; })) << sent;
  reader.join();
  EXPECT_EQ(received, kMessages);
  EXPECT_GT(refused, 0) << "the queue never was full: this test showed nothing";
}

// ---- who owns the bytes ----

TEST_F(ZmqSocketTest, LargeFramesAreKeptByTheirOwnerUntilTheyAreSent) {
  auto owner = std::make_shared<const std::string>(1 << 20, 'x');
  const std::weak_ptr<const std::string> watched = owner;
  const auto socket = connect(zmq::socket_type::dealer);
  std::vector<OutFrame> frames = {{"head", nullptr}, {*owner, owner}};
  ASSERT_TRUE(socket->send(frames));
  frames.clear();
  owner.reset();
  EXPECT_FALSE(watched.expired()) << "nobody has listened yet";

  Peer peer(context_, zmq::socket_type::router, endpoint_);
  EXPECT_EQ(peer.receive().at(2), std::string(1 << 20, 'x'));
  EXPECT_TRUE(until([&] { return watched.expired(); }));
}

TEST_F(ZmqSocketTest, SmallFramesAreCopied) {
  auto owner = std::make_shared<std::string>("small");
  const std::weak_ptr<std::string> watched = owner;
  const auto socket = connect(zmq::socket_type::dealer);
  {
    const std::vector<OutFrame> frames = {{*owner, owner}};
    ASSERT_TRUE(socket->send(frames));
  }
  owner->assign("other");
  owner.reset();
  EXPECT_TRUE(watched.expired());
  Peer peer(context_, zmq::socket_type::router, endpoint_);
  EXPECT_EQ(peer.receive().at(1), "small");
}

// ---- its end ----

TEST_F(ZmqSocketTest, ClosingDropsWhatWasNotSentAtOnce) {
  auto owner = std::make_shared<const std::string>(1 << 20, 'x');
  const std::weak_ptr<const std::string> watched = owner;
  const TimePoint start = Clock::now();
  {
    Shard shard;
    ZmqSocket socket(shard, zmq::socket_type::dealer);
    ASSERT_TRUE(socket.connect(endpoint_));
    const std::vector<OutFrame> frames = {{*owner, owner}};
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(socket.send(frames));
  }
  EXPECT_LT(Clock::now() - start, testing::kPatience) << "libzmq waits for ever by default";
  owner.reset();
  EXPECT_TRUE(watched.expired());
}

TEST_F(ZmqSocketTest, MayBeDestroyedByItsOwnCallbacks) {
  for (const bool by_message : {true, false}) {
    Peer peer(context_, zmq::socket_type::router, endpoint_);
    auto socket = connect(zmq::socket_type::dealer, "our-id");
    send(*socket, {"hello"});
    peer.receive();
    for (int i = 0; i < 10; ++i) peer.send({"our-id", "x"});
    const auto call = [&](bool ends) {
      EXPECT_NE(socket, nullptr) << "nothing is called after its end";
      if (ends) socket.reset();
    };
    socket->start([&, by_message](auto&) { call(by_message); },
                  [&, by_message] { call(!by_message); });
    EXPECT_TRUE(until([&] { return socket == nullptr; }));
    shard_.loop().restart();
    shard_.loop().poll();
  }
}

TEST_F(ZmqSocketTest, OneThatFloodsLeavesTurnsToTheOthers) {
  Peer peer(context_, zmq::socket_type::xpub, endpoint_);
  const auto socket = connect(zmq::socket_type::sub);
  peer.receive();
  constexpr int kMessages = 5000;
  for (int i = 0; i < kMessages; ++i) peer.send({"x"});
  int received = 0;
  socket->start([&](auto&) { ++received; }, [] {});
  // A handler that posts itself again and again stands for the other sockets of the shard.
  int turns = 0;
  std::function<void()> other = [&] {
    ++turns;
    if (received < kMessages) boost::asio::post(shard_.loop(), other);
  };
  boost::asio::post(shard_.loop(), other);
  EXPECT_TRUE(until([&] { return received == kMessages; }));
  EXPECT_GE(turns, kMessages / limits::kMessagesPerTurn);
}

}  // namespace
}  // namespace perijove
