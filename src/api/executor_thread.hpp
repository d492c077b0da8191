#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/gateway_options.hpp"
#include "executor/checkpoint_store.hpp"
#include "executor/code_session.hpp"

namespace perijove {

class ExecutionCall;

/// What a call gets that comes after the end.
Error executor_ended();

/// One code session on a shard with a thread of its own: the bridge from threads that block to the
/// loop that does not. Every member may be called from any other thread than that one.
class ExecutorThread {
 public:
  /// Returns when the session's kernel answers. Errors: those of GatewayRuntime::create,
  /// CodeSession::create and CodeSession::prepare.
  static Result<std::shared_ptr<ExecutorThread>> start(GatewayOptions gateway,
                                                       CodeSessionOptions session,
                                                       CheckpointStoreOptions checkpoints);
  /// As stop().
  ~ExecutorThread();

  /// Runs `work` on the thread. False when the thread has ended, and will not run it. Work that the
  /// thread has no time for any more before its end is destroyed there.
  bool post(std::function<void(CodeSession&)> work);

  /// Those of the session; on the thread only, in what post() runs.
  CheckpointStore& checkpoints() { return *checkpoints_; }

  /// Whom to tell of the end: ExecutionCall::thread_ended. False when it has come already.
  bool follow(const std::shared_ptr<ExecutionCall>& call);
  /// Those that are under way.
  std::vector<std::shared_ptr<ExecutionCall>> calls() const;

  /// Ends the session and its kernels, and waits for that. What runs or waits is cancelled.
  void stop();

 private:
  using Started = std::promise<Result<void>>;

  ExecutorThread() = default;
  void run(GatewayOptions gateway, CodeSessionOptions options, CheckpointStoreOptions checkpoints,
           Started& started);
  void ended();

  mutable std::mutex mutex_;
  boost::asio::io_context* loop_ = nullptr;          // guarded by mutex_; null: not running
  std::vector<std::weak_ptr<ExecutionCall>> calls_;  // guarded by mutex_
  std::shared_ptr<CodeSession> session_;             // its thread only
  std::shared_ptr<CheckpointStore> checkpoints_;       // its thread only
  std::function<void()> end_;                        // its thread only
  std::mutex join_mutex_;
  std::thread thread_;  // guarded by join_mutex_
};

}  // namespace perijove
