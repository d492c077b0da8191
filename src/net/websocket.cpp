#include "net/websocket.hpp"

#include <type_traits>
#include <utility>

#include "base/log.hpp"

namespace perijove {

WebSocket::WebSocket(std::shared_ptr<Stream> stream, std::size_t message_bytes_max,
                     std::string already_read)
    : stream_(std::move(stream)),
      reader_(message_bytes_max),
      already_read_(std::move(already_read)) {}

void WebSocket::start(Handlers handlers) {
  handlers_ = std::move(handlers);
  // The stream holds this websocket, and lets go of it when the connection ends.
  auto self = shared_from_this();
  stream_->set_handlers([self](ByteView bytes) { self->on_bytes(bytes); },
                        [self] { self->ended(); },
                        [self] {
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
          append_ws_header(stream_->tail(), WsOpcode::pong, value.payload.size());
          stream_->append(value.payload);
          stream_->flush();
        } else if constexpr (std::is_same_v<T, WsCloseReceived>) {
          // 1005 stands for "no code" and may not be sent; any other is answered in kind.
          const bool sendable =
              value.code >= 1000 && value.code < 5000 && value.code != 1005 && value.code != 1006;
          close(sendable ? static_cast<WsClose>(value.code) : WsClose::normal, "");
        } else if constexpr (std::is_same_v<T, WsFault>) {
          log::warning("websocket_fault",
                       {{"peer", stream_->peer_address()}, {"reason", value.reason}});
          close(value.code, value.reason);
        }
      },
      std::move(event));
}

void WebSocket::begin_message(WsOpcode opcode, std::size_t payload_bytes) {
  append_ws_header(stream_->tail(), opcode, payload_bytes);
}

void WebSocket::send_text(ByteView text) {
  begin_message(WsOpcode::text, text.size());
  stream_->append(text);
}

void WebSocket::ping() {
  append_ws_header(stream_->tail(), WsOpcode::ping, 0);
  stream_->flush();
}

void WebSocket::flush() { stream_->flush(); }

void WebSocket::close(WsClose code, std::string_view reason) {
  if (!open_) return;
  stream_->append(ws_close_frame(code, reason));
  stream_->finish();
  ended();
}

void WebSocket::ended() {
  if (!std::exchange(open_, false)) return;
  const auto self = shared_from_this();  // on_closed may drop the last other share
  const auto on_closed = std::exchange(handlers_, {}).on_closed;
  if (on_closed) on_closed();
}

}  // namespace perijove
