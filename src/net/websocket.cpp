#include "net/websocket.hpp"

#include <type_traits>
#include <utility>

#include "base/log.hpp"

namespace perijove {

// RFC 6455 section 7.4 and the registry that goes on from it.
static bool is_sendable(std::uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

WebSocket::WebSocket(std::shared_ptr<Stream> stream, std::size_t message_bytes_max,
                     std::string already_read)
    : stream_(std::move(stream)),
      reader_(message_bytes_max),
      already_read_(std::move(already_read)),
      written_before_frames_(stream_->written_bytes() + stream_->queued_bytes()) {}

void WebSocket::start(Handlers handlers) {
  handlers_ = std::move(handlers);
  // The stream holds this websocket, and lets go of it when the connection ends.
  auto self = shared_from_this();
  stream_->set_handlers([self](ByteView bytes) { self->on_bytes(bytes); },
                        [self] { self->ended(); },
                        [self] {
                          self->answer_ping();
                          if (self->open_ && self->handlers_.on_drained) {
                            self->handlers_.on_drained();
                          }
                        });
  const std::string first = std::exchange(already_read_, {});
  if (!first.empty()) on_bytes(first);
  if (stream_->is_open()) stream_->start_reading();
}

void WebSocket::on_bytes(ByteView bytes) {
  while (open_ && !bytes.empty()) {
    if (auto event = reader_.read(bytes)) handle(std::move(*event));
  }
}

void WebSocket::handle(WsEvent event) {
  std::visit(
      [this](auto&& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, WsMessage>) {
          const auto on_message = handlers_.on_message;
          if (on_message) on_message(std::move(value));
        } else if constexpr (std::is_same_v<T, WsPing>) {
          unanswered_ping_ = std::move(value.payload);
          answer_ping();
        } else if constexpr (std::is_same_v<T, WsCloseReceived>) {
          // The peer reads no more messages, so none is sent any more: a session that comes back then
          // gets them, and not twice. 1005 stands for "no code"; what may be sent is answered in kind.
          drop_unsent_frames();
          close(value.code == 1005        ? WsClose::normal
                : is_sendable(value.code) ? static_cast<WsClose>(value.code)
                                          : WsClose::protocol_error,
                "");
        } else if constexpr (std::is_same_v<T, WsFault>) {
          log::warning("websocket_fault",
                       {{"peer", stream_->peer_address()}, {"reason", value.reason}});
          close(value.code, value.reason);
        }
      },
      std::move(event));
}

// A peer that pings and does not read is answered once, when it reads again: of several pings only
// the last needs an answer (RFC 6455 section 5.5.3).
void WebSocket::answer_ping() {
  if (!open_ || !unanswered_ping_ || stream_->is_blocked()) return;
  const std::string payload = *std::exchange(unanswered_ping_, std::nullopt);
  begin_frame(WsOpcode::pong, payload.size());
  stream_->append(payload);
  stream_->flush();
}

void WebSocket::begin_message(WsOpcode opcode, std::size_t payload_bytes) {
  begin_frame(opcode, payload_bytes);
}

void WebSocket::begin_frame(WsOpcode opcode, std::size_t payload_bytes) {
  while (!frame_ends_.empty() && frame_ends_.front() <= stream_->written_bytes()) {
    written_before_frames_ = frame_ends_.front();
    frame_ends_.pop_front();
  }
  append_ws_header(stream_->tail(), opcode, payload_bytes);
  frame_ends_.push_back(stream_->written_bytes() + stream_->queued_bytes() + payload_bytes);
}

// A frame that has begun to leave is sent to its end, or the close frame would be read as part of it.
void WebSocket::drop_unsent_frames() {
  const std::uint64_t written = stream_->written_bytes();
  // Where the last frame that is whole in the system's hands ended, another has begun to leave unless
  // nothing more was written.
  std::uint64_t whole = written_before_frames_;
  for (const std::uint64_t end : frame_ends_) {
    if (end > written) {
      stream_->truncate_queue(whole == written ? 0 : end - written);
      return;
    }
    whole = end;
  }
}

void WebSocket::send_text(ByteView text) {
  begin_message(WsOpcode::text, text.size());
  stream_->append(text);
}

void WebSocket::ping() {
  if (!open_) return;
  begin_frame(WsOpcode::ping, 0);
  stream_->flush();
}

void WebSocket::flush() { stream_->flush(); }

void WebSocket::close(WsClose code, std::string_view reason) {
  if (!std::exchange(open_, false)) return;
  stream_->append(ws_close_frame(code, reason));
  stream_->finish();
}

void WebSocket::abort() {
  const auto self = shared_from_this();  // the stream drops its share
  stream_->abort();
  ended();
}

void WebSocket::ended() {
  open_ = false;
  const auto self = shared_from_this();  // on_closed may drop the last other share
  const auto on_closed = std::exchange(handlers_, {}).on_closed;
  if (on_closed) on_closed();
}

}  // namespace perijove
