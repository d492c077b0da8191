#include "executor/event_log.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/limits.hpp"
#include "base/time.hpp"
#include "protocol/json.hpp"
#include "protocol/json_scan.hpp"

namespace perijove {

void EventLog::add(std::string type, nlohmann::json data) {
  data["seq"] = next_seq_;
  data["ts"] = format_utc(std::chrono::system_clock::now());
  data["type"] = type;
  append(std::move(type), dump_json(data));
}

// Without a JSON tree: what floods is text, and every copy of it would be seen in memory and time.
void EventLog::add_text(std::string type, std::size_t block, std::string_view text) {
  constexpr std::size_t kRestBytes = 128;
  std::string json;
  json.reserve(text.size() + text.size() / 16 + kRestBytes);
  json += R"({"block":)" + std::to_string(block) + R"(,"seq":)" + std::to_string(next_seq_) +
          R"(,"text":)";
  append_json_string(json, text);
  json += R"(,"ts":")" + format_utc(std::chrono::system_clock::now()) + R"(","type":)";
  append_json_string(json, type);
  json += '}';
  append(std::move(type), std::move(json));
}

void EventLog::append(std::string type, std::string json) {
  ExecutionEvent event{.seq = next_seq_++, .type = std::move(type), .json = std::move(json)};
  bytes_ += event.json.size();
  events_.push_back(std::move(event));
  while (bytes_ > limits::kExecutionEventsBytesMax && events_.size() > 1) {
    bytes_ -= events_.front().json.size();
    events_.pop_front();
  }
  closed_ = false;
  notify();
}

EventLog::Slice EventLog::events(std::uint64_t from, std::size_t count) const {
  Slice found;
  if (events_.empty()) return found;
  const std::uint64_t first = events_.front().seq;
  if (from < first) found.missed = first - std::max<std::uint64_t>(from, 1);
  const std::uint64_t begin = std::max(from, first) - first;
  for (std::uint64_t i = begin; i < events_.size() && found.events.size() < count; ++i) {
    found.events.push_back(&events_[i]);
  }
  return found;
}

std::shared_ptr<void> EventLog::listen(std::function<void()> on_events) {
  auto listener = std::make_shared<std::function<void()>>(std::move(on_events));
  std::erase_if(listeners_, [](const auto& each) { return each.expired(); });
  listeners_.push_back(listener);
  return listener;
}

void EventLog::notify() {
  if (std::exchange(notify_posted_, true)) return;
  boost::asio::post(shard_.loop(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->notify_posted_ = false;
    const auto listeners = self->listeners_;  // a call may add or drop some
    for (const auto& each : listeners) {
      if (const auto call = each.lock()) (*call)();
    }
  });
}

}  // namespace perijove
