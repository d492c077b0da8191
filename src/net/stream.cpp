#include "net/stream.hpp"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace perijove {
namespace {

constexpr std::size_t kTailBytesMax = 64 * 1024;
constexpr std::size_t kGatherMax = 64;
constexpr int kReadsPerTurn = 8;
constexpr auto kLingerTime = std::chrono::seconds(2);
constexpr auto kStuckTime = std::chrono::seconds(30);

// A peer whose machine vanished is noticed by keep-alive, in three minutes, or by the system's
// limit of retransmissions, in a quarter of an hour, when something was on its way to it. There is
// no TCP_USER_TIMEOUT: it also ends the connection of a peer that lives and merely does not read.
constexpr int kKeepAliveIdleSeconds = 60;
constexpr int kKeepAliveIntervalSeconds = 20;
constexpr int kKeepAliveProbes = 6;

void set_options(boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
  socket.non_blocking(true, ignored);
  socket.native_non_blocking(true, ignored);
  const int fd = socket.native_handle();
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kKeepAliveIdleSeconds, sizeof(int));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kKeepAliveIntervalSeconds, sizeof(int));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kKeepAliveProbes, sizeof(int));
}

}  // namespace

Stream::Stream(Shard& shard, boost::asio::ip::tcp::socket socket)
    : shard_(shard), socket_(std::move(socket)) {
  set_options(socket_);
  boost::system::error_code ignored;
  peer_address_ = socket_.remote_endpoint(ignored).address().to_string();
}

void Stream::set_handlers(OnBytes on_bytes, OnEnd on_end, OnDrained on_drained) {
  on_bytes_ = std::move(on_bytes);
  on_end_ = std::move(on_end);
  on_drained_ = std::move(on_drained);
}

void Stream::start_reading() { pause_reading(false); }

void Stream::pause_reading(bool paused) {
  paused_ = paused;
  if (!paused) wait_readable();
}

void Stream::wait_readable() {
  if (waiting_readable_ || !open_) return;
  waiting_readable_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_readable_ = false;
                       if (!error) self->read_some();
                     });
}

void Stream::read_some() {
  for (int i = 0; i < kReadsPerTurn && open_ && !paused_; ++i) {
    auto& buffer = shard_.scratch();
    const ssize_t got = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
    if (got > 0) {
      // A copy of the function: the handler may replace the handlers.
      const auto on_bytes = on_bytes_;
      if (on_bytes && !finishing_) on_bytes(ByteView(buffer.data(), static_cast<std::size_t>(got)));
      if (static_cast<std::size_t>(got) < buffer.size()) break;
    } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      break;
    } else if (got == 0 || errno != EINTR) {
      fail();
      return;
    }
  }
  if (open_ && !paused_) wait_readable();
}

std::string& Stream::tail() {
  if (chunks_.empty() || chunks_.back().owner || chunks_.back().text.size() > kTailBytesMax) {
    chunks_.emplace_back();
  }
  return chunks_.back().text;
}

void Stream::append(ByteView bytes) { tail() += bytes; }

void Stream::append(ByteView bytes, std::shared_ptr<const void> owner) {
  if (bytes.empty()) return;
  Chunk& chunk = chunks_.emplace_back();
  chunk.owner = std::move(owner);
  chunk.bytes = bytes;
}

std::size_t Stream::queued_bytes() const {
  std::size_t total = 0;
  for (const Chunk& chunk : chunks_) total += chunk.rest().size();
  return total;
}

void Stream::truncate_queue(std::size_t bytes_kept) {
  for (auto chunk = chunks_.begin(); chunk != chunks_.end(); ++chunk) {
    const std::size_t size = chunk->rest().size();
    if (size <= bytes_kept) {
      bytes_kept -= size;
      continue;
    }
    if (chunk->owner) {
      chunk->bytes = chunk->bytes.substr(0, chunk->sent + bytes_kept);
    } else {
      chunk->text.resize(chunk->sent + bytes_kept);
    }
    chunks_.erase(std::next(chunk), chunks_.end());
    return;
  }
}

void Stream::flush() {
  if (waiting_writable_) return;  // in order: what waits goes first
  while (open_ && !chunks_.empty()) {
    iovec pieces[kGatherMax];
    std::size_t count = 0;
    for (const Chunk& chunk : chunks_) {
      if (count == kGatherMax) break;
      const ByteView rest = chunk.rest();
      if (!rest.empty()) pieces[count++] = {const_cast<char*>(rest.data()), rest.size()};
    }
    if (count == 0) {
      chunks_.clear();
      break;
    }
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        wait_writable();
      } else {
        fail();
      }
      return;
    }
    written_bytes_ += static_cast<std::uint64_t>(sent);
    for (auto left = static_cast<std::size_t>(sent); !chunks_.empty();) {
      Chunk& front = chunks_.front();
      const std::size_t taken = std::min(left, front.rest().size());
      front.sent += taken;
      left -= taken;
      if (!front.rest().empty()) break;
      chunks_.pop_front();
    }
  }
  if (finishing_ && open_ && chunks_.empty()) linger();
}

void Stream::wait_writable() {
  waiting_writable_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_writable_ = false;
                       if (error || !self->open_) return;
                       self->flush();
                       if (self->waiting_writable_ || !self->open_ || self->finishing_) return;
                       const auto on_drained = self->on_drained_;
                       if (on_drained) on_drained();
                     });
}

std::uint64_t Stream::acknowledged_bytes() const {
  if (!open_) return acknowledged_at_end_;
  int unacknowledged = 0;
  if (::ioctl(const_cast<boost::asio::ip::tcp::socket&>(socket_).native_handle(), SIOCOUTQ,
              &unacknowledged) != 0) {
    return written_bytes_;
  }
  // The end of our side counts as one byte more, and is the last to be acknowledged.
  if (unacknowledged > 0 && shut_down_) --unacknowledged;
  return written_bytes_ - std::min(written_bytes_, static_cast<std::uint64_t>(unacknowledged));
}

void Stream::fail() {
  if (!open_) return;
  const auto on_end = std::exchange(on_end_, nullptr);
  abort();
  if (on_end) on_end();
}

void Stream::reset() {
  if (!open_) return;
  boost::system::error_code ignored;
  socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
  abort();
}

void Stream::abort() {
  if (!open_) return;
  acknowledged_at_end_ = acknowledged_bytes();
  open_ = false;
  chunks_.clear();
  on_bytes_ = nullptr;
  on_end_ = nullptr;
  on_drained_ = nullptr;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Stream::finish() {
  if (!open_ || finishing_) return;
  finishing_ = true;
  flush();
  if (is_blocked()) abort_when_stuck();
}

// A peer that does not read what is left for it is waited for, but not for ever.
void Stream::abort_when_stuck() {
  auto timer = std::make_shared<boost::asio::steady_timer>(shard_.loop(), kStuckTime);
  timer->async_wait([self = shared_from_this(), timer,
                     written = written_bytes_](const boost::system::error_code&) {
    if (!self->open_ || self->chunks_.empty()) return;
    if (self->written_bytes_ == written) {
      self->fail();
    } else {
      self->abort_when_stuck();
    }
  });
}

// Closing with unread bytes of the peer makes the system reset the connection, and the peer may
// then lose our last words (a close frame, an error response). So: shut our side, read on for a
// moment.
void Stream::linger() {
  boost::system::error_code ignored;
  shut_down_ = true;
  socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  paused_ = false;
  wait_readable();
  auto timer = std::make_shared<boost::asio::steady_timer>(shard_.loop(), kLingerTime);
  timer->async_wait(
      [self = shared_from_this(), timer](const boost::system::error_code&) { self->fail(); });
}

}  // namespace perijove
