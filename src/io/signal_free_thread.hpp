#pragma once

#include <signal.h>

#include <thread>
#include <utility>

#include "base/scope.hpp"

namespace perijove {

/// A thread on which no signal is ever handled: those are the embedding program's business.
template <typename Work>
std::thread signal_free_thread(Work&& work) {
  // A new thread inherits what is blocked.
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  const ScopeExit restore([&] { pthread_sigmask(SIG_SETMASK, &before, nullptr); });
  return std::thread(std::forward<Work>(work));
}

}  // namespace perijove
