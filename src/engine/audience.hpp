#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "model/journal.hpp"

namespace perijove {

/// One who follows a kernel: a websocket, or something inside the gateway. Shard thread only.
class KernelListener {
 public:
  virtual ~KernelListener() = default;
  /// The journal has more: read until nothing is left, or until it is enough for now.
  virtual void on_messages() = 0;
  /// The kernel takes messages again after submit() said that it was congested.
  virtual void on_writable() = 0;
  /// Another listener has attached with this one's session id, and is its successor.
  virtual void on_replaced() = 0;
  /// Its process has ended, wanted or not; what it still said is in the journal. What was asked of
  /// it is answered with errors next. It may be started again.
  virtual void on_process_gone(std::string_view reason) { (void)reason; }
  /// The kernel is dead or deleted; its last messages are in the journal. The last call.
  virtual void on_kernel_gone(std::string_view reason) = 0;
};

/// The followers of one kernel and the journal they read from. A session that lost its connection
/// stays on as long as limits::kDetachedSessionKept, so that its client can come back with the same
/// session id and get everything it missed. Shard thread only.
class Audience {
 public:
  Audience(std::size_t journal_memory_bytes_max, std::unique_ptr<JournalStore> store)
      : journal_(journal_memory_bytes_max, std::move(store)) {}

  /// `session_id` may be empty: such a listener is forgotten when it detaches. With the id of a
  /// detached session it goes on where that one stopped; with that of an attached one it replaces
  /// it.
  ReaderId attach(std::string session_id, KernelListener& listener);
  /// Does nothing when another listener has replaced this one meanwhile.
  void detach(ReaderId reader, const KernelListener& listener, TimePoint now);

  /// Appends a message for one reader or for all; notify() tells them.
  void publish(MessagePtr message, ReaderId reader = kEveryReader);

  /// The next message for this reader.
  Journal::Read read(ReaderId reader);
  /// What was read up to `position` has surely reached the client; the rest may be asked for again.
  void acknowledge(ReaderId reader, std::uint64_t position);

  /// Calls on_messages for all who have something to read, and trims.
  void notify(TimePoint now);
  /// Forgets what nobody needs any more.
  void trim();

  /// Calls `function` for each attached listener; it may attach or detach.
  void for_each(const std::function<void(KernelListener&)>& function);
  /// The listener of this reader; nullptr when it is detached or unknown.
  KernelListener* find(ReaderId reader);
  /// The reader with this session id, attached or not; kEveryReader when there is none.
  ReaderId find_session(std::string_view session_id) const;

  std::size_t attached() const;
  const Journal& journal() const { return journal_; }

 private:
  struct Member {
    std::string session_id;
    KernelListener* listener = nullptr;  // null: detached
    std::uint64_t position = 0;          // read up to here
    std::uint64_t acknowledged = 0;      // has surely reached the client up to here
    TimePoint detached_at;
  };

  Member* member(ReaderId reader);
  void forget_lost(TimePoint now);

  Journal journal_;
  std::map<ReaderId, Member> members_;
  ReaderId next_id_ = 1;
  bool unread_ = false;
};

}  // namespace perijove
