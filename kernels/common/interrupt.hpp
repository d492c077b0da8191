#pragma once

#include <atomic>
#include <chrono>
#include <exception>

#include "common/wakeup.hpp"

namespace perijove::kernels {

/// Thrown where running code yields to an interrupt.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

/// The user's wish that the running cell should end.
///
/// It comes from an interrupt_request (control thread) or from SIGINT, and concerns the cell that
/// runs at that moment: the server forgets it before each request, so an idle kernel is never
/// disturbed by one. Code that runs for long asks from time to time.
///
/// Threads: every member may be called from any thread; request() from signal handlers too.
class Interrupt {
 public:
  enum class Origin { kMessage, kSignal };
  /// Must be safe in a signal handler.
  using Relay = void (*)(Origin origin);

  void request() noexcept { request(Origin::kMessage); }
  void forget() noexcept;

  bool requested() const noexcept { return requested_.load(std::memory_order_relaxed); }

  /// Throws Interrupted when an interrupt is wanted.
  void check() const;

  /// Sleeps; throws Interrupted as soon as an interrupt is wanted.
  void sleep_for(std::chrono::duration<double> duration) const;

  /// While ignoring, request() does nothing.
  void ignore(bool ignoring) noexcept { ignoring_ = ignoring; }

  /// Readable once an interrupt is wanted; ask requested() before believing it.
  int fd() const noexcept { return wakeup_.fd(); }

  /// Every request() calls this too, on the thread that makes it: for interpreters whose code does
  /// not ask here. Set it before another thread can call request().
  void relay_to(Relay relay) noexcept { relay_ = relay; }

  enum class SystemCalls { kResume, kFail };

  /// Lets SIGINT request this interrupt, until it is called for another object; system calls of the
  /// thread that takes the signal go on, or fail with EINTR.
  void catch_sigint(SystemCalls system_calls = SystemCalls::kResume);

 private:
  static void on_sigint(int);
  void request(Origin origin) noexcept;

  Wakeup wakeup_;
  std::atomic<bool> requested_ = false;
  std::atomic<bool> ignoring_ = false;
  Relay relay_ = nullptr;
};

}  // namespace perijove::kernels
