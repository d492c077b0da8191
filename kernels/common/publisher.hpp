#pragma once

#include <chrono>
#include <zmq.hpp>

#include "common/wire.hpp"

namespace perijove::kernels {

/// The iopub socket: outputs wait for a subscriber that is slow, so that code which prints faster
/// than it is read is held up instead of filling somebody's memory. (Kernels on libzmq's defaults
/// drop what a slow subscriber cannot take, without a word.)
///
/// A subscriber that takes nothing at all for kPatience holds up nobody any longer: what does not
/// fit in its queue is lost to it until it reads again.
///
/// The owner sees to it that one thread at a time uses it.
class Publisher {
 public:
  /// Messages that wait for one subscriber on this side.
  static constexpr int kQueuedMessagesMax = 256;
  static constexpr std::chrono::milliseconds kPatience{5000};

  explicit Publisher(zmq::context_t& context);

  /// For binding and for the events of subscriptions.
  zmq::socket_t& socket() { return socket_; }

  /// Sends the frames as one message. May wait up to kPatience.
  void send(Frames frames);

 private:
  zmq::socket_t socket_;
};

}  // namespace perijove::kernels
