#pragma once

#include <string>

#include "perijove/result.hpp"
#include "protocol/client_message.hpp"
#include "protocol/message.hpp"

namespace perijove {

/// The older websocket framing, spoken when no subprotocol was negotiated: one JSON text
///
///     {"header":{},"msg_id":"","msg_type":"","parent_header":{},"metadata":{},"content":{},
///      "buffers":[],"channel":"iopub"}
///
/// or, when the message carries buffers, a binary message:
///
///     u32be n            1 + number of buffers
///     u32be offset[n]    from the start of the message; offset[0] = 4 * (n + 1)
///     the JSON (without "buffers") | buffer ...         the last runs to the end
///
/// Source: jupyter_server services/kernels/connection/base.py, serialize_binary_message.

/// Takes a JSON text apart without building it. What real clients leave out or get wrong is filled
/// in: no channel means shell (smolagents, E2B), parent_header null or absent means {} , `buffers`
/// may be an object (AutoGen). Errors (invalid_argument): not one JSON object, no header object, an
/// unknown channel.
Result<ClientMessage> decode_ws_default_text(ByteView text);

/// Takes a binary message apart: offsets, then the JSON as above. A message without buffers is
/// accepted too.
Result<ClientMessage> decode_ws_default_binary(ByteView bytes);

/// One websocket message of this framing: head, content and tail, then the buffers verbatim.
struct WsDefaultFrame {
  bool binary = false;  ///< Whether the websocket message is binary; text otherwise.
  std::string head;
  ByteView content;  ///< Into the message, whose content may be large and so is not copied.
  std::string tail;

  std::size_t size() const { return head.size() + content.size() + tail.size(); }
};

/// Frames `message` by splicing its parts: each is checked to be one JSON object, not parsed and
/// written again. A part that is none (a kernel's fault: NaN, cut text) is replaced
/// by {"malformed": "<its text>"}, so that the client gets everything and the frame stays valid.
/// display_data and execute_result without a text/plain entry get one that names the type, because
/// OpenHands reads data["text/plain"] unconditionally.
WsDefaultFrame encode_ws_default(const Message& message);

}  // namespace perijove
