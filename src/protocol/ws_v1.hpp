#pragma once

#include <string>

#include "perijove/result.hpp"
#include "protocol/client_message.hpp"
#include "protocol/message.hpp"

namespace perijove {

/// The websocket framing that JupyterLab and VS Code negotiate. Every websocket message is binary:
///
///     u64le n            number of offsets = 6 + buffers
///     u64le offset[n]    from the start of the message; offset[0] = 8 * (n + 1)
///     channel | header | parent_header | metadata | content | buffer ... | (end)
///
/// Each part ends where the next begins; the last offset is the end of the message.
/// Source: jupyter_server services/kernels/connection/base.py, serialize_msg_to_ws_v1.
inline constexpr std::string_view kWsV1Subprotocol = "v1.kernel.websocket.jupyter.org";

/// Takes one message apart. Strict where every known writer is strict (contiguous parts, first
/// offset right behind the table, last offset at the end), so that a message has one meaning.
/// Errors (invalid_argument) say what is wrong; `unknown channel` is one of them.
Result<ClientMessage> decode_ws_v1(ByteView bytes);

/// Appends what precedes the header of `message`: count, offsets, channel name. The parts and
/// buffers follow verbatim, so that a writer may gather them instead of copying.
void append_ws_v1_preamble(std::string& out, const Message& message);

/// Size of what append_ws_v1_preamble appends.
std::size_t ws_v1_preamble_size(const Message& message);

}  // namespace perijove
