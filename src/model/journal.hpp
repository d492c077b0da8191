#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

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
  /// A place for `size` bytes, behind all places before; nullopt when it would exceed the store's
  /// limit.
  virtual std::optional<std::uint64_t> reserve(std::size_t size) = 0;
  /// Fills a place with these pieces, which are as long as it is; false when that failed.
  virtual bool write(std::uint64_t where, std::span<const ByteView> pieces) = 0;
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
    MessagePtr message;                  // null: in the store, or lost when it has no place there
    std::optional<std::uint64_t> where;  // its place in the store
    std::size_t size = 0;  // of what is in memory, or in the store when it has a place
    ReaderId reader = kEveryReader;
  };

  Entry& at(std::uint64_t position) { return entries_[position - begin_]; }
  void spill();
  void put_by(Entry& entry);
  void put_by(std::vector<Entry*>& run);
  MessagePtr load(Entry& entry);

  std::size_t memory_bytes_max_;
  std::unique_ptr<JournalStore> store_;
  std::deque<Entry> entries_;
  std::uint64_t begin_ = 0;            // position of entries_.front()
  std::uint64_t first_in_memory_ = 0;  // entries before it are in the store, lost or in held_
  std::deque<std::uint64_t> held_;     // to be put by as soon as no reader has them any more
  std::size_t memory_bytes_ = 0;       // of the entries from first_in_memory_ on
};

}  // namespace perijove
