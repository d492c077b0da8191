#include "model/request_table.hpp"

#include <iterator>

namespace perijove {

void RequestTable::add(OutstandingRequest request) {
  remove(request.msg_id);  // sent again under the same id: the latest sender gets the reply
  if (requests_.size() >= requests_max_) remove(std::string(requests_.front().msg_id));
  requests_.push_back(std::move(request));
  by_id_.emplace(requests_.back().msg_id, std::prev(requests_.end()));
}

const OutstandingRequest* RequestTable::find(ByteView msg_id) const {
  const auto found = by_id_.find(msg_id);
  return found == by_id_.end() ? nullptr : &*found->second;
}

bool RequestTable::remove(ByteView msg_id) {
  const auto found = by_id_.find(msg_id);
  if (found == by_id_.end()) return false;
  const auto request = found->second;
  std::erase_if(due_, [&](const Due& due) { return due.msg_id == request->msg_id; });
  by_id_.erase(found);  // before the text that its key views
  requests_.erase(request);
  return true;
}

void RequestTable::idle_seen(ByteView msg_id, TimePoint now) {
  if (find(msg_id) != nullptr) due_.push_back({now + kReplyAfterIdle, std::string(msg_id)});
}

std::vector<OutstandingRequest> RequestTable::take_unanswered(TimePoint now) {
  std::vector<OutstandingRequest> unanswered;
  while (!due_.empty() && due_.front().at <= now) {
    const std::string msg_id = due_.front().msg_id;
    unanswered.push_back(*find(msg_id));
    remove(msg_id);
  }
  return unanswered;
}

std::optional<TimePoint> RequestTable::next_deadline() const {
  return due_.empty() ? std::nullopt : std::optional(due_.front().at);
}

std::vector<OutstandingRequest> RequestTable::take_all() {
  by_id_.clear();
  due_.clear();
  std::vector<OutstandingRequest> all(std::make_move_iterator(requests_.begin()),
                                      std::make_move_iterator(requests_.end()));
  requests_.clear();
  return all;
}

}  // namespace perijove
