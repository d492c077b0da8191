#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <zmq.hpp>

#include "common/wire.hpp"

/// Socket calls that take a caught signal for what it is, nothing: cppzmq throws EINTR out of
/// recv, send and poll, even when they do not wait, and that ended every xeus 2.4 kernel that was
/// interrupted while idle.
namespace perijove::kernels {

/// All frames of one message, or nullopt when none has arrived. Does not wait.
std::optional<Frames> receive_frames(zmq::socket_t& socket);

/// Sends the frames as one message. False, with the frames untouched, when the socket's time to
/// send is over (ZMQ_SNDTIMEO; a signal begins it anew), or when a ROUTER that is told to care
/// (ROUTER_MANDATORY) has no connection to the addressee.
bool send_frames(zmq::socket_t& socket, Frames& frames);
bool send_frames(zmq::socket_t& socket, Frames&& frames);

/// Waits for sockets and descriptors; nullopt as time-out waits for ever. Returns early, with
/// nothing marked ready, after a signal.
void poll_once(std::span<zmq_pollitem_t> items, std::optional<std::chrono::milliseconds> timeout);

}  // namespace perijove::kernels
