#include "io/shard.hpp"

#include <cassert>
#include <exception>

#include "base/limits.hpp"
#include "base/log.hpp"

namespace perijove {

Shard::Shard() : zmq_(1, limits::kZmqSocketsMax) {}

void Shard::assert_here() const {
  assert(thread_ == std::thread::id() || thread_ == std::this_thread::get_id());
}

void Shard::run() {
  thread_ = std::this_thread::get_id();
  loop_.run();
}

void Shard::serve() {
  for (;;) {
    try {
      run();
      return;
    } catch (const std::exception& fault) {
      ++failures_;
      log::error("internal_error", {{"what", fault.what()}});
    }
  }
}

void Shard::run_until(const std::function<bool()>& done) {
  thread_ = std::this_thread::get_id();
  while (!done() && loop_.run_one() > 0) {
  }
  if (loop_.stopped()) loop_.restart();  // with nothing left to do a loop counts as stopped
}

}  // namespace perijove
