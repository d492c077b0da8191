#include "common/socket_io.hpp"

#include <zmq.h>

#include <cerrno>

namespace perijove::kernels {
namespace {

/// Calls until the answer is something else than "a signal came".
template <typename Call>
int uninterrupted(Call call) {
  int result;
  do {
    result = call();
  } while (result < 0 && zmq_errno() == EINTR);
  return result;
}

}  // namespace

std::optional<Frames> receive_frames(zmq::socket_t& socket) {
  Frames frames;
  do {
    zmq::message_t frame;
    const int size =
        uninterrupted([&] { return zmq_msg_recv(frame.handle(), socket.handle(), ZMQ_DONTWAIT); });
    if (size < 0 && zmq_errno() == EAGAIN) return std::nullopt;  // only before the first frame
    if (size < 0) throw zmq::error_t();
    frames.push_back(std::move(frame));
  } while (frames.back().more());
  return frames;
}

bool send_frames(zmq::socket_t& socket, Frames& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const int flags = i + 1 < frames.size() ? ZMQ_SNDMORE : 0;
    const int size =
        uninterrupted([&] { return zmq_msg_send(frames[i].handle(), socket.handle(), flags); });
    // Only at the first frame, both.
    if (size < 0 && (zmq_errno() == EHOSTUNREACH || zmq_errno() == EAGAIN)) return false;
    if (size < 0) throw zmq::error_t();
  }
  return true;
}

bool send_frames(zmq::socket_t& socket, Frames&& frames) { return send_frames(socket, frames); }

void poll_once(std::span<zmq_pollitem_t> items, std::optional<std::chrono::milliseconds> timeout) {
  const long milliseconds = timeout ? static_cast<long>(timeout->count()) : -1;
  if (zmq_poll(items.data(), static_cast<int>(items.size()), milliseconds) >= 0) return;
  if (zmq_errno() != EINTR) throw zmq::error_t();
  for (zmq_pollitem_t& item : items) item.revents = 0;
}

}  // namespace perijove::kernels
