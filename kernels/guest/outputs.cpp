#include "guest/outputs.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/json_text.hpp"
#include "common/signal_free_thread.hpp"
#include "common/utf8.hpp"

namespace perijove::kernels::guest {
namespace {

constexpr std::size_t kChunkBytes = 64 * 1024;

}  // namespace

Outputs::Outputs(Server& server, Listener listener)
    : server_(server), listener_(std::move(listener)), buffer_(kChunkBytes, '\0') {
  thread_ = signal_free_thread([this](const std::stop_token& stop) { run(stop); });
}

Outputs::~Outputs() {
  thread_.request_stop();
  changed_.set();
}

void Outputs::attach(std::vector<Source> sources) {
  const std::lock_guard lock(mutex_);
  catch_up_locked();
  watched_.clear();
  for (Source& source : sources) watched_.push_back({std::move(source), {}});
  changed_.set();
}

void Outputs::begin_block() {
  const std::lock_guard lock(mutex_);
  catch_up_locked();
  request_header_ = server_.request_header();
}

void Outputs::catch_up() {
  const std::lock_guard lock(mutex_);
  catch_up_locked();
}

void Outputs::say(std::string_view stream, std::string_view text) {
  const std::lock_guard lock(mutex_);
  catch_up_locked();
  publish(stream, text);
}

void Outputs::run(const std::stop_token& stop) {
  std::vector<pollfd> polled;
  while (!stop.stop_requested()) {
    polled.assign(1, pollfd{changed_.fd(), POLLIN, 0});
    {
      const std::lock_guard lock(mutex_);
      for (const Watched& each : watched_) {
        polled.push_back({each.source.read_end.get(), POLLIN, 0});
      }
    }
    poll(polled.data(), polled.size(), -1);
    changed_.clear();
    const std::lock_guard lock(mutex_);
    for (Watched& each : watched_) {
      const bool came = std::any_of(polled.begin() + 1, polled.end(), [&](const pollfd& one) {
        return one.fd == each.source.read_end.get() && one.revents != 0;
      });
      // Readable, but nothing to read: all writers are gone.
      if (came && forward(each, kChunkBytes) == 0) each.source.read_end.close();
    }
  }
}

void Outputs::catch_up_locked() {
  for (Watched& each : watched_) {
    // Not until it is empty: a background job may write faster than this reads.
    int waiting = 0;
    ioctl(each.source.read_end.get(), FIONREAD, &waiting);
    auto left = static_cast<std::size_t>(waiting);
    while (left > 0) {
      const auto bytes = forward(each, std::min(left, kChunkBytes));
      if (bytes.value_or(0) == 0) break;
      left -= *bytes;
    }
    if (!each.held_back.empty()) publish(each.source.stream, std::exchange(each.held_back, {}));
  }
}

std::optional<std::size_t> Outputs::forward(Watched& watched, std::size_t bytes_max) {
  const std::size_t held = watched.held_back.size();
  buffer_.resize(held + kChunkBytes);
  std::copy(watched.held_back.begin(), watched.held_back.end(), buffer_.begin());
  const ssize_t bytes = read(watched.source.read_end.get(), buffer_.data() + held, bytes_max);
  if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (bytes <= 0) return 0;
  const std::string_view text(buffer_.data(), held + static_cast<std::size_t>(bytes));
  const std::size_t whole = whole_characters(text);
  watched.held_back = text.substr(whole);
  if (whole > 0) publish(watched.source.stream, text.substr(0, whole));
  return static_cast<std::size_t>(bytes);
}

void Outputs::publish(std::string_view stream, std::string_view text) {
  if (listener_) listener_(stream, text);
  server_.publish_as_part_of(
      request_header_, "stream",
      R"({"name":)" + json_string(stream) + R"(,"text":)" + json_string(text) + '}');
}

}  // namespace perijove::kernels::guest
