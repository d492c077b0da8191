#pragma once

#include <pthread.h>

#include <csignal>
#include <thread>
#include <utility>

namespace perijove::kernels {

/// A thread on which no signal is ever handled: they are for the main thread, where they interrupt
/// the system calls of a running cell.
template <typename Work>
std::jthread signal_free_thread(Work&& work) {
  // A new thread inherits what is blocked.
  struct BlockedSignals {
    BlockedSignals() {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
    }
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
    sigset_t before;
  };
  const BlockedSignals blocked;
  return std::jthread(std::forward<Work>(work));
}

}  // namespace perijove::kernels
