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
  void request() noexcept;
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

  /// Lets SIGINT request this interrupt, for the life of the process: call it for one object only.
  void catch_sigint();

 private:
  Wakeup wakeup_;
  std::atomic<bool> requested_ = false;
  std::atomic<bool> ignoring_ = false;
};

}  // namespace perijove::kernels
