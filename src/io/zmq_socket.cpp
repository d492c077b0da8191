#include "io/zmq_socket.hpp"

#include <boost/asio/post.hpp>
#include <cassert>
#include <cerrno>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"

namespace perijove {
namespace {

// A kernel binds its sockets tens of milliseconds after it was spawned; libzmq's default of 100 ms
// between attempts would be most of the start.
constexpr int kReconnectMilliseconds = 2;
constexpr int kReconnectMillisecondsMax = 100;

// Frames from this size on are handed over instead of copied.
constexpr std::size_t kHandOverBytesMin = 64 * 1024;

// A signal (a child that ended, Ctrl-C) interrupts any call of libzmq's, even one that does not
// wait: it looks after its commands with poll(). Half a multipart message must not be left at that.
template <typename Call>
int uninterrupted(Call call) {
  int result = 0;
  do {
    result = call();
  } while (result < 0 && zmq_errno() == EINTR);
  return result;
}

zmq::message_t to_zmq(const OutFrame& frame) {
  if (!frame.owner || frame.bytes.size() < kHandOverBytesMin) {
    return {frame.bytes.data(), frame.bytes.size()};
  }
  auto* share = new std::shared_ptr<const void>(frame.owner);
  // Runs on libzmq's thread: nothing but the release.
  const auto release = [](void*, void* hint) {
    delete static_cast<std::shared_ptr<const void>*>(hint);
  };
  return {const_cast<char*>(frame.bytes.data()), frame.bytes.size(), release, share};
}

}  // namespace

// Shared with the pending wait on the loop, which may outlive the ZmqSocket by one turn.
struct ZmqSocket::Receiver : std::enable_shared_from_this<Receiver> {
  Receiver(Shard& owner, zmq::socket_type type)
      : shard(owner), socket(owner.zmq(), type), fd(owner.loop(), socket.get(zmq::sockopt::fd)) {}
  // libzmq owns the descriptor; Asio only watches it.
  ~Receiver() { fd.release(); }

  // Whether there is something to do now: to receive, or to send what was refused.
  bool ready() {
    int events = 0;
    std::size_t size = sizeof events;
    uninterrupted([&] { return zmq_getsockopt(socket.handle(), ZMQ_EVENTS, &events, &size); });
    return (events & ZMQ_POLLIN) != 0 || (refused && (events & ZMQ_POLLOUT) != 0);
  }

  // The descriptor is edge-triggered and any call on the socket may eat the edge; so the events are
  // asked for before every wait, never trusted to be announced.
  void turn() {
    if (closed) return;
    int budget = limits::kMessagesPerTurn;
    turn_bytes = 0;
    while (budget > 0 && receive()) {
      // What is large is handed on at once: its readers then have it before it is put by for them.
      budget = turn_bytes < limits::kBytesPerTurn ? budget - 1 : 0;
    }
    if (closed) return;
    refused = false;
    on_turn_end();
    if (closed) return;
    if (budget == 0 || ready()) {
      post_turn();
    } else {
      wait();
    }
  }

  void wait() {
    if (waiting) return;
    waiting = true;
    fd.async_wait(boost::asio::posix::descriptor_base::wait_read,
                  [self = shared_from_this()](const boost::system::error_code& error) {
                    self->waiting = false;
                    if (!error) self->turn();
                  });
  }

  void post_turn() {
    if (posted) return;
    posted = true;
    boost::asio::post(shard.loop(), [self = shared_from_this()] {
      self->posted = false;
      self->turn();
    });
  }

  bool receive() {
    frames.clear();
    do {
      zmq::message_t& frame = frames.emplace_back();
      const int received = uninterrupted(
          [&] { return zmq_msg_recv(frame.handle(), socket.handle(), ZMQ_DONTWAIT); });
      if (received < 0) {
        // Multipart messages arrive whole, so only the first frame can be missing.
        frames.clear();
        return false;
      }
      turn_bytes += frame.size();
    } while (frames.back().more());
    on_message(frames);
    return !closed;
  }

  std::size_t turn_bytes = 0;  // received in this turn

  Shard& shard;
  zmq::socket_t socket;
  boost::asio::posix::stream_descriptor fd;
  OnMessage on_message;
  OnTurnEnd on_turn_end;
  std::vector<zmq::message_t> frames;
  bool waiting = false;
  bool posted = false;
  bool refused = false;  // a send, since on_turn_end was called last
  bool closed = false;
};

ZmqSocket::ZmqSocket(Shard& shard, zmq::socket_type type, const std::string& routing_id,
                     int received_max)
    : receiver_(std::make_shared<Receiver>(shard, type)) {
  zmq::socket_t& socket = receiver_->socket;
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::reconnect_ivl, kReconnectMilliseconds);
  socket.set(zmq::sockopt::reconnect_ivl_max, kReconnectMillisecondsMax);
  if (!routing_id.empty()) socket.set(zmq::sockopt::routing_id, routing_id);
  socket.set(zmq::sockopt::rcvhwm, received_max);
  if (type == zmq::socket_type::sub) socket.set(zmq::sockopt::subscribe, "");
}

ZmqSocket::~ZmqSocket() {
  receiver_->closed = true;
  boost::system::error_code ignored;
  receiver_->fd.cancel(ignored);
}

Result<void> ZmqSocket::connect(const std::string& endpoint) {
  const int connected =
      uninterrupted([&] { return zmq_connect(receiver_->socket.handle(), endpoint.c_str()); });
  if (connected == 0) return {};
  return Error{Code::unavailable,
               "cannot connect to " + endpoint + ": " + zmq_strerror(zmq_errno())};
}

void ZmqSocket::start(OnMessage on_message, OnTurnEnd on_turn_end) {
  receiver_->on_message = std::move(on_message);
  receiver_->on_turn_end = std::move(on_turn_end);
  receiver_->post_turn();
}

bool ZmqSocket::send(std::span<const OutFrame> frames) {
  assert(!frames.empty());
  bool sent = false;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    zmq::message_t frame = to_zmq(frames[i]);
    const int flags = ZMQ_DONTWAIT | (i + 1 < frames.size() ? ZMQ_SNDMORE : 0);
    // Only the first frame can be refused: libzmq keeps a message on the pipe it began on.
    sent = uninterrupted([&] {
             return zmq_msg_send(frame.handle(), receiver_->socket.handle(), flags);
           }) >= 0;
    if (!sent && i == 0) {
      receiver_->refused = true;
      break;
    }
    if (!sent) {
      log::error("zmq_send_failed", {{"reason", zmq_strerror(zmq_errno())}});
      break;
    }
  }
  if (receiver_->on_message && receiver_->ready()) receiver_->post_turn();
  return sent;
}

}  // namespace perijove
