#pragma once

#include <pthread.h>
#include <semaphore.h>

#include <atomic>
#include <thread>

namespace perijove::kernels::python {

/// Sees to it that Python takes notice of a signal. Its C handler only leaves a note, which Python
/// reads before the next step or when a system call fails with EINTR; a signal that comes between
/// the two, just before the call, would wait until the call ends by itself.
///
/// A thread of its own signals the main thread again, by SIGURG, for which nobody waits, until the
/// note has been read.
class Nudge {
 public:
  /// On the main thread, which is the one to be nudged.
  Nudge();
  ~Nudge();
  Nudge(const Nudge&) = delete;
  Nudge& operator=(const Nudge&) = delete;

  /// A note was left. Safe in signal handlers.
  void begin() noexcept;
  /// Python has read it.
  void end() noexcept { unread_ = false; }

 private:
  void run(const std::stop_token& stop);

  const pthread_t main_thread_;
  std::atomic<bool> unread_ = false;
  sem_t noted_;
  std::jthread thread_;
};

}  // namespace perijove::kernels::python
