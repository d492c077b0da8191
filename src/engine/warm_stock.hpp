#pragma once

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "io/shard.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// Things that take long until they can be used (kernels, sessions), begun before anybody asks.
/// Each is handed out once. Shard thread only; held by shared_ptr, by an owner that its hooks do
/// not destroy.
template <typename Item>
class WarmStock : public std::enable_shared_from_this<WarmStock<Item>> {
 public:
  using Ready = std::function<void(const Result<void>&)>;
  struct Hooks {
    /// Makes one, which need not be ready.
    std::function<Result<std::shared_ptr<Item>>()> make;
    /// Readies it; the callback is called once, also during the call.
    std::function<void(const std::shared_ptr<Item>&, Ready)> prepare;
    /// Whether one that was ready still is.
    std::function<bool(const Item&)> usable;
    /// Ends one that nobody has taken; `why` is an error when it failed, else nullptr.
    std::function<void(const std::shared_ptr<Item>&, const char* why)> discard;
    /// Whether there may be one more than there are.
    std::function<bool()> room = [] { return true; };
    /// One could not be made or readied.
    std::function<void(const Error&)> failed;
  };

  WarmStock(Shard& shard, std::size_t size, Hooks hooks)
      : shard_(shard), size_(size), hooks_(std::move(hooks)), retry_(shard.loop()) {}

  /// Those that nobody has taken.
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t ready() const { return count(true); }
  std::size_t starting() const { return count(false); }
  /// Why the last one could not be made ready; nullopt since one could.
  const std::optional<Error>& last_error() const { return last_error_; }

  /// Drops what is not usable any more, begins to make what is missing, and goes on by itself. When
  /// one cannot be made ready the next try is 1 s later, then 2 s, at last once a minute.
  void fill() {
    drop_unless(hooks_.usable);
    while (!stopped_ && !retry_is_set_ && waiting_.size() < size_ && hooks_.room() &&
           starting() < limits::kPoolStartsAtOnceMax) {
      auto made = hooks_.make();
      if (!made) {
        try_again_later(made.error());
        return;
      }
      waiting_.push_back({.item = *made});
      hooks_.prepare(*made,
                     [weak = this->weak_from_this(), item = *made](const Result<void>& ready) {
                       if (const auto self = weak.lock()) self->prepared(item, ready);
                     });
    }
  }

  /// One that `fits` (all do when it is null): a ready one, else one that is starting, else
  /// nullptr. Another takes its place.
  std::shared_ptr<Item> take(const std::function<bool(const Item&)>& fits = nullptr) {
    drop_unless(hooks_.usable);
    for (const bool ready : {true, false}) {
      const auto chosen = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& each) {
        return each.ready == ready && (!fits || fits(*each.item));
      });
      if (chosen == waiting_.end()) continue;
      const auto item = std::move(chosen->item);
      waiting_.erase(chosen);
      fill_soon();
      return item;
    }
    return nullptr;
  }

  /// Fills once whoever is being served has had his answer.
  void fill_soon() {
    boost::asio::post(shard_.loop(), [weak = this->weak_from_this()] {
      if (const auto self = weak.lock()) self->fill();
    });
  }

  /// Those that have ended by themselves.
  void forget(const std::function<bool(const Item&)>& ended) {
    std::erase_if(waiting_, [&](const Waiting& each) { return ended(*each.item); });
  }

  /// Discards those that do not fit, ready or not.
  void keep_only(const std::function<bool(const Item&)>& fits) {
    drop_if([&](const Waiting& each) { return !fits(*each.item); }, nullptr);
  }

  /// Changes how many are kept, and forgets failures: whatever they were, it may be over.
  void resize(std::size_t size) {
    size_ = size;
    shrink();
    failures_ = 0;
    retry_is_set_ = false;
    retry_.cancel();
    fill();
  }

  /// Discards all, and makes no more.
  void stop() {
    stopped_ = true;
    size_ = 0;
    retry_.cancel();
    shrink();
  }

 private:
  struct Waiting {
    std::shared_ptr<Item> item;
    bool ready = false;
  };

  std::size_t count(bool ready) const {
    return static_cast<std::size_t>(
        std::count_if(waiting_.begin(), waiting_.end(),
                      [&](const Waiting& each) { return each.ready == ready; }));
  }

  void drop_unless(const std::function<bool(const Item&)>& usable) {
    drop_if([&](const Waiting& each) { return each.ready && !usable(*each.item); },
            "it is not usable any more");
  }

  // Discarding calls back into here, so the list is in order before.
  template <typename Condition>
  void drop_if(Condition condition, const char* why) {
    const auto lost = std::stable_partition(waiting_.begin(), waiting_.end(),
                                            [&](const Waiting& each) { return !condition(each); });
    const std::vector<Waiting> dropped(std::make_move_iterator(lost),
                                       std::make_move_iterator(waiting_.end()));
    waiting_.erase(lost, waiting_.end());
    for (const Waiting& each : dropped) hooks_.discard(each.item, why);
  }

  void shrink() {
    while (waiting_.size() > size_) {
      const auto surplus = std::move(waiting_.back().item);
      waiting_.pop_back();
      hooks_.discard(surplus, nullptr);
    }
  }

  void prepared(const std::shared_ptr<Item>& item, const Result<void>& ready) {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const Waiting& each) { return each.item == item; });
    if (found == waiting_.end()) return;  // taken meanwhile: whoever has it sees for himself
    if (ready) {
      found->ready = true;
      failures_ = 0;
      last_error_.reset();
    } else {
      waiting_.erase(found);
      hooks_.discard(item, "it did not become ready");
      try_again_later(ready.error());
    }
    fill_soon();
  }

  void try_again_later(const Error& error) {
    last_error_ = error;
    hooks_.failed(error);
    if (retry_is_set_ || stopped_) return;
    constexpr int kDoublingsMax = 6;
    const Duration pause = std::chrono::seconds(1) * (1 << std::min(failures_++, kDoublingsMax));
    retry_is_set_ = true;
    retry_.expires_after(std::min<Duration>(pause, limits::kPoolRetryMax));
    retry_.async_wait([weak = this->weak_from_this()](const boost::system::error_code& cancelled) {
      const auto self = weak.lock();
      if (cancelled || !self) return;
      self->retry_is_set_ = false;
      self->fill();
    });
  }

  Shard& shard_;
  std::size_t size_;
  Hooks hooks_;
  std::vector<Waiting> waiting_;  // oldest first
  boost::asio::steady_timer retry_;
  bool retry_is_set_ = false;
  int failures_ = 0;  // in a row
  std::optional<Error> last_error_;
  bool stopped_ = false;
};

}  // namespace perijove
