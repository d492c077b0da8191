#include "host.hpp"

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace bench {

namespace {

constexpr std::size_t kParallel = 8;

/// Runs `work(0..count-1)` on a few threads; rethrows the first exception once all have stopped.
void in_parallel(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < std::min(count, kParallel); ++i) {
    threads.emplace_back([&] {
      for (std::size_t item = next++; item < count; item = next++) {
        try {
          work(item);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!failure) failure = std::current_exception();
          next = count;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

std::vector<std::unique_ptr<Kernel>> start_kernels(Host& host, const std::string& kernelspec,
                                                   std::size_t count) {
  std::vector<std::unique_ptr<Kernel>> kernels(count);
  in_parallel(count, [&](std::size_t i) { kernels[i] = host.start_kernel(kernelspec); });
  return kernels;
}

void shut_down_kernels(std::vector<std::unique_ptr<Kernel>>& kernels) {
  in_parallel(kernels.size(), [&](std::size_t i) { kernels[i].reset(); });
  kernels.clear();
}

}  // namespace bench
