#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
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

  /// Takes all of them out, oldest first: the process that owed the replies is gone.
  std::vector<OutstandingRequest> take_all();

  std::size_t size() const { return by_id_.size(); }

 private:
  std::size_t requests_max_;
  std::list<OutstandingRequest> requests_;  // oldest first
  std::unordered_map<std::string_view, std::list<OutstandingRequest>::iterator> by_id_;
};

}  // namespace perijove
