#include "executor/session_pool.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.hpp"
#include "protocol/json.hpp"

namespace perijove {

using nlohmann::json;

SessionPool::SessionPool(Shard& shard, SessionPoolOptions options, Hooks hooks)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      stock_(std::make_shared<WarmStock<CodeSession>>(
          shard, options_.size,
          WarmStock<CodeSession>::Hooks{
              .make = [this] { return make(); },
              .prepare = [](const auto& session,
                            auto ready) { session->prepare(std::move(ready)); },
              .usable = [](const CodeSession& session) { return session.ready(); },
              .discard =
                  [this](const auto& session, const char* why) {
                    if (why != nullptr) {
                      log::warning(
                          "pool_session_lost",
                          {{"pool", options_.name}, {"session", session->id()}, {"why", why}});
                    }
                    hooks_.discard(session);
                  },
              .room = [this] { return !full(); },
              .failed =
                  [this](const Error& error) {
                    log::warning("pool_session_failed",
                                 {{"pool", options_.name}, {"error", error.message}});
                  }})) {}

bool SessionPool::full() const {
  return options_.sessions_max > 0 && waiting() + taken_.size() >= options_.sessions_max;
}

json SessionPool::to_json() const {
  const auto session = parse_json(options_.session.config);
  const auto& error = stock_->last_error();
  return {{"name", options_.name},
          {"size", options_.size},
          {"max", options_.sessions_max},
          {"ready", stock_->ready()},
          {"starting", stock_->starting()},
          {"taken", taken_.size()},
          {"last_error", error ? json(error->message) : json()},
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

Result<std::shared_ptr<CodeSession>> SessionPool::take() {
  auto session = stock_->take();
  if (!session) {
    if (full()) {
      return Error{Code::resource_exhausted, "all " + std::to_string(options_.sessions_max) +
                                                 " sessions of the pool '" + options_.name +
                                                 "' are in use"};
    }
    auto made = make();
    if (!made) return made.error();
    session = *std::move(made);
    stock_->fill_soon();
  }
  taken_.insert(session->id());
  return session;
}

void SessionPool::ended(std::string_view session_id) {
  const auto found = taken_.find(session_id);
  if (found != taken_.end()) taken_.erase(found);
  stock_->forget([&](const CodeSession& session) { return session.id() == session_id; });
  fill();
}

void SessionPool::change(SessionPoolOptions options) {
  const bool other = options.session.config != options_.session.config ||
                     options.session.env != options_.session.env;
  options_ = std::move(options);
  if (other) {
    stock_->keep_only([](const CodeSession&) { return false; });
  }
  stock_->resize(options_.size);
}

void SessionPool::stop() { stock_->stop(); }

}  // namespace perijove
