#include "net/stream.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <random>
#include <thread>

#include "support/loop.hpp"
#include "support/tcp_client.hpp"

namespace perijove {
namespace {

using boost::asio::ip::tcp;
using testing::run_until;
using testing::TcpClient;

// Both ends of one connection; the loop runs on the test's thread.
class StreamTest : public ::testing::Test {
 protected:
  StreamTest() {
    tcp::acceptor acceptor(shard_.loop(),
                           tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
    client_.emplace(acceptor.local_endpoint().port(), /*receive_buffer_bytes=*/64 * 1024);
    stream_ = std::make_shared<Stream>(shard_, acceptor.accept());
    stream_->set_handlers([this](ByteView bytes) { received_ += bytes; }, [this] { ++ended_; },
                          [this] { ++drained_; });
  }
  ~StreamTest() override { stream_->abort(); }

  template <typename Condition>
  bool until(Condition done) {
    return run_until(shard_.loop(), done);
  }

  // Lets the loop do all it can do now.
  void settle() {
    shard_.loop().restart();
    shard_.loop().poll();
  }

  // What the client reads, on a thread of its own, while the loop runs.
  std::string read(std::size_t size) {
    std::string read;
    std::atomic<bool> done = false;
    std::thread reader([&] {
      read = client_->read(size);
      done = true;
    });
    EXPECT_TRUE(until([&] { return done.load(); }));
    reader.join();
    return read;
  }

  static std::shared_ptr<const std::string> owned(std::string text) {
    return std::make_shared<const std::string>(std::move(text));
  }

  Shard shard_;
  std::optional<TcpClient> client_;
  std::shared_ptr<Stream> stream_;
  std::string received_;
  int ended_ = 0;
  int drained_ = 0;
};

TEST_F(StreamTest, KnowsItsPeer) { EXPECT_EQ(stream_->peer_address(), "127.0.0.1"); }

TEST_F(StreamTest, WritesNothingBeforeTheFlush) {
  stream_->append("a");
  stream_->append("b");
  EXPECT_EQ(stream_->queued_bytes(), 2u);
  EXPECT_EQ(stream_->written_bytes(), 0u);
  stream_->flush();
  EXPECT_EQ(stream_->queued_bytes(), 0u);
  EXPECT_EQ(stream_->written_bytes(), 2u);
  EXPECT_EQ(read(2), "ab");
  EXPECT_EQ(drained_, 0) << "it did not have to wait";
}

TEST_F(StreamTest, KeepsTheOrderOfWhatIsCopiedAndWhatIsKept) {
  constexpr unsigned kSeed = 11;
  std::mt19937 random(kSeed);
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string text(random() % 5000, static_cast<char>('a' + i % 26));
    expected += text;
    switch (random() % 3) {
      case 0:
        stream_->append(text);
        break;
      case 1:
        stream_->tail() += text;
        break;
      default: {
        const auto owner = owned(text);
        stream_->append(*owner, owner);
      }
    }
    if (random() % 10 == 0) stream_->flush();
  }
  EXPECT_EQ(stream_->queued_bytes() + stream_->written_bytes(), expected.size());
  stream_->flush();
  EXPECT_EQ(read(expected.size()), expected);
  EXPECT_TRUE(until([&] { return stream_->queued_bytes() == 0; }));
  EXPECT_EQ(stream_->written_bytes(), expected.size());
}

TEST_F(StreamTest, KeepsAnOwnerOnlyUntilItIsWritten) {
  auto owner = owned(std::string(10'000'000, 'x'));
  const std::weak_ptr<const std::string> watched = owner;
  stream_->append(*owner, owner);
  owner.reset();
  stream_->flush();
  EXPECT_TRUE(stream_->is_blocked());
  EXPECT_FALSE(watched.expired());
  read(10'000'000);
  EXPECT_TRUE(until([&] { return watched.expired(); }));
  EXPECT_EQ(drained_, 1);
  EXPECT_FALSE(stream_->is_blocked());
}

TEST_F(StreamTest, TruncatesItsQueueAtAnyByte) {
  const std::string copied = "0123456789", kept = "abcdefghij", last = "KLMNOPQRST";
  const std::string all = copied + kept + last;
  std::string expected;
  for (std::size_t size = 0; size <= all.size() + 5; ++size) {
    const auto owner = owned(kept);
    stream_->append(copied);
    stream_->append(*owner, owner);
    stream_->append(last);
    stream_->truncate_queue(size);
    EXPECT_EQ(stream_->queued_bytes(), std::min(size, all.size()));
    stream_->append("|");
    stream_->flush();
    expected += all.substr(0, size) + "|";
  }
  EXPECT_EQ(read(expected.size()), expected);
}

TEST_F(StreamTest, TruncatesBehindWhatHasBegunToLeave) {
  const auto owner = owned(std::string(10'000'000, 'x'));
  stream_->append(*owner, owner);
  stream_->append("dropped");
  stream_->flush();
  ASSERT_TRUE(stream_->is_blocked());
  stream_->truncate_queue(stream_->queued_bytes() - 7);
  stream_->append("end");
  stream_->flush();
  EXPECT_EQ(read(10'000'003), *owner + "end");
}

TEST_F(StreamTest, ReadsOnlyWhenItMay) {
  client_->send("early");
  settle();
  EXPECT_EQ(received_, "");
  stream_->start_reading();
  EXPECT_TRUE(until([this] { return received_ == "early"; }));
  stream_->pause_reading(true);
  client_->send("later");
  settle();
  EXPECT_EQ(received_, "early");
  stream_->pause_reading(false);
  EXPECT_TRUE(until([this] { return received_ == "earlylater"; }));
}

TEST_F(StreamTest, MayBePausedByItsReader) {
  stream_->set_handlers(
      [this](ByteView bytes) {
        received_ += bytes;
        stream_->pause_reading(true);
      },
      nullptr, nullptr);
  stream_->start_reading();
  client_->send("one");
  EXPECT_TRUE(until([this] { return received_ == "one"; }));
  client_->send("two");
  settle();
  EXPECT_EQ(received_, "one");
  stream_->pause_reading(false);
  EXPECT_TRUE(until([this] { return received_ == "onetwo"; }));
}

TEST_F(StreamTest, ItsReaderMayReplaceTheHandlers) {
  std::string second;
  stream_->set_handlers(
      [&](ByteView bytes) {
        received_ += bytes;
        stream_->set_handlers([&](ByteView more) { second += more; }, [this] { ++ended_; },
                              nullptr);
      },
      nullptr, nullptr);
  stream_->start_reading();
  client_->send("one");
  EXPECT_TRUE(until([this] { return received_ == "one"; }));
  client_->send("two");
  EXPECT_TRUE(until([&] { return second == "two"; }));
  client_->close();
  EXPECT_TRUE(until([this] { return ended_ == 1; }));
}

TEST_F(StreamTest, TellsTheEndOnceWhateverItWas) {
  stream_->start_reading();
  client_->reset();
  EXPECT_TRUE(until([this] { return ended_ == 1; }));
  EXPECT_FALSE(stream_->is_open());
  stream_->append("into the void");
  stream_->flush();
  stream_->finish();
  stream_->abort();
  settle();
  EXPECT_EQ(ended_, 1);
}

TEST_F(StreamTest, AbortTellsNobody) {
  stream_->start_reading();
  stream_->append("lost");
  stream_->abort();
  settle();
  EXPECT_EQ(client_->read_to_end(), "");
  EXPECT_EQ(ended_, 0);
  EXPECT_EQ(stream_->queued_bytes(), 0u);
}

TEST_F(StreamTest, FinishSendsWhatIsQueuedAndWaitsForThePeersEnd) {
  stream_->start_reading();
  client_->send("unread");
  stream_->append("last words");
  stream_->finish();
  EXPECT_EQ(client_->read_to_end(), "last words");
  settle();
  EXPECT_EQ(received_, "") << "who finishes wants to hear no more";
  EXPECT_EQ(ended_, 0);
  client_->close();
  EXPECT_TRUE(until([this] { return ended_ == 1; }));
}

TEST_F(StreamTest, LetsGoOfItselfAtTheEnd) {
  // Handlers that own the stream, as a websocket's do.
  stream_->set_handlers([held = stream_](ByteView) {}, [held = stream_] {}, [held = stream_] {});
  const std::weak_ptr<Stream> watched = stream_;
  stream_->start_reading();
  client_->close();
  EXPECT_TRUE(until([this] { return !stream_->is_open(); }));
  stream_ = std::make_shared<Stream>(shard_, tcp::socket(shard_.loop()));  // for the destructor
  EXPECT_TRUE(until([&] { return watched.expired(); }));
}

TEST_F(StreamTest, KnowsWhatHasArrived) {
  EXPECT_EQ(stream_->acknowledged_bytes(), 0u);
  stream_->append("12345");
  stream_->flush();
  EXPECT_TRUE(until([this] { return stream_->acknowledged_bytes() == 5; }));
  stream_->abort();
  EXPECT_EQ(stream_->acknowledged_bytes(), 5u);
}

TEST_F(StreamTest, KnowsThatNothingHasArrivedThoughItsEndIsOnItsWay) {
  stream_->finish();
  EXPECT_EQ(stream_->acknowledged_bytes(), 0u);
}

}  // namespace
}  // namespace perijove
