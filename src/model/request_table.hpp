#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "model/journal.hpp"
#include "protocol/channel.hpp"

namespace perijove {

/// A request that a client sent to a kernel and whose reply is still owed.
struct OutstandingRequest {
  std::string msg_id;
  std::string msg_type;
  std::string header;   ///< JSON text, the parent_header of whatever answers it.
  std::string session;  ///< As the client wrote it; may be empty.
  Channel channel = Channel::shell;
  ReaderId reader = 0;
};

/// Who asked what, so that replies on shell, control and stdin find their way: by msg_id, because
/// smolagents sends a new session with every message and OpenHands an empty one. Only what a client
/// of ours has sent is in here.
/// Bounded: beyond `requests_max` the oldest is forgotten.
class RequestTable {
 public:
  explicit RequestTable(std::size_t requests_max) : requests_max_(requests_max) {}

  void add(OutstandingRequest request);

  /// The request with this id; nullptr when none is outstanding. Valid until the table changes.
  const OutstandingRequest* find(ByteView msg_id) const;

  /// Its reply has come. True when it was outstanding.
  bool remove(ByteView msg_id);

  /// The kernel says that it is done with this request. When its reply does not follow within
  /// kReplyAfterIdle, it never will: an ipykernel that is interrupted before it runs the first line
  /// of a cell says idle and does not reply.
  void idle_seen(ByteView msg_id, TimePoint now);

  /// Takes out those whose reply has not followed in time.
  std::vector<OutstandingRequest> take_unanswered(TimePoint now);

  /// When take_unanswered is to be called next; nullopt while no reply is due.
  std::optional<TimePoint> next_deadline() const;

  /// 5 s; replies come within microseconds of idle, behind a flood within a second.
  static constexpr Duration kReplyAfterIdle = std::chrono::seconds(5);

  /// Takes all of them out, oldest first: the process that owed the replies is gone.
  std::vector<OutstandingRequest> take_all();

  std::size_t size() const { return by_id_.size(); }

 private:
  std::size_t requests_max_;
  struct Due {
    TimePoint at;
    std::string msg_id;
  };

  std::list<OutstandingRequest> requests_;  // oldest first
  std::deque<Due> due_;                     // outstanding ones only, the earliest first
  std::unordered_map<std::string_view, std::list<OutstandingRequest>::iterator> by_id_;
};

}  // namespace perijove
