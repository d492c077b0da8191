#include "common/publisher.hpp"

#include <utility>

#include "common/socket_io.hpp"

namespace perijove::kernels {
namespace {

constexpr int kLingerMilliseconds = 1000;

}  // namespace

Publisher::Publisher(zmq::context_t& context) : socket_(context, zmq::socket_type::xpub) {
  socket_.set(zmq::sockopt::linger, kLingerMilliseconds);
  socket_.set(zmq::sockopt::sndhwm, kQueuedMessagesMax);
  socket_.set(zmq::sockopt::sndtimeo, static_cast<int>(kPatience.count()));
  socket_.set(zmq::sockopt::xpub_verbose, true);
  socket_.set(zmq::sockopt::xpub_nodrop, true);
}

void Publisher::send(Frames frames) {
  if (send_frames(socket_, frames)) return;
  // libzmq waits for no subscriber that has lost a message until its queue has room again: so this
  // one, which all others have had time for, is the only one that may be lost to others.
  socket_.set(zmq::sockopt::xpub_nodrop, false);
  send_frames(socket_, frames);
  socket_.set(zmq::sockopt::xpub_nodrop, true);
}

}  // namespace perijove::kernels
