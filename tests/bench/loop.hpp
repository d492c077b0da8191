#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

#include "clock.hpp"

namespace bench {

/// Thrown out of Loop::run_until after SIGINT or SIGTERM, so that destructors end every kernel that
/// was started.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

/// Something that owns one or more non-blocking descriptors in a Loop.
class Source {
 public:
  virtual ~Source() = default;
  /// `events` are epoll bits; 0 after a poke.
  virtual void on_event(std::uint32_t events) = 0;
};

/// A single-threaded epoll loop. Sources may add and remove descriptors while being dispatched.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void add(int fd, Source& source, std::uint32_t events);
  void modify(int fd, std::uint32_t events);
  void remove(int fd);

  /// Has `source.on_event(0)` called before the loop next waits. A libzmq descriptor is not
  /// signalled for what a send on the same socket has already noticed, hence this second way in.
  void poke(Source& source);
  /// Forgets pending pokes of a source that is about to be destroyed.
  void unpoke(Source& source);

  /// Dispatches until `done()` holds (true) or `deadline` has passed (false).
  bool run_until(const std::function<bool()>& done, TimePoint deadline);

  /// Makes every running and later run_until throw Interrupted; callable from a signal handler.
  static void interrupt();

 private:
  void dispatch_once(TimePoint deadline);

  int epoll_fd_;
  std::vector<Source*> sources_by_fd_;
  std::vector<Source*> poked_;
};

}  // namespace bench
