#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "protocol/message.hpp"

namespace perijove {

/// A reader of a journal: one websocket session or one consumer inside the gateway.
using ReaderId = std::uint64_t;
/// The reader id of messages that are for all readers.
inline constexpr ReaderId kEveryReader = 0;

/// Where a journal puts what does not fit in memory. The shell implements it with a file.
class JournalStore {
 public:
  virtual ~JournalStore() = default;
  /// Keeps `bytes` and returns where; nullopt when that failed or would exceed the store's limit.
  virtual std::optional<std::uint64_t> write(ByteView bytes) = 0;
  /// Reads back what write() kept there; nullopt when that failed.
  virtual std::optional<std::string> read(std::uint64_t where, std::size_t size) = 0;
  /// Everything before `where` is not needed any more.
  virtual void release_before(std::uint64_t where) = 0;
  /// Nothing is needed any more.
  virtual void clear() = 0;
};

/// Everything that a kernel said, in order, until each of its readers has it. Readers pull from
/// their own position: a slow one holds nobody up, costs no memory beyond `memory_bytes_max` (the
/// rest is in the store), and one that lost its connection goes on where it stopped. Replies that
/// only one reader may see stand in the same order as what all see.
///
/// Positions count messages and never repeat. When even the store is full, what would have gone
/// there next is lost, and a reader that comes to it is told how many messages it missed: nothing
/// is lost silently.
class Journal {
 public:
  /// `store` may be null: then what exceeds the memory is lost (and said to be).
  Journal(std::size_t memory_bytes_max, std::unique_ptr<JournalStore> store)
      : memory_bytes_max_(memory_bytes_max), store_(std::move(store)) {}

  /// Appends a message for one reader or for all.
  void append(MessagePtr message, ReaderId reader = kEveryReader);

  /// The position behind the newest message: where a new reader begins.
  std::uint64_t end() const { return begin_ + entries_.size(); }

  struct Read {
    MessagePtr message;        ///< Null when nothing is left for this reader.
    std::uint64_t position;    ///< Where to read on.
    std::uint64_t missed = 0;  ///< Messages before it that are gone, the reader's or not.
  };
  /// The first message at or behind `position` that `reader` may see.
  Read read(std::uint64_t position, ReaderId reader);

  /// No reader will ask for anything before `position` again.
  void trim(std::uint64_t position);

  std::size_t size() const { return entries_.size(); }
  std::size_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Entry {
    MessagePtr message;  // null: in the store
    bool counted = true;  // in memory_bytes_
    std::uint64_t where = 0;
    std::size_t size = 0;
    ReaderId reader = kEveryReader;
    bool lost = false;
  };

  void spill();
  MessagePtr load(Entry& entry);

  std::size_t memory_bytes_max_;
  std::unique_ptr<JournalStore> store_;
  std::deque<Entry> entries_;
  std::uint64_t begin_ = 0;            // position of entries_.front()
  std::uint64_t first_in_memory_ = 0;  // entries before it are in the store, lost or held elsewhere
  std::size_t memory_bytes_ = 0;
};

}  // namespace perijove
