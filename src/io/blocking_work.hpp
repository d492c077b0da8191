#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "io/shard.hpp"
#include "io/signal_free_thread.hpp"

namespace perijove {

/// Work that would hold up the loop, on a thread of its own: `work` there, and then `done` with
/// what it returned, from the loop. `work` shares nothing with the loop but what it was given, and
/// looks now and then whether it is to stop.
///
/// Dropping the returned share asks it to stop and waits until it has; `done` is not called then.
/// Shard thread only. When the system has no thread left, the work holds up the loop after all.
template <typename Answer>
[[nodiscard]] std::shared_ptr<void> do_blocking(
    Shard& shard, std::function<Answer(const std::atomic<bool>& stopped)> work,
    std::function<void(Answer)> done) {
  struct State {
    std::atomic<bool> stopped = false;
    std::function<void(Answer)> done;  // the loop's
  };
  struct Owner {
    std::shared_ptr<State> state;
    std::thread thread;
    ~Owner() {
      state->stopped = true;
      state->done = nullptr;
      if (thread.joinable()) thread.join();
    }
  };
  const auto state = std::make_shared<State>();
  state->done = std::move(done);
  const auto owner = std::make_shared<Owner>();
  owner->state = state;
  auto run = [&shard, state, work = std::move(work)]() mutable {
    auto answer = std::make_shared<Answer>(work(state->stopped));
    work = nullptr;  // what it holds goes on this thread, before the loop hears of the end
    boost::asio::post(shard.loop(), [state, answer = std::move(answer)] {
      if (const auto tell = std::exchange(state->done, nullptr)) tell(std::move(*answer));
    });
  };
  try {
    owner->thread = signal_free_thread(run);
  } catch (const std::system_error&) {
    run();
  }
  return owner;
}

}  // namespace perijove
