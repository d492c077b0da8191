#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/bytes.hpp"

namespace perijove {

/// RFC 6455 for the server's side, without a socket: bytes in, events out; frame headers to write.
/// Our own because several frames leave in one write and payloads are gathered, not copied; see
/// docs/adr. No extensions: permessage-deflate is declined in the handshake.

/// Close codes that the gateway sends (RFC 6455 section 7.4, IANA registry).
enum class WsClose : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  invalid_payload = 1007,
  policy_violation = 1008,
  too_big = 1009,
  internal_error = 1011,
  service_restart = 1012,
  try_again_later = 1013,
};

enum class WsOpcode : std::uint8_t { text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// A whole message, its fragments joined and unmasked.
struct WsMessage {
  bool binary = false;
  std::string payload;
};
struct WsPing {
  std::string payload;
};
struct WsPong {
  std::string payload;
};
/// The peer closes; `code` is 1005 when it gave none.
struct WsCloseReceived {
  std::uint16_t code = 1005;
  std::string reason;
};
/// The peer broke the protocol or a limit: close with this code, read no further.
struct WsFault {
  WsClose code = WsClose::protocol_error;
  std::string reason;
};
using WsEvent = std::variant<WsMessage, WsPing, WsPong, WsCloseReceived, WsFault>;

/// Reads what a client sends. Holds at most one message of `message_bytes_max` and one frame
/// header.
class WsReader {
 public:
  explicit WsReader(std::size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  /// Consumes bytes from the front of `bytes` up to the end of the next event and returns it, or
  /// consumes all of them and returns nullopt. Call until `bytes` is empty. After a WsFault or
  /// WsCloseReceived nothing more is read: further bytes are dropped.
  std::optional<WsEvent> read(ByteView& bytes);

 private:
  struct FrameHeader {
    bool final = false;
    std::uint8_t opcode = 0;
    std::uint64_t size = 0;
    unsigned char mask[4] = {};
  };

  std::optional<WsEvent> read_header(ByteView& bytes);
  std::optional<WsEvent> check_header() const;
  void read_payload(ByteView& bytes);
  std::optional<WsEvent> finish_frame();

  std::size_t message_bytes_max_;
  std::string header_bytes_;  // of the frame whose header is not whole yet
  bool in_payload_ = false;
  bool ended_ = false;
  FrameHeader frame_;
  std::uint64_t payload_read_ = 0;  // of the current frame
  std::string control_;             // payload of a control frame, which may stand between fragments
  bool in_message_ = false;         // a fragmented message has begun
  bool binary_ = false;
  std::string message_;
};

/// Appends the header of an unfragmented, unmasked frame of `payload_size` bytes.
void append_ws_header(std::string& out, WsOpcode opcode, std::uint64_t payload_size);

/// A whole close frame; `reason` is made valid UTF-8 and cut to the 123 bytes that fit.
std::string ws_close_frame(WsClose code, std::string_view reason);

/// The Sec-WebSocket-Accept value for a client's Sec-WebSocket-Key (RFC 6455 section 4.2.2).
std::string ws_accept(std::string_view key);

}  // namespace perijove
