#include "perijove/executor_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "io/signal_free_thread.hpp"

namespace perijove {

namespace fs = std::filesystem;

class ExecutorPool::Impl {
 public:
  Impl(ExecutorOptions options, std::size_t size)
      : options_(std::move(options)), root_(options_.work_dir), size_(size) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    for (Executor& each : ready_) static_cast<void>(discard(std::move(each)));
  }

  Result<void> begin() {
    auto first = start();
    if (!first) return first.error();
    ready_.push_back(*std::move(first));
    thread_ = signal_free_thread([this] { keep_filled(); });
    return {};
  }

  Result<Executor> acquire() {
    {
      const std::lock_guard lock(mutex_);
      if (!ready_.empty()) {
        Executor taken = std::move(ready_.front());
        ready_.pop_front();
        changed_.notify_all();
        return taken;
      }
    }
    return start();
  }

  Result<void> release(Executor executor) {
    if (fs::path(executor.work_dir()).parent_path() != root_) {
      return Error{Code::invalid_argument,
                   "the executor of " + executor.work_dir() + " is not of this pool"};
    }
    return discard(std::move(executor));
  }

  std::size_t ready() const {
    const std::lock_guard lock(mutex_);
    return ready_.size();
  }

 private:
  Result<Executor> start() const {
    ExecutorOptions options = options_;
    options.work_dir = root_ / random_hex(8);
    return Executor::start(options);
  }

  static Result<void> discard(Executor executor) {
    const std::string directory = executor.work_dir();
    { const Executor ended = std::move(executor); }
    std::error_code error;
    fs::remove_all(directory, error);
    if (!error) return {};
    return Error{Code::permission_denied, directory + " could not be removed: " + error.message()};
  }

  void keep_filled() {
    std::unique_lock lock(mutex_);
    auto pause = std::chrono::seconds(1);
    while (!stopping_) {
      if (ready_.size() >= size_) {
        changed_.wait(lock);
        continue;
      }
      lock.unlock();
      auto started = start();
      lock.lock();
      if (started) {
        ready_.push_back(*std::move(started));
        pause = std::chrono::seconds(1);
      } else {
        // Whoever needs one meanwhile is told why by acquire().
        changed_.wait_for(lock, pause, [this] { return stopping_; });
        pause = std::min(pause * 2, limits::kPoolRetryMax);
      }
    }
  }

  const ExecutorOptions options_;
  const fs::path root_;
  const std::size_t size_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Executor> ready_;  // guarded by mutex_ once the thread runs
  bool stopping_ = false;       // guarded by mutex_
  std::thread thread_;
};

Result<ExecutorPool> ExecutorPool::create(const ExecutorOptions& options, std::size_t size) {
  ExecutorOptions of_each = options;
  std::error_code error;
  of_each.work_dir = fs::absolute(options.work_dir.empty() ? "." : options.work_dir, error)
                         .lexically_normal()
                         .string();
  if (error) {
    return Error{Code::not_found, "work_dir '" + options.work_dir + "': " + error.message()};
  }
  if (of_each.work_dir.size() > 1 && of_each.work_dir.back() == '/') of_each.work_dir.pop_back();
  auto impl = std::make_unique<Impl>(std::move(of_each), std::max<std::size_t>(size, 1));
  if (const auto begun = impl->begin(); !begun) return begun.error();
  return ExecutorPool(std::move(impl));
}

ExecutorPool::ExecutorPool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ExecutorPool::ExecutorPool(ExecutorPool&&) noexcept = default;
ExecutorPool& ExecutorPool::operator=(ExecutorPool&&) noexcept = default;
ExecutorPool::~ExecutorPool() = default;

Result<Executor> ExecutorPool::acquire() { return impl_->acquire(); }
Result<void> ExecutorPool::release(Executor executor) {
  return impl_->release(std::move(executor));
}
std::size_t ExecutorPool::ready() const { return impl_->ready(); }

}  // namespace perijove
