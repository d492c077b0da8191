#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "net/stream.hpp"
#include "protocol/ws_frame.hpp"

namespace perijove {

/// One websocket of a client. Shard thread only; held by shared_ptr.
///
/// Sending is in two steps, as with Stream: send_*() queues whole frames, flush() writes. A sender
/// that looks at queued_bytes() and goes on at on_drained is never ahead of its peer by more than
/// it wants to be.
class WebSocket : public std::enable_shared_from_this<WebSocket> {
 public:
  struct Handlers {
    std::function<void(WsMessage)> on_message;
    /// flush() had to wait and all that was queued has now been written.
    std::function<void()> on_drained;
    /// Called once, whoever ended it; nothing is called after it.
    std::function<void()> on_closed;
  };

  /// `already_read` came behind the handshake and begins the first frame.
  WebSocket(std::shared_ptr<Stream> stream, std::size_t message_bytes_max,
            std::string already_read);

  /// Sets the handlers and begins to read.
  void start(Handlers handlers);

  /// Queues the frame header of one message of `payload_bytes`; its payload follows through
  /// stream(): any number of appends of that many bytes in all.
  void begin_message(WsOpcode opcode, std::size_t payload_bytes);
  void send_text(ByteView text);
  Stream& stream() { return *stream_; }

  void ping();
  void flush();
  std::size_t queued_bytes() const { return stream_->queued_bytes(); }
  void pause_reading(bool paused) { stream_->pause_reading(paused); }

  /// Forgets queued frames, but for one that has begun to leave.
  void drop_unsent_frames();

  /// Sends what is queued, then the close frame. on_closed follows when the connection has ended;
  /// nothing more can be sent meanwhile.
  void close(WsClose code, std::string_view reason);
  /// Ends the connection at once, without a close frame; on_closed is called before this returns.
  void abort();
  bool is_open() const { return open_; }

 private:
  void on_bytes(ByteView bytes);
  void handle(WsEvent event);
  void begin_frame(WsOpcode opcode, std::size_t payload_bytes);
  void answer_ping();
  void ended();

  std::shared_ptr<Stream> stream_;
  WsReader reader_;
  std::string already_read_;
  Handlers handlers_;
  std::optional<std::string> unanswered_ping_;
  std::deque<std::uint64_t> frame_ends_;  // of frames not whole in the system's hands, in stream bytes
  std::uint64_t written_before_frames_ = 0;  // where the frames before those of frame_ends_ ended
  bool open_ = true;
};

}  // namespace perijove
