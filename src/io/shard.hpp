#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <thread>
#include <zmq.hpp>

#include "base/time.hpp"

namespace perijove {

/// One event loop and what everything on it shares. A kernel, its sockets, timers and websockets
/// live on one shard for life and are touched only by its thread; so nothing of theirs is locked.
class Shard {
 public:
  Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  boost::asio::io_context& loop() { return loop_; }
  zmq::context_t& zmq() { return zmq_; }

  /// Where a reader puts what it just read before it takes it apart: one buffer for all
  /// connections, because none keeps bytes in it past its turn. An idle websocket so costs no read
  /// buffer.
  std::array<char, 64 * 1024>& scratch() { return scratch_; }

  TimePoint now() const { return Clock::now(); }

  /// Asserts that the caller runs on this shard's thread (once run() has begun).
  void assert_here() const;

  /// Runs the loop on this thread until stop() or until nothing is left to do.
  void run();
  /// The same for a loop on which much lives that has nothing to do with each other. An exception
  /// that comes out of a handler is a mistake of ours, or memory that ran out: it is logged and
  /// counted, what the handler held goes (a request that it was to answer is answered with 500),
  /// and the loop goes on.
  void serve();
  /// How often that happened.
  std::uint64_t failures() const { return failures_; }
  /// Runs it on this thread until `done`, which is asked after each turn; for what must be known
  /// before there is anything to serve.
  void run_until(const std::function<bool()>& done);
  /// From any thread.
  void stop() { loop_.stop(); }

 private:
  zmq::context_t zmq_;
  boost::asio::io_context loop_{1};
  std::array<char, 64 * 1024> scratch_{};
  std::thread::id thread_;
  std::uint64_t failures_ = 0;
};

}  // namespace perijove
