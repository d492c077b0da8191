#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

enum class Channel : std::uint8_t { kShell, kControl, kStdin, kIopub };

std::string_view to_string(Channel channel);

/// What a client sends. `content` is JSON; buffers are raw bytes.
struct Request {
  Channel channel = Channel::kShell;
  std::string_view type;
  std::string_view msg_id;
  std::string_view content = "{}";
  std::vector<std::string_view> buffers;
};

/// What a client received: views that hold during the handler's call only.
struct Message {
  Channel channel = Channel::kIopub;
  std::string_view type;       ///< header.msg_type
  std::string_view parent_id;  ///< parent_header.msg_id, empty when there is no parent
  std::string_view content;    ///< JSON text
  std::vector<std::string_view> buffers;

  bool is_reply_to(std::string_view msg_id) const {
    return channel != Channel::kIopub && parent_id == msg_id && type.ends_with("_reply");
  }
  /// content.execution_state of a status message; empty for every other message.
  std::string_view execution_state() const;
  bool is_idle_of(std::string_view msg_id) const {
    return parent_id == msg_id && execution_state() == "idle";
  }
};

/// Fills type and parent_id from the two header texts.
void read_headers(Message& message, std::string_view header, std::string_view parent_header);

/// The header object of a request, as JSON.
std::string header_json(const Request& request, std::string_view session_id);

// The two websocket framings of the Jupyter protocol.
//   JSON: one object as a text frame, or, when there are buffers, a binary frame
//         u32be count | u32be offset[count] | object | buffers...
//   v1:   one binary frame
//         u64le count | u64le offset[count] | channel | header | parent | metadata | content |
//         buffers...
// The client is a closed loop over trusted servers: decoders check bounds, nothing else.

enum class Framing : std::uint8_t { kJson, kV1 };

std::string_view to_string(Framing framing);

/// A websocket payload and whether it goes as a text frame.
struct Payload {
  std::string bytes;
  bool text = false;
};

Payload encode(Framing framing, const Request& request, std::string_view session_id);

/// Decodes into `message`, whose vector is reused. False when the payload is not of this framing.
bool decode(Framing framing, std::string_view payload, bool text, Message& message);

}  // namespace bench
