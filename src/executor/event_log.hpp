#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "io/shard.hpp"

namespace perijove {

/// One step of something that runs, for those who follow it.
struct ExecutionEvent {
  std::uint64_t seq = 0;  ///< From 1, without gaps.
  std::string type;       ///< `started`, `stdout`, `display`, `done` ...
  std::string json;       ///< The whole event as one line of JSON, `seq` and `ts` included.
};

/// The events of an execution or a job, numbered and kept up to a limit, so that whoever comes late
/// or comes back gets what they missed. Shard thread only; held by shared_ptr.
class EventLog : public std::enable_shared_from_this<EventLog> {
 public:
  explicit EventLog(Shard& shard) : shard_(shard) {}

  /// Adds an event; `data` is an object, and gets its number, time and type besides.
  void add(std::string type, nlohmann::json data);
  /// The same for what code prints, which may be much: `block` and `text` are its data.
  void add_text(std::string type, std::size_t block, std::string_view text);
  /// There will be none for now. A later add() opens the log again.
  void close() { closed_ = true; }
  bool closed() const { return closed_; }

  /// Events from number `from` on, at most `count`. `missed`: how many of them are not kept any
  /// more. Pointers are good until the next turn of the loop.
  struct Slice {
    std::uint64_t missed = 0;
    std::vector<const ExecutionEvent*> events;
  };
  Slice events(std::uint64_t from, std::size_t count) const;

  /// Calls back whenever there are new events, never during another call of this class, until the
  /// returned share is dropped.
  std::shared_ptr<void> listen(std::function<void()> on_events);

 private:
  void append(std::string type, std::string json);
  void notify();

  Shard& shard_;
  std::deque<ExecutionEvent> events_;
  std::uint64_t next_seq_ = 1;
  std::size_t bytes_ = 0;
  bool closed_ = false;
  std::vector<std::weak_ptr<std::function<void()>>> listeners_;
  bool notify_posted_ = false;
};

}  // namespace perijove
