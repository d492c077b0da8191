#include "executor/session_pool.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "protocol/json.hpp"

namespace perijove {

using nlohmann::json;

SessionPool::SessionPool(Shard& shard, SessionPoolOptions options, Hooks hooks)
    : shard_(shard), options_(std::move(options)), hooks_(std::move(hooks)), retry_(shard.loop()) {}

std::size_t SessionPool::count(bool ready) const {
  return static_cast<std::size_t>(std::count_if(
      waiting_.begin(), waiting_.end(), [&](const Waiting& each) { return each.ready == ready; }));
}

bool SessionPool::full() const {
  return options_.sessions_max > 0 && waiting_.size() + taken_.size() >= options_.sessions_max;
}

json SessionPool::to_json() const {
  const auto session = parse_json(options_.session.config);
  return {{"name", options_.name},
          {"size", options_.size},
          {"max", options_.sessions_max},
          {"ready", count(true)},
          {"starting", count(false)},
          {"taken", taken_.size()},
          {"last_error", last_error_ ? json(last_error_->message) : json()},
          {"session", session ? *session : json()}};
}

Result<std::shared_ptr<CodeSession>> SessionPool::make() {
  CodeSessionOptions options = options_.session;
  // Its time begins when it is taken.
  options.idle_timeout.reset();
  options.lifetime_max.reset();
  options.pool = options_.name;
  return hooks_.make(std::move(options));
}

void SessionPool::drop_lost() {
  const auto lost = std::stable_partition(
      waiting_.begin(), waiting_.end(),
      [](const Waiting& each) { return !each.ready || each.session->ready(); });
  const std::vector<Waiting> dropped(std::make_move_iterator(lost),
                                     std::make_move_iterator(waiting_.end()));
  waiting_.erase(lost, waiting_.end());
  for (const Waiting& each : dropped) {
    log::warning("pool_session_lost", {{"pool", options_.name}, {"session", each.session->id()}});
    hooks_.discard(each.session);
  }
}

void SessionPool::fill() {
  drop_lost();
  while (!stopped_ && !retry_is_set_ && waiting_.size() < options_.size && !full() &&
         count(false) < limits::kPoolStartsAtOnceMax) {
    auto made = make();
    if (!made) {
      try_again_later(made.error());
      return;
    }
    waiting_.push_back({.session = *made});
    prepare(*made);
  }
}

void SessionPool::prepare(const std::shared_ptr<CodeSession>& session) {
  session->prepare([weak = weak_from_this(), session](const Result<void>& ready) {
    if (const auto self = weak.lock()) self->prepared(session, ready);
  });
}

void SessionPool::prepared(const std::shared_ptr<CodeSession>& session, const Result<void>& ready) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& each) { return each.session == session; });
  if (found == waiting_.end()) return;  // taken meanwhile: whoever has it sees for himself
  if (ready) {
    found->ready = true;
    failures_ = 0;
    last_error_.reset();
  } else {
    waiting_.erase(found);
    hooks_.discard(session);
    try_again_later(ready.error());
  }
  fill();
}

void SessionPool::try_again_later(const Error& error) {
  last_error_ = error;
  log::warning("pool_session_failed", {{"pool", options_.name}, {"error", error.message}});
  if (retry_is_set_ || stopped_) return;
  constexpr int kDoublingsMax = 6;
  const Duration pause = std::chrono::seconds(1) * (1 << std::min(failures_++, kDoublingsMax));
  retry_is_set_ = true;
  retry_.expires_after(std::min<Duration>(pause, limits::kPoolRetryMax));
  retry_.async_wait([weak = weak_from_this()](const boost::system::error_code& cancelled) {
    const auto self = weak.lock();
    if (cancelled || !self) return;
    self->retry_is_set_ = false;
    self->fill();
  });
}

std::vector<SessionPool::Waiting>::iterator SessionPool::first(bool ready) {
  return std::find_if(waiting_.begin(), waiting_.end(),
                      [&](const Waiting& each) { return each.ready == ready; });
}

Result<std::shared_ptr<CodeSession>> SessionPool::take() {
  drop_lost();
  auto chosen = first(true);
  if (chosen == waiting_.end()) chosen = first(false);
  std::shared_ptr<CodeSession> session;
  if (chosen != waiting_.end()) {
    session = std::move(chosen->session);
    waiting_.erase(chosen);
  } else {
    if (full()) {
      return Error{Code::resource_exhausted, "all " + std::to_string(options_.sessions_max) +
                                                 " sessions of the pool '" + options_.name +
                                                 "' are in use"};
    }
    auto made = make();
    if (!made) return made.error();
    session = *std::move(made);
  }
  taken_.insert(session->id());
  // Whoever has it first gets his answer.
  boost::asio::post(shard_.loop(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->fill();
  });
  return session;
}

void SessionPool::ended(std::string_view session_id) {
  const auto found = taken_.find(session_id);
  if (found != taken_.end()) taken_.erase(found);
  std::erase_if(waiting_, [&](const Waiting& each) { return each.session->id() == session_id; });
  fill();
}

void SessionPool::shrink_to(std::size_t size) {
  while (waiting_.size() > size) {
    const auto surplus = std::move(waiting_.back().session);
    waiting_.pop_back();
    hooks_.discard(surplus);
  }
}

void SessionPool::change(SessionPoolOptions options) {
  const bool other = options.session.config != options_.session.config ||
                     options.session.env != options_.session.env;
  options_ = std::move(options);
  shrink_to(other ? 0 : options_.size);
  failures_ = 0;
  retry_is_set_ = false;
  retry_.cancel();
  fill();
}

void SessionPool::stop() {
  stopped_ = true;
  retry_.cancel();
  shrink_to(0);
}

}  // namespace perijove
