#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace perijove {

struct ReplyHoldOptions {
  /// How long a reply is kept back since it came, and since the latest output of its request:
  /// behind a flood, iopub is late. 1 s; a kernel that never says idle costs its clients this once
  /// per request.
  Duration wait = std::chrono::seconds(1);
  /// The same in all, for a kernel that prints for ever and never says idle.
  Duration wait_max = std::chrono::seconds(60);
  /// Replies kept back at a time. 1,000; one more lets the oldest go at once. None is ever dropped.
  std::size_t held_max = 1000;
  /// Requests remembered whose idle came before their reply. 1,000; forgetting one costs `wait`.
  std::size_t idles_max = 1000;
};

/// Keeps an execute_reply back until the idle status of the same request has gone out on iopub.
///
/// Shell and iopub are two sockets, so a reply may overtake the outputs of its own request. Clients
/// that stop reading at the reply (OpenHands' execute server; quirk Q18) would miss them.
///
/// How a shell drives it: a reply goes to on_reply instead of to the client; after an idle status
/// was handed to the clients, on_idle; at next_deadline(), on_deadline; at lifecycle::ProcessGone,
/// release_all. Each returns the replies that are to be sent now, in the order in which they came.
/// `Reply` is whatever the shell needs to send one.
template <typename Reply>
class ReplyHold {
 public:
  explicit ReplyHold(ReplyHoldOptions options = {}) : options_(options) {}

  std::vector<Reply> on_reply(ByteView parent_msg_id, Reply reply, TimePoint now) {
    std::vector<Reply> released;
    if (std::erase(idles_, parent_msg_id) != 0 || options_.held_max == 0) {
      released.push_back(std::move(reply));
      return released;
    }
    if (held_.size() == options_.held_max) {
      released.push_back(std::move(held_.front().reply));
      held_.pop_front();
    }
    held_.push_back({std::string(parent_msg_id), std::move(reply), now + options_.wait,
                     now + options_.wait_max});
    return released;
  }

  /// An output of this request has gone out on iopub: its idle cannot be far.
  void on_output(ByteView parent_msg_id, TimePoint now) {
    for (Held& held : held_) {
      if (held.parent_msg_id == parent_msg_id)
        held.until = std::min(now + options_.wait, held.latest);
    }
  }

  std::vector<Reply> on_idle(ByteView parent_msg_id) {
    std::vector<Reply> released =
        release_if([&](const Held& held) { return held.parent_msg_id == parent_msg_id; });
    if (released.empty() && options_.idles_max > 0) {
      if (idles_.size() == options_.idles_max) idles_.pop_front();
      idles_.emplace_back(parent_msg_id);
    }
    return released;
  }

  std::vector<Reply> on_deadline(TimePoint now) {
    return release_if([&](const Held& held) { return held.until <= now; });
  }

  std::vector<Reply> release_all() {
    idles_.clear();
    return release_if([](const Held&) { return true; });
  }

  /// When on_deadline is to be called; nullopt while nothing is held.
  std::optional<TimePoint> next_deadline() const {
    if (held_.empty()) return std::nullopt;
    const auto first = std::min_element(
        held_.begin(), held_.end(), [](const Held& a, const Held& b) { return a.until < b.until; });
    return first->until;
  }

  std::size_t held() const { return held_.size(); }

 private:
  struct Held {
    std::string parent_msg_id;
    Reply reply;
    TimePoint until;
    TimePoint latest;
  };

  template <typename Predicate>
  std::vector<Reply> release_if(Predicate due) {
    std::vector<Reply> released;
    auto kept = held_.begin();
    for (auto at = held_.begin(); at != held_.end(); ++at) {
      if (due(*at)) {
        released.push_back(std::move(at->reply));
      } else {
        if (kept != at) *kept = std::move(*at);
        ++kept;
      }
    }
    held_.erase(kept, held_.end());
    return released;
  }

  ReplyHoldOptions options_;
  std::deque<Held> held_;          ///< Oldest first.
  std::deque<std::string> idles_;  ///< Idle seen, reply not yet; oldest first.
};

}  // namespace perijove
