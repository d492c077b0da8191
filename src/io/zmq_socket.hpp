#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "base/bytes.hpp"
#include "io/shard.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// One frame to send. With an owner the bytes are handed to libzmq without a copy and freed, on
/// libzmq's thread, when they are sent; without one they are copied.
struct OutFrame {
  ByteView bytes;
  std::shared_ptr<const void> owner;
};

/// A libzmq socket on a shard's loop. Shard thread only. Closing (destroying) it drops what was not
/// sent: linger is 0, so that nothing ever waits for a dead kernel.
class ZmqSocket {
 public:
  /// The frames of one multipart message; the receiver may move them out.
  using OnMessage = std::function<void(std::vector<zmq::message_t>& frames)>;
  /// Called after each run of messages, and whenever the socket may have become writable.
  using OnTurnEnd = std::function<void()>;

  /// `type` is dealer or sub (which subscribes to everything). `received_max` is how many messages
  /// may wait here to be received; 0: any number. The usual kernel's PUB and ROUTER drop, silently,
  /// what does not fit any more, and with libzmq's default of 1,000 messages that is 90 % of what a
  /// slow reader should get: a limit is for peers that wait.
  ZmqSocket(Shard& shard, zmq::socket_type type, const std::string& routing_id = {},
            int received_max = 0);
  ~ZmqSocket();
  ZmqSocket(const ZmqSocket&) = delete;
  ZmqSocket& operator=(const ZmqSocket&) = delete;

  /// Begins to connect; libzmq retries every few milliseconds until the kernel listens.
  Result<void> connect(const std::string& endpoint);

  /// Begins to receive. The callbacks are not called after the destructor began.
  void start(OnMessage on_message, OnTurnEnd on_turn_end);

  /// Sends all frames as one message, or none of them: false when the peer's queue is full
  /// (on_turn_end tells when to try again).
  bool send(std::span<const OutFrame> frames);

 private:
  struct Receiver;
  std::shared_ptr<Receiver> receiver_;
};

}  // namespace perijove
