#pragma once

#include <gmock/gmock.h>

#include <charconv>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "perijove/executor.hpp"
#include "support/processes.hpp"
#include "support/temp_dir.hpp"

namespace perijove {

inline constexpr char kBuiltKernels[] = PERIJOVE_BINARY_DIR "/share/jupyter/kernels";
inline constexpr char kSystemKernels[] = "/usr/share/jupyter/kernels";
// How long what must happen may take; a test that passes never waits that long.
inline constexpr auto kPatience = std::chrono::seconds(60);

// A flag that one thread waits for and another raises.
class Signal {
 public:
  void raise() {
    const std::lock_guard lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [this] { return raised_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

// Looks again and again at what no event announces.
template <typename Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

/// Executors on the kernels of this build, in a temporary directory.
class ExecutorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(std::string(kBuiltKernels) + "/perijove-echo")) {
      GTEST_SKIP() << "the echo kernel is not built: " << kBuiltKernels;
    }
  }

  ExecutorOptions options(const std::string& kernel = "perijove-echo") const {
    ExecutorOptions options;
    options.kernel_name = kernel;
    options.isolation = "none";
    options.work_dir = temp_.str() + "/work";
    options.runtime_dir = temp_.str() + "/run";
    options.state_dir = temp_.str() + "/state";
    options.kernelspec_dirs = {kBuiltKernels, kSystemKernels};
    return options;
  }

  static Executor start(const ExecutorOptions& options) {
    auto executor = Executor::start(options);
    if (!executor) throw std::runtime_error(executor.error().message);
    return *std::move(executor);
  }

  static CodeResult run(Executor& executor, const std::string& code,
                        const ExecuteOptions& options = {}) {
    auto result = executor.execute({{.code = code}}, options);
    if (!result) throw std::runtime_error(result.error().message);
    return *std::move(result);
  }

  static pid_t kernel_pid(Executor& executor) {
    const std::string text = run(executor, "pid").output;
    pid_t pid = 0;
    std::from_chars(text.data(), text.data() + text.size(), pid);
    EXPECT_TRUE(testing::is_running(pid)) << text;
    return pid;
  }

  // Runs `sleep` in a thread of its own; `begun` is raised when the kernel is at it.
  static std::future<Result<CodeResult>> begin_sleep(Executor& executor, Signal& begun,
                                                     std::stop_token stop = {}) {
    return std::async(std::launch::async, [&executor, &begun, stop] {
      ExecuteOptions options;
      options.timeout = kNoLimit;
      options.stop = stop;
      options.on_output = [&](const OutputText&) { begun.raise(); };
      return executor.execute({{.code = "print begun\nsleep 600"}}, options);
    });
  }

  const testing::TempDir temp_;
};

}  // namespace perijove
