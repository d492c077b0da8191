#include "api/executor_thread.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "api/execution_call.hpp"
#include "engine/gateway_runtime.hpp"
#include "io/signal_free_thread.hpp"

namespace perijove {

Error executor_ended() {
  return {Code::failed_precondition, "the executor has ended; start another one"};
}

Result<std::shared_ptr<ExecutorThread>> ExecutorThread::start(GatewayOptions gateway,
                                                              CodeSessionOptions session,
                                                              CheckpointStoreOptions checkpoints) {
  std::shared_ptr<ExecutorThread> self(new ExecutorThread());
  const auto started = std::make_shared<Started>();  // its setter may still be in it when we leave
  auto outcome = started->get_future();
  self->thread_ = signal_free_thread([thread = self.get(), started, gateway = std::move(gateway),
                                      session = std::move(session),
                                      checkpoints = std::move(checkpoints)]() mutable {
    thread->run(std::move(gateway), std::move(session), std::move(checkpoints), *started);
  });
  const Result<void> ready = outcome.get();
  if (!ready) {
    self->stop();
    return ready.error();
  }
  return self;
}

ExecutorThread::~ExecutorThread() { stop(); }

void ExecutorThread::run(GatewayOptions gateway, CodeSessionOptions options,
                         CheckpointStoreOptions checkpoints, Started& started) {
  pthread_setname_np(pthread_self(), "perijove");
  auto created = GatewayRuntime::create(std::move(gateway));
  if (!created) {
    started.set_value(created.error());
    return;
  }
  const std::unique_ptr<GatewayRuntime> runtime = *std::move(created);
  Shard& shard = runtime->shard();
  auto session = CodeSession::create(shard, runtime->registry(), std::move(options), [] {});
  if (!session) {
    started.set_value(session.error());
    return;
  }
  session_ = *std::move(session);
  checkpoints_ = std::make_shared<CheckpointStore>(shard, std::move(checkpoints));
  session_->auto_checkpoints().keep_in(checkpoints_);
  end_ = [this, &shard, &registry = runtime->registry()] {
    registry.drain();
    session_->stop([&shard, &registry](const Result<void>&) {
      registry.stop_all([&shard] { shard.stop(); });
    });
  };
  {
    const std::lock_guard lock(mutex_);
    loop_ = &shard.loop();
  }
  const auto guard = boost::asio::make_work_guard(shard.loop());
  session_->prepare([&](const Result<void>& ready) { started.set_value(ready); });
  shard.run();
  ended();
}

void ExecutorThread::ended() {
  {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;  // nobody follows from now on
  }
  for (const auto& call : calls()) call->thread_ended();
  end_ = nullptr;
  checkpoints_.reset();
  session_.reset();
}

bool ExecutorThread::post(std::function<void(CodeSession&)> work) {
  const std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return false;
  boost::asio::post(*loop_, [this, work = std::move(work)] { work(*session_); });
  return true;
}

bool ExecutorThread::follow(const std::shared_ptr<ExecutionCall>& call) {
  const std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return false;
  std::erase_if(calls_, [](const auto& each) { return each.expired(); });
  calls_.push_back(call);
  return true;
}

std::vector<std::shared_ptr<ExecutionCall>> ExecutorThread::calls() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ExecutionCall>> found;
  for (const auto& each : calls_) {
    if (auto call = each.lock()) found.push_back(std::move(call));
  }
  return found;
}

void ExecutorThread::stop() {
  post([this](CodeSession&) {
    if (const auto end = std::exchange(end_, nullptr)) end();
  });
  const std::lock_guard lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

}  // namespace perijove
