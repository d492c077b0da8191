#include "python/nudge.hpp"

#include <poll.h>

#include <cerrno>
#include <csignal>

#include "common/signal_free_thread.hpp"

namespace perijove::kernels::python {

Nudge::Nudge() : main_thread_(pthread_self()) {
  sem_init(&noted_, 0, 0);
  struct sigaction action = {};
  action.sa_handler = [](int) {};  // without SA_RESTART: system calls fail with EINTR
  sigaction(SIGURG, &action, nullptr);
  thread_ = signal_free_thread([this](const std::stop_token& stop) { run(stop); });
}

Nudge::~Nudge() {
  thread_.request_stop();
  sem_post(&noted_);
  thread_.join();
  sem_destroy(&noted_);
}

void Nudge::begin() noexcept {
  const int saved_errno = errno;
  unread_ = true;
  sem_post(&noted_);
  errno = saved_errno;
}

void Nudge::run(const std::stop_token& stop) {
  constexpr int kPauseMilliseconds = 20;
  while (!stop.stop_requested()) {
    sem_wait(&noted_);
    while (!stop.stop_requested()) {
      poll(nullptr, 0, kPauseMilliseconds);
      if (!unread_) break;
      pthread_kill(main_thread_, SIGURG);
    }
  }
}

}  // namespace perijove::kernels::python
