#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "engine/warm_stock.hpp"
#include "executor/code_session.hpp"

namespace perijove {

/// What a pool of sessions is told.
struct SessionPoolOptions {
  std::string name;
  std::size_t size = 1;          ///< Sessions that are kept ready.
  std::size_t sessions_max = 0;  ///< Ready, starting and taken together; 0: only the gateway's.
  CodeSessionOptions session;    ///< What each is made with; without key and directory.
};

/// Sessions that are ready before anybody asks: their files, functions and packages in place, the
/// kernel of their language started and answering. Each is handed out once, and to nobody else
/// after that: one that is given back has been ended, and a fresh one takes its place.
///
/// Shard thread only; held by shared_ptr.
class SessionPool {
 public:
  struct Hooks {
    /// Makes one of the pool's sessions; whoever does calls ended() when it has ended.
    std::function<Result<std::shared_ptr<CodeSession>>(CodeSessionOptions)> make;
    /// Ends one that nobody has taken, with its directory.
    std::function<void(const std::shared_ptr<CodeSession>&)> discard;
  };

  SessionPool(Shard& shard, SessionPoolOptions options, Hooks hooks);

  const SessionPoolOptions& options() const { return options_; }
  /// Sessions that nobody has taken yet.
  std::size_t waiting() const { return stock_->waiting(); }
  /// The pool as REST shows it.
  nlohmann::json to_json() const;

  /// See WarmStock::fill(); to_json() says why none gets ready.
  void fill() { stock_->fill(); }

  /// Hands out a session: a ready one, else one that is starting (what it is asked to run waits
  /// until it is ready), else a new one. resource_exhausted: `sessions_max` are in use; and the
  /// errors of Hooks::make.
  Result<std::shared_ptr<CodeSession>> take();

  /// Takes new options; sessions made with others are discarded, unless they have been taken.
  void change(SessionPoolOptions options);

  /// A session has ended: one of this pool, or of nobody's concern.
  void ended(std::string_view session_id);

  /// Discards those that wait, and makes no more. Those that were taken stay.
  void stop();

 private:
  Result<std::shared_ptr<CodeSession>> make();
  bool full() const;

  SessionPoolOptions options_;
  Hooks hooks_;
  std::set<std::string, std::less<>> taken_;
  const std::shared_ptr<WarmStock<CodeSession>> stock_;
};

}  // namespace perijove
