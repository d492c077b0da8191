#include "engine/audience.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/limits.hpp"

namespace perijove {

Audience::Member* Audience::member(ReaderId reader) {
  const auto found = members_.find(reader);
  return found == members_.end() ? nullptr : &found->second;
}

ReaderId Audience::find_session(std::string_view session_id) const {
  if (session_id.empty()) return kEveryReader;
  const auto found = std::find_if(members_.begin(), members_.end(), [&](const auto& each) {
    return each.second.session_id == session_id;
  });
  return found == members_.end() ? kEveryReader : found->first;
}

KernelListener* Audience::find(ReaderId reader) {
  Member* const found = member(reader);
  return found == nullptr ? nullptr : found->listener;
}

ReaderId Audience::attach(std::string session_id, KernelListener& listener) {
  const ReaderId known = find_session(session_id);
  if (Member* const back = member(known)) {
    if (KernelListener* const old = std::exchange(back->listener, &listener)) old->on_replaced();
    back->position = back->acknowledged;
    unread_ = true;
    return known;
  }
  const ReaderId id = next_id_++;
  Member& made = members_[id];
  made.session_id = std::move(session_id);
  made.listener = &listener;
  made.position = made.acknowledged = journal_.end();
  return id;
}

void Audience::detach(ReaderId reader, const KernelListener& listener, TimePoint now) {
  Member* const found = member(reader);
  if (found == nullptr || found->listener != &listener) return;
  found->listener = nullptr;
  found->detached_at = now;
  if (found->session_id.empty()) members_.erase(reader);
}

void Audience::publish(MessagePtr message, ReaderId reader) {
  if (members_.empty()) return;  // nobody will ever ask for it
  journal_.append(std::move(message), reader);
  unread_ = true;
}

Journal::Read Audience::read(ReaderId reader) {
  Member* const found = member(reader);
  if (found == nullptr) return {.message = nullptr, .position = 0};
  auto result = journal_.read(found->position, reader);
  found->position = result.position;
  return result;
}

void Audience::acknowledge(ReaderId reader, std::uint64_t position) {
  if (Member* const found = member(reader)) {
    found->acknowledged = std::max(found->acknowledged, position);
  }
}

void Audience::notify(TimePoint now) {
  if (std::exchange(unread_, false)) {
    for_each([](KernelListener& listener) { listener.on_messages(); });
  }
  forget_lost(now);
  trim();
}

void Audience::for_each(const std::function<void(KernelListener&)>& function) {
  std::vector<ReaderId> readers;
  readers.reserve(members_.size());
  for (const auto& [id, each] : members_) {
    if (each.listener != nullptr) readers.push_back(id);
  }
  for (const ReaderId reader : readers) {
    if (KernelListener* const listener = find(reader)) function(*listener);
  }
}

void Audience::forget_lost(TimePoint now) {
  std::erase_if(members_, [&](const auto& each) {
    const Member& seen = each.second;
    return seen.listener == nullptr && now - seen.detached_at > limits::kDetachedSessionKept;
  });
  while (members_.size() - attached() > limits::kDetachedSessionsMax) {
    const auto longest_lost =
        std::min_element(members_.begin(), members_.end(), [](const auto& a, const auto& b) {
          const auto lost_at = [](const Member& each) {
            return each.listener == nullptr ? each.detached_at : TimePoint::max();
          };
          return lost_at(a.second) < lost_at(b.second);
        });
    members_.erase(longest_lost);
  }
}

void Audience::trim() {
  std::uint64_t needed = journal_.end();
  for (const auto& [id, each] : members_) needed = std::min(needed, each.acknowledged);
  journal_.trim(needed);
}

std::size_t Audience::attached() const {
  return static_cast<std::size_t>(
      std::count_if(members_.begin(), members_.end(),
                    [](const auto& each) { return each.second.listener != nullptr; }));
}

}  // namespace perijove
