#include "loop.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <system_error>

namespace bench {

namespace {

std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

int wait_milliseconds(TimePoint deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
  // At most 100 ms, so that an interrupt is noticed soon whatever the deadline.
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, 100));
}

}  // namespace

void Loop::interrupt() { g_interrupted.store(true); }

Loop::Loop() : epoll_fd_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_fd_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

Loop::~Loop() { close(epoll_fd_); }

void Loop::add(int fd, Source& source, std::uint32_t events) {
  if (sources_by_fd_.size() <= static_cast<std::size_t>(fd)) {
    sources_by_fd_.resize(static_cast<std::size_t>(fd) + 1);
  }
  sources_by_fd_[static_cast<std::size_t>(fd)] = &source;
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl add");
  }
}

void Loop::modify(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl modify");
  }
}

void Loop::remove(int fd) {
  sources_by_fd_[static_cast<std::size_t>(fd)] = nullptr;
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::poke(Source& source) {
  if (std::find(poked_.begin(), poked_.end(), &source) == poked_.end()) poked_.push_back(&source);
}

void Loop::unpoke(Source& source) { std::erase(poked_, &source); }

void Loop::dispatch_once(TimePoint deadline) {
  while (!poked_.empty()) {
    Source* source = poked_.back();
    poked_.pop_back();
    source->on_event(0);
  }
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()),
                               wait_milliseconds(deadline));
  if (count < 0 && errno != EINTR) {
    throw std::system_error(errno, std::generic_category(), "epoll_wait");
  }
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    // Looked up anew: an earlier handler of this batch may have removed the descriptor.
    Source* source = sources_by_fd_[static_cast<std::size_t>(event.data.fd)];
    if (source != nullptr) source->on_event(event.events);
  }
}

bool Loop::run_until(const std::function<bool()>& done, TimePoint deadline) {
  while (!done()) {
    if (g_interrupted.load()) throw Interrupted();
    if (Clock::now() >= deadline) return false;
    // A handler that a poke reached may have finished the job: do not wait then.
    if (!poked_.empty()) {
      dispatch_once(Clock::now());
    } else {
      dispatch_once(deadline);
    }
  }
  return true;
}

}  // namespace bench
