#include "ws_client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

namespace bench {

namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
/// Any 16 bytes in base64 do: the key only proves that the server read the request.
constexpr std::string_view kHandshakeKey = "cGVyaWpvdmUtYmVuY2gtMQ==";

}  // namespace

std::string_view to_string(Ack ack) { return ack == Ack::kOrdinary ? "ordinary" : "quickack"; }

std::string unique_session_id() {
  static const std::uint32_t process = std::random_device()();
  static std::atomic<unsigned> counter{0};
  return "bench-" + std::to_string(process) + "-" + std::to_string(++counter);
}

WsClient::WsClient(Loop& loop, const ServerUrl& server, const std::string& kernel_id,
                   Framing framing, Ack ack)
    : Client(unique_session_id()),
      loop_(loop),
      framing_(framing),
      ack_(ack),
      fd_(connect_tcp(server)),
      key_(kHandshakeKey),
      mask_state_(std::random_device()()) {
  std::string headers =
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
  headers += "Sec-WebSocket-Key: " + key_ + "\r\n";
  if (framing == Framing::kV1) {
    headers += "Sec-WebSocket-Protocol: v1.kernel.websocket.jupyter.org\r\n";
  }
  const std::string path = "api/kernels/" + kernel_id + "/channels?session_id=" + session_id();
  outgoing_ = http_request(server, "GET", path, {}, headers);
  loop_.add(fd_, *this, EPOLLIN);
  write_some();
}

WsClient::~WsClient() {
  if (open_) {
    append_client_frame(outgoing_, Opcode::kClose, std::string_view("\x03\xe8", 2),
                        next_masking_key());
    write_some();
  }
  end("closed by the client");
}

MaskingKey WsClient::next_masking_key() {
  // A linear congruential step: fresh for every frame, as the protocol asks, and nearly free.
  mask_state_ = mask_state_ * 6364136223846793005ULL + 1442695040888963407ULL;
  MaskingKey key;
  const auto high = static_cast<std::uint32_t>(mask_state_ >> 32);
  std::memcpy(key.data(), &high, key.size());
  return key;
}

void WsClient::send(const Request& request) {
  const Payload payload = encode(framing_, request, session_id());
  append_client_frame(open_ ? outgoing_ : queued_, payload.text ? Opcode::kText : Opcode::kBinary,
                      payload.bytes, next_masking_key());
  if (open_) write_some();
}

void WsClient::pause_reading(bool paused) {
  paused_ = paused;
  watch();
}

void WsClient::watch() {
  if (fd_ < 0) return;
  loop_.modify(fd_, (paused_ ? 0U : EPOLLIN) | (wants_write_ ? EPOLLOUT : 0U));
}

void WsClient::write_some() {
  while (fd_ >= 0 && outgoing_sent_ < outgoing_.size()) {
    const ssize_t sent = ::send(fd_, outgoing_.data() + outgoing_sent_,
                                outgoing_.size() - outgoing_sent_, MSG_NOSIGNAL);
    if (sent > 0) {
      outgoing_sent_ += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      // Not the end yet: the server's close frame, which says why, may still be there to be read.
      lost_while_sending_ = true;
      outgoing_.clear();
      outgoing_sent_ = 0;
    }
    break;
  }
  if (outgoing_sent_ == outgoing_.size()) {
    outgoing_.clear();
    outgoing_sent_ = 0;
  }
  if (wants_write_ == outgoing_.empty()) {
    wants_write_ = !outgoing_.empty();
    watch();
  }
}

void WsClient::read_some() {
  const FrameReader::Space space = frames_.prepare(kReadBytes);
  const ssize_t received = recv(fd_, space.data, space.size, 0);
  if (received < 0) {
    if (errno != EAGAIN && errno != EINTR) {
      end((lost_while_sending_ ? "connection lost while sending: " : "connection lost: ") +
          std::string(strerror(errno)));
    }
    return;
  }
  if (received == 0) {
    end(lost_while_sending_ ? "connection closed while sending, without a close frame"
                            : "connection closed without a close frame");
    return;
  }
  frames_.commit(static_cast<std::size_t>(received));
  if (ack_ == Ack::kQuick) {
    // The option wears off after a while, so it is renewed with every read.
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
  }
}

void WsClient::on_event(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) write_some();
  if (fd_ < 0 || paused_ || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  if (open_) {
    read_some();
    take_frames();
  } else {
    take_handshake();
  }
}

void WsClient::take_handshake() {
  char chunk[4096];
  const ssize_t received = recv(fd_, chunk, sizeof chunk, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received <= 0) {
    end("connection closed before the upgrade");
    return;
  }
  const std::string_view bytes(chunk, static_cast<std::size_t>(received));
  const std::size_t used = handshake_.feed(bytes);
  if (!handshake_.has_head()) return;
  if (handshake_.status() != 101) {
    end("the upgrade was refused with status " + std::to_string(handshake_.status()));
    return;
  }
  if (handshake_.header("sec-websocket-accept") != websocket_accept(key_)) {
    end("the upgrade was answered with a wrong Sec-WebSocket-Accept");
    return;
  }
  const bool v1 = handshake_.header("sec-websocket-protocol") == "v1.kernel.websocket.jupyter.org";
  if (v1 != (framing_ == Framing::kV1)) {
    end("the server did not take the " + std::string(to_string(framing_)) + " framing");
    return;
  }
  open_ = true;
  outgoing_ += std::exchange(queued_, {});
  write_some();
  frames_.append(bytes.substr(used));
  take_frames();
}

void WsClient::take_frames() {
  WebsocketMessage frame;
  try {
    while (fd_ >= 0 && frames_.next(frame)) {
      switch (frame.opcode) {
        case Opcode::kPing:
          append_client_frame(outgoing_, Opcode::kPong, frame.payload, next_masking_key());
          write_some();
          break;
        case Opcode::kPong:
          break;
        case Opcode::kClose:
          end("closed by the server" +
              (frame.payload.size() >= 2
                   ? " with code " +
                         std::to_string(static_cast<unsigned char>(frame.payload[0]) * 256 +
                                        static_cast<unsigned char>(frame.payload[1]))
                   : std::string()));
          break;
        default:
          if (!decode(framing_, frame.payload, frame.opcode == Opcode::kText, message_)) {
            end("the server sent a frame that is not a Jupyter message");
            return;
          }
          deliver(message_);
      }
    }
  } catch (const WebsocketError& error) {
    end(std::string("websocket protocol error: ") + error.what());
  }
}

void WsClient::end(std::string reason) {
  if (fd_ < 0) return;
  loop_.remove(fd_);
  close(fd_);
  fd_ = -1;
  open_ = false;
  close_reason_ = std::move(reason);
}

}  // namespace bench
