#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace bench {

// RFC 6455 frames, as a client needs them: it masks what it sends and refuses masked input.

enum class Opcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

struct WebsocketError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using MaskingKey = std::array<char, 4>;

/// Appends one final, masked frame to `out`.
void append_client_frame(std::string& out, Opcode opcode, std::string_view payload, MaskingKey key);

/// A whole message (fragments joined) or a control frame; the view holds until the next call of any
/// FrameReader member.
struct WebsocketMessage {
  Opcode opcode = Opcode::kText;  ///< never kContinuation
  std::string_view payload;
};

/// Turns a byte stream into messages. The caller reads straight into prepare()'s memory, so that a
/// message which arrives unfragmented is never copied.
class FrameReader {
 public:
  struct Space {
    char* data;
    std::size_t size;
  };

  /// Writable memory for at least `minimum` bytes; more while a large frame is under way.
  Space prepare(std::size_t minimum);
  void commit(std::size_t size) { end_ += size; }
  /// For bytes that came with the HTTP answer.
  void append(std::string_view bytes);

  /// True and fills `message` when one is complete. Throws WebsocketError on a protocol violation.
  bool next(WebsocketMessage& message);

 private:
  std::string buffer_;  // capacity; [begin_, end_) is unread
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t wanted_ = 0;  // bytes of the frame at begin_, once its header is known
  std::string fragments_;
  Opcode fragments_opcode_ = Opcode::kContinuation;  // kContinuation: no fragmented message is open
  bool fragments_delivered_ = false;
};

/// The Sec-WebSocket-Accept value that answers `key`.
std::string websocket_accept(std::string_view key);

}  // namespace bench
