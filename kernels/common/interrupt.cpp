#include "common/interrupt.hpp"

#include <poll.h>

#include <algorithm>
#include <csignal>

namespace perijove::kernels {
namespace {

std::atomic<Interrupt*> sigint_target = nullptr;
static_assert(std::atomic<Interrupt*>::is_always_lock_free &&
                  std::atomic<bool>::is_always_lock_free,
              "signal handlers may touch lock-free atomics only");

}  // namespace

void Interrupt::on_sigint(int) {
  if (Interrupt* target = sigint_target.load()) target->request(Origin::kSignal);
}

void Interrupt::request(Origin origin) noexcept {
  if (ignoring_) return;
  requested_ = true;
  wakeup_.set();
  if (relay_ != nullptr) relay_(origin);
}

void Interrupt::forget() noexcept {
  // In this order: a request() in between may leave the descriptor readable for nothing, which
  // sleep_for() bears, but never a wish that no poll() notices.
  wakeup_.clear();
  requested_ = false;
}

void Interrupt::check() const {
  if (requested()) throw Interrupted();
}

void Interrupt::sleep_for(std::chrono::duration<double> duration) const {
  using std::chrono::steady_clock;
  constexpr double kAtMostSeconds = 86400.0 * 365;  // longer waits would overflow the clock
  const auto end = steady_clock::now() +
                   std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(
                       std::clamp(duration.count(), 0.0, kAtMostSeconds)));
  for (;;) {
    check();
    const auto left = end - steady_clock::now();
    if (left <= steady_clock::duration::zero()) return;
    const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
    const timespec timeout{static_cast<time_t>(nanoseconds / 1'000'000'000),
                           static_cast<long>(nanoseconds % 1'000'000'000)};
    pollfd wanted{fd(), POLLIN, 0};
    if (ppoll(&wanted, 1, &timeout, nullptr) > 0 && !requested()) wakeup_.clear();
  }
}

void Interrupt::catch_sigint(SystemCalls system_calls) {
  sigint_target = this;
  struct sigaction action = {};
  action.sa_handler = on_sigint;
  action.sa_flags = system_calls == SystemCalls::kResume ? SA_RESTART : 0;
  sigaction(SIGINT, &action, nullptr);
  // A shell starts background jobs with SIGINT ignored, and a launcher may have blocked it.
  sigset_t interrupt_only;
  sigemptyset(&interrupt_only);
  sigaddset(&interrupt_only, SIGINT);
  sigprocmask(SIG_UNBLOCK, &interrupt_only, nullptr);
}

}  // namespace perijove::kernels
