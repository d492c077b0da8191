#include "model/journal.hpp"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "simulation.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What a store did and holds; outlives the store, which belongs to its journal.
struct StoreLog {
  std::map<std::uint64_t, std::string> kept;  // by place
  std::map<std::uint64_t, std::size_t>
      reserved;  // places that were not written yet, and their sizes
  std::uint64_t end = 0;
  std::uint64_t released = 0;
  int written = 0;  // calls
  int cleared = 0;
  bool is_full = false;
  bool writes_fail = false;
  bool reads_fail = false;
  std::vector<std::string> failed_writes;
  std::vector<std::uint64_t> failed_reads;
};

class FakeStore final : public JournalStore {
 public:
  explicit FakeStore(std::shared_ptr<StoreLog> log) : log_(std::move(log)) {}

  std::optional<std::uint64_t> reserve(std::size_t size) override {
    if (log_->is_full) return std::nullopt;
    const std::uint64_t where = log_->end;
    log_->reserved[where] = size;
    log_->end += size;
    return where;
  }
  bool write(std::uint64_t where, std::span<const ByteView> pieces) override {
    ++log_->written;
    EXPECT_GE(where, log_->released) << "it is written to what was released";
    std::string bytes;
    for (const ByteView piece : pieces) bytes += piece;
    // One place, or several that follow each other.
    for (ByteView rest = bytes; !rest.empty();) {
      const auto place = log_->reserved.find(where);
      EXPECT_NE(place, log_->reserved.end()) << "nothing was reserved there";
      if (place == log_->reserved.end() || place->second > rest.size()) return false;
      const std::string text(rest.substr(0, place->second));
      if (log_->writes_fail) {
        log_->failed_writes.push_back(text);
      } else {
        log_->kept[where] = text;
      }
      rest.remove_prefix(text.size());
      where += text.size();
      log_->reserved.erase(place);
    }
    return !log_->writes_fail;
  }
  std::optional<std::string> read(std::uint64_t where, std::size_t size) override {
    EXPECT_GE(where, log_->released) << "what was released is read";
    const auto found = log_->kept.find(where);
    EXPECT_NE(found, log_->kept.end()) << "nothing was written there";
    if (found == log_->kept.end()) return std::nullopt;
    EXPECT_EQ(found->second.size(), size);
    if (log_->reads_fail) {
      log_->failed_reads.push_back(where);
      return std::nullopt;
    }
    return found->second;
  }
  void release_before(std::uint64_t where) override {
    EXPECT_GE(where, log_->released);
    log_->released = where;
    log_->kept.erase(log_->kept.begin(), log_->kept.lower_bound(where));
    log_->reserved.erase(log_->reserved.begin(), log_->reserved.lower_bound(where));
  }
  void clear() override {
    ++log_->cleared;
    log_->kept.clear();
    log_->reserved.clear();
    log_->end = log_->released = 0;
  }

 private:
  std::shared_ptr<StoreLog> log_;
};

constexpr std::size_t kPlenty = 1 << 20;
constexpr ReaderId kAnna = 1, kBert = 2;

MessagePtr message(const std::string& content, Channel channel = Channel::iopub) {
  return Message::copy(channel, {"", "", "", content});
}

class JournalTest : public ::testing::Test {
 protected:
  Journal journal(std::size_t memory_bytes_max) {
    return Journal(memory_bytes_max, std::make_unique<FakeStore>(log_));
  }

  // The contents that `reader` may see from `position` on; a number stands for that many missed.
  static std::vector<std::string> read_all(Journal& journal, ReaderId reader,
                                           std::uint64_t position = 0) {
    std::vector<std::string> contents;
    for (;;) {
      const Journal::Read read = journal.read(position, reader);
      position = read.position;
      if (read.missed > 0) contents.push_back(std::to_string(read.missed));
      if (!read.message) return contents;
      contents.emplace_back(read.message->parts().content);
    }
  }

  std::shared_ptr<StoreLog> log_ = std::make_shared<StoreLog>();
};

TEST_F(JournalTest, BeginsEmpty) {
  Journal it = journal(kPlenty);
  EXPECT_EQ(it.end(), 0u);
  EXPECT_EQ(it.size(), 0u);
  EXPECT_EQ(it.memory_bytes(), 0u);
  const Journal::Read read = it.read(0, kAnna);
  EXPECT_FALSE(read.message);
  EXPECT_EQ(read.position, 0u);
  EXPECT_EQ(read.missed, 0u);
}

TEST_F(JournalTest, GivesEveryReaderEverythingInOrder) {
  Journal it = journal(kPlenty);
  for (const char* content : {"a", "b", "c"}) it.append(message(content));
  EXPECT_THAT(read_all(it, kAnna), ElementsAre("a", "b", "c"));
  EXPECT_THAT(read_all(it, kBert), ElementsAre("a", "b", "c"));
  EXPECT_THAT(read_all(it, kBert, 1), ElementsAre("b", "c"));
  EXPECT_THAT(read_all(it, kBert, it.end()), IsEmpty());
}

TEST_F(JournalTest, ShowsAReplyToItsReaderOnlyAndInItsPlace) {
  Journal it = journal(kPlenty);
  it.append(message("for all 1"));
  it.append(message("for Anna"), kAnna);
  it.append(message("for Bert"), kBert);
  it.append(message("for all 2"));
  EXPECT_THAT(read_all(it, kAnna), ElementsAre("for all 1", "for Anna", "for all 2"));
  EXPECT_THAT(read_all(it, kBert), ElementsAre("for all 1", "for Bert", "for all 2"));
  EXPECT_THAT(read_all(it, 3), ElementsAre("for all 1", "for all 2"));
}

TEST_F(JournalTest, PassesOverWhatIsForOthersInOneStep) {
  Journal it = journal(kPlenty);
  for (int i = 0; i < 5; ++i) it.append(message("for Bert"), kBert);
  const Journal::Read read = it.read(0, kAnna);
  EXPECT_FALSE(read.message);
  EXPECT_EQ(read.position, 5u);
  EXPECT_EQ(read.missed, 0u);
}

TEST_F(JournalTest, SharesOneMessageAmongItsReaders) {
  Journal it = journal(kPlenty);
  const MessagePtr sent = message("x");
  it.append(sent);
  EXPECT_EQ(it.read(0, kAnna).message, sent);
  EXPECT_EQ(it.read(0, kBert).message, sent);
}

TEST_F(JournalTest, CountsTheBytesInMemory) {
  Journal it = journal(kPlenty);
  it.append(message("12345"));
  it.append(message("123"), kAnna);
  EXPECT_EQ(it.memory_bytes(), 8u);
  it.trim(1);
  EXPECT_EQ(it.memory_bytes(), 3u);
  it.trim(2);
  EXPECT_EQ(it.memory_bytes(), 0u);
}

TEST_F(JournalTest, PutsTheOldestInTheStoreWhenMemoryIsFull) {
  Journal it = journal(20);
  for (int i = 0; i < 10; ++i) it.append(message("message " + std::to_string(i)));  // 9 bytes each
  EXPECT_EQ(it.memory_bytes(), 18u);
  EXPECT_EQ(log_->kept.size(), 8u);
  EXPECT_EQ(it.size(), 10u);
  EXPECT_THAT(read_all(it, kAnna),
              ElementsAre("message 0", "message 1", "message 2", "message 3", "message 4",
                          "message 5", "message 6", "message 7", "message 8", "message 9"));
}

TEST_F(JournalTest, ReadsBackEveryPartFromTheStore) {
  Journal it = journal(0);
  const std::vector<ByteView> buffers = {ByteView("\0\x01", 2), "", "last"};
  it.append(Message::copy(Channel::stdin_, {"h", "pp", "", "cccc"}, buffers), kAnna);
  it.append(message("newest"));
  ASSERT_EQ(log_->kept.size(), 1u);
  const MessagePtr read = it.read(0, kAnna).message;
  ASSERT_TRUE(read);
  EXPECT_EQ(read->channel(), Channel::stdin_);
  EXPECT_EQ(read->parts().header, "h");
  EXPECT_EQ(read->parts().parent_header, "pp");
  EXPECT_EQ(read->parts().metadata, "");
  EXPECT_EQ(read->parts().content, "cccc");
  EXPECT_THAT(read->buffers(), ElementsAre(ByteView("\0\x01", 2), "", "last"));
  EXPECT_EQ(it.read(0, kBert).message->parts().content, "newest");
}

TEST_F(JournalTest, KeepsTheNewestInMemoryWhateverItsSize) {
  Journal it = journal(10);
  it.append(message(std::string(1000, 'x')));
  EXPECT_THAT(log_->kept, IsEmpty());
  EXPECT_EQ(it.memory_bytes(), 1000u);
  it.append(message("y"));
  EXPECT_EQ(log_->kept.size(), 1u);
  EXPECT_EQ(it.memory_bytes(), 1u);
}

TEST_F(JournalTest, LeavesWhatAReaderIsSendingInMemoryUntilItHasDone) {
  Journal it = journal(10);
  it.append(message("large enough"));
  MessagePtr sending = it.read(0, kAnna).message;
  it.append(message("12345"));
  it.trim(0);
  EXPECT_EQ(log_->written, 0);
  EXPECT_EQ(it.read(0, kBert).message, sending) << "it is there for others, too";
  sending = nullptr;
  it.trim(0);
  EXPECT_EQ(log_->written, 1);
  EXPECT_THAT(read_all(it, kBert), ElementsAre("large enough", "12345"));
}

TEST_F(JournalTest, NeverWritesWhatWasForgottenWhenItWasSent) {
  Journal it = journal(10);
  it.append(message("large enough"));
  MessagePtr sending = it.read(0, kAnna).message;
  it.append(message("12345"));
  sending = nullptr;
  it.trim(1);
  EXPECT_EQ(log_->written, 0);
  EXPECT_THAT(read_all(it, kAnna, 1), ElementsAre("12345"));
}

TEST_F(JournalTest, KeepsThePlacesOfLaterMessagesWhileAnEarlierOneIsBeingSent) {
  Journal it = journal(0);
  it.append(message("sending"));
  MessagePtr sending = it.read(0, kAnna).message;
  for (const char* content : {"b", "c", "newest"}) it.append(message(content));
  it.trim(0);
  sending = nullptr;
  it.trim(0);
  EXPECT_THAT(read_all(it, kAnna), ElementsAre("sending", "b", "c", "newest"));
  it.trim(1);
  EXPECT_THAT(read_all(it, kAnna, 1), ElementsAre("b", "c", "newest"));
}

TEST_F(JournalTest, WritesSmallMessagesTogether) {
  Journal it = journal(8'000);
  for (int i = 0; i < 1'000; ++i) it.append(message(std::string(100, 'x')));
  EXPECT_LE(it.memory_bytes(), 8'000u);
  EXPECT_GE(log_->kept.size(), 920u);
  EXPECT_LE(log_->written, 100);
  EXPECT_EQ(read_all(it, kAnna).size(), 1'000u);
}

TEST_F(JournalTest, SaysHowManyMessagesHadNoPlaceInTheStore) {
  Journal it = journal(0);
  it.append(message("stored"));
  it.append(message("lost 1"));
  log_->is_full = true;
  it.append(message("lost 2"));
  it.append(message("newest"));
  EXPECT_THAT(read_all(it, kAnna), ElementsAre("stored", "2", "newest"));
}

TEST_F(JournalTest, SaysHowManyMessagesTheStoreDidNotTake) {
  Journal it = journal(0);
  it.append(message("stored"));
  it.append(message("lost 1"));
  log_->writes_fail = true;
  it.append(message("lost 2"));
  it.append(message("newest"));
  EXPECT_THAT(read_all(it, kAnna), ElementsAre("stored", "2", "newest"));
  EXPECT_THAT(read_all(it, kAnna), ElementsAre("stored", "2", "newest")) << "it stays so";
}

TEST_F(JournalTest, SaysHowManyMessagesTheStoreDidNotGiveBack) {
  Journal it = journal(0);
  for (const char* content : {"a", "b", "newest"}) it.append(message(content));
  log_->reads_fail = true;
  EXPECT_THAT(read_all(it, kAnna), ElementsAre("2", "newest"));
  log_->reads_fail = false;
  EXPECT_THAT(read_all(it, kBert), ElementsAre("2", "newest")) << "lost is lost";
}

TEST_F(JournalTest, SaysSoWhenTheLostWereTheLast) {
  Journal it = journal(0);
  it.append(message("gone"));
  it.append(message("newest, for Bert"), kBert);
  log_->reads_fail = true;
  const Journal::Read read = it.read(0, kAnna);
  EXPECT_FALSE(read.message);
  EXPECT_EQ(read.missed, 1u);
  EXPECT_EQ(read.position, 2u);
}

TEST_F(JournalTest, DoesNotCountWhatWasLostForOthers) {
  Journal it = journal(0);
  log_->writes_fail = true;
  it.append(message("for Bert"), kBert);
  it.append(message("for all"));
  it.append(message("newest"));
  EXPECT_THAT(read_all(it, kAnna), ElementsAre("1", "newest"));
  EXPECT_THAT(read_all(it, kBert), ElementsAre("2", "newest"));
}

TEST_F(JournalTest, LosesWhatItsStoreGarbled) {
  Journal it = journal(0);
  it.append(message("a"));
  it.append(message("newest"));
  log_->kept.begin()->second.front() = '\x7f';
  EXPECT_THAT(read_all(it, kAnna), ElementsAre("1", "newest"));
}

TEST_F(JournalTest, WithoutAStoreLosesWhatDoesNotFit) {
  Journal it(10, nullptr);
  for (int i = 0; i < 5; ++i) it.append(message("12345"));
  EXPECT_THAT(read_all(it, kAnna), ElementsAre("3", "12345", "12345"));
  it.trim(5);
  EXPECT_EQ(it.size(), 0u);
}

TEST_F(JournalTest, ForgetsWhatIsTrimmed) {
  Journal it = journal(kPlenty);
  const std::weak_ptr<const Message> watched = [&] {
    const MessagePtr first = message("a");
    it.append(first);
    return first;
  }();
  it.append(message("b"));
  it.trim(1);
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(it.size(), 1u);
  EXPECT_EQ(it.end(), 2u);
  EXPECT_THAT(read_all(it, kAnna, 1), ElementsAre("b"));
}

TEST_F(JournalTest, TellsAReaderWhatWasTrimmedBeforeIt) {
  Journal it = journal(kPlenty);
  for (const char* content : {"a", "b", "c"}) it.append(message(content));
  it.trim(2);
  EXPECT_THAT(read_all(it, kAnna, 0), ElementsAre("2", "c"));
  it.trim(3);
  const Journal::Read read = it.read(0, kAnna);
  EXPECT_FALSE(read.message);
  EXPECT_EQ(read.missed, 3u);
  EXPECT_EQ(read.position, 3u);
}

TEST_F(JournalTest, PositionsNeverRepeat) {
  Journal it = journal(kPlenty);
  it.append(message("a"));
  it.trim(1);
  it.append(message("b"));
  EXPECT_EQ(it.end(), 2u);
  EXPECT_THAT(read_all(it, kAnna, 1), ElementsAre("b"));
}

TEST_F(JournalTest, TrimsNoFurtherThanItsEndAndNeverBack) {
  Journal it = journal(kPlenty);
  it.append(message("a"));
  it.trim(100);
  EXPECT_EQ(it.end(), 1u);
  it.append(message("b"));
  it.trim(0);
  EXPECT_THAT(read_all(it, kAnna, 1), ElementsAre("b"));
}

TEST_F(JournalTest, GivesTheStoresPlaceBack) {
  Journal it = journal(0);
  for (const char* content : {"a", "b", "c", "newest"}) it.append(message(content));
  ASSERT_EQ(log_->kept.size(), 3u);
  it.trim(1);
  EXPECT_EQ(log_->kept.size(), 2u);
  EXPECT_THAT(read_all(it, kAnna, 1), ElementsAre("b", "c", "newest"));
  const int cleared_before = log_->cleared;
  it.trim(3);
  EXPECT_GT(log_->cleared, cleared_before);
  EXPECT_THAT(read_all(it, kAnna, 3), ElementsAre("newest"));
}

TEST_F(JournalTest, GivesPlaceBackBehindLostMessages) {
  Journal it = journal(0);
  it.append(message("a"));
  it.append(message("lost"));
  log_->writes_fail = true;
  it.append(message("c"));
  log_->writes_fail = false;
  it.append(message("newest"));
  ASSERT_EQ(log_->kept.size(), 2u);  // a and c
  it.trim(1);
  EXPECT_EQ(log_->kept.size(), 1u);
  EXPECT_THAT(read_all(it, kAnna, 1), ElementsAre("1", "c", "newest"));
}

// The same as a journal, as plainly as it can be written: everything in one list.
class Oracle {
 public:
  void append(ReaderId reader) { readers_.push_back(reader); }
  void lose(std::uint64_t position) { lost_.insert(position); }
  void trim(std::uint64_t position) { begin_ = std::max(begin_, position); }
  std::uint64_t end() const { return readers_.size(); }
  std::uint64_t begin() const { return begin_; }

  // Position of the message that is read (none: end), where to read on, and how many were missed.
  struct Read {
    std::optional<std::uint64_t> message;
    std::uint64_t position;
    std::uint64_t missed;
  };
  Read read(std::uint64_t position, ReaderId reader) const {
    Read result{std::nullopt, position, 0};
    if (position < begin_) {
      result.missed = begin_ - position;
      result.position = begin_;
    }
    for (; result.position < end(); ++result.position) {
      const ReaderId wanted = readers_[result.position];
      if (wanted != kEveryReader && wanted != reader) continue;
      if (lost_.contains(result.position)) {
        ++result.missed;
        continue;
      }
      result.message = result.position++;
      break;
    }
    return result;
  }

 private:
  std::vector<ReaderId> readers_;
  std::set<std::uint64_t> lost_;
  std::uint64_t begin_ = 0;
};

// Each message tells its own position, so that the store's log tells which were lost.
std::string numbered(std::uint64_t position, std::size_t padding) {
  return std::string(padding, '.') + '#' + std::to_string(position);
}
std::uint64_t number_of(ByteView text) {
  return std::stoull(std::string(text.substr(text.rfind('#') + 1)));
}

struct FollowingReader {
  ReaderId id;
  std::uint64_t position;
  std::uint64_t acknowledged;
  MessagePtr sending = nullptr;
};

void run_simulation(std::uint64_t seed) {
  SCOPED_TRACE("PERIJOVE_SEED=" + std::to_string(seed));
  simulation::Random random(seed);
  auto log = std::make_shared<StoreLog>();
  const std::size_t memory_bytes_max = random.below(2000);
  Journal journal(memory_bytes_max, std::make_unique<FakeStore>(log));
  Oracle oracle;
  std::vector<FollowingReader> readers;
  ReaderId next_reader = 1;
  std::size_t newest_bytes = 0;

  // Moves what the store failed at into the oracle.
  const auto note_losses = [&] {
    for (const std::string& bytes : log->failed_writes) oracle.lose(number_of(bytes));
    log->failed_writes.clear();
    for (const std::uint64_t where : log->failed_reads) {
      oracle.lose(number_of(log->kept.at(where)));
    }
    log->failed_reads.clear();
  };

  for (int step = 0; step < 2000; ++step) {
    SCOPED_TRACE(step);
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2: {
        ReaderId to = kEveryReader;
        if (!readers.empty() && random.chance(30)) to = random.pick(readers).id;
        const std::string content = numbered(oracle.end(), random.below(300));
        newest_bytes = content.size();
        log->writes_fail = random.chance(5);
        journal.append(message(content), to);
        oracle.append(to);
        note_losses();
        break;
      }
      case 3:
      case 4:
      case 5:
        if (!readers.empty()) {
          FollowingReader& reader = readers[random.below(readers.size())];
          for (std::size_t count = 1 + random.below(10); count > 0; --count) {
            log->reads_fail = random.chance(2);
            const Journal::Read read = journal.read(reader.position, reader.id);
            note_losses();
            const Oracle::Read expected = oracle.read(reader.position, reader.id);
            ASSERT_EQ(read.position, expected.position);
            ASSERT_EQ(read.missed, expected.missed);
            ASSERT_EQ(read.message != nullptr, expected.message.has_value());
            reader.position = read.position;
            if (!read.message) break;
            ASSERT_EQ(number_of(read.message->parts().content), *expected.message);
            reader.sending = random.chance(30) ? read.message : nullptr;
          }
          if (random.chance(50)) reader.acknowledged = reader.position;
        }
        break;
      case 6:
        if (readers.size() < 20 && random.chance(30)) {
          readers.push_back({next_reader++, journal.end(), journal.end()});
        } else if (!readers.empty()) {
          const std::size_t which = random.below(readers.size());
          if (random.chance(20)) {
            readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(which));
          } else {
            readers[which].position = readers[which].acknowledged;  // it lost its connection
          }
        }
        break;
      default: {
        std::uint64_t needed = journal.end();
        for (const FollowingReader& reader : readers) {
          needed = std::min(needed, reader.acknowledged);
        }
        oracle.trim(needed);
        log->writes_fail = random.chance(5);
        journal.trim(needed);
        note_losses();
        break;
      }
    }
    ASSERT_EQ(journal.end(), oracle.end());
    ASSERT_EQ(journal.size(), oracle.end() - oracle.begin());
    ASSERT_LE(journal.memory_bytes(), std::max(memory_bytes_max, newest_bytes));
  }
  journal.trim(journal.end());
  EXPECT_EQ(journal.memory_bytes(), 0u);
  EXPECT_THAT(log->kept, IsEmpty());
  EXPECT_THAT(log->reserved, IsEmpty());
}

TEST(JournalSimulation, ReadsAsIfEverythingStoodInOneList) {
  for (const std::uint64_t seed : simulation::seeds(200)) {
    run_simulation(seed);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace perijove
