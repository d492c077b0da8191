#pragma once

#include <vector>

#include "protocol/channel.hpp"
#include "protocol/frames.hpp"

namespace perijove {

/// What a websocket client sent, taken apart: views into the websocket message. Nothing in it has
/// been checked but the framing; the parts may be any bytes.
struct ClientMessage {
  Channel channel = Channel::shell;
  SignedParts parts;
  std::vector<ByteView> buffers;
};

}  // namespace perijove
