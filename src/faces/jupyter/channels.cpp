#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "faces/jupyter/face_state.hpp"
#include "protocol/json_scan.hpp"
#include "protocol/ws_default.hpp"
#include "protocol/ws_v1.hpp"

namespace perijove {

/// One channels websocket: between a client and the journal and sockets of its kernel.
class ChannelsSession final : public KernelListener,
                              public std::enable_shared_from_this<ChannelsSession> {
 public:
  enum class Framing { v1, legacy };

  ChannelsSession(std::shared_ptr<WebSocket> socket, Framing framing, bool replays)
      : socket_(std::move(socket)),
        framing_(framing),
        replays_(replays),
        timer_(socket_->stream().shard().loop()) {}

  void start(const std::shared_ptr<Kernel>& kernel, std::string session_id,
             std::function<void()> on_closed) {
    attachment_ = kernel->attach(std::move(session_id), *this);
    const auto self = shared_from_this();
    socket_->start({.on_message = [self](WsMessage message) { self->receive(std::move(message)); },
                    .on_drained = [self] { self->pump(); },
                    .on_closed =
                        [self, on_closed = std::move(on_closed)] {
                          self->ended();
                          on_closed();
                        }});
  }

  void ping() {
    note_acknowledged();
    socket_->ping();
  }
  void close(WsClose code, std::string_view reason) { socket_->close(code, reason); }
  void abort() { socket_->abort(); }

  void on_messages() override { pump(); }
  void on_writable() override { socket_->pause_reading(false); }
  // The old connection of a client that has come back: nobody reads it any more.
  void on_replaced() override {
    const auto self = shared_from_this();
    socket_->drop_unsent_frames();  // the successor gets them
    note_acknowledged();
    socket_->close(WsClose::normal, "the session was opened again");
  }
  void on_kernel_gone(std::string_view reason) override {
    const auto self = shared_from_this();
    pump();
    socket_->close(WsClose::normal, reason);
  }

 private:
  // Takes messages from the journal while the client keeps up.
  void pump() {
    if (!attachment_) return;
    // Writing may find that the client is gone, and then this session's last share goes.
    const auto self = shared_from_this();
    int budget = limits::kMessagesPerTurn;
    while (socket_->is_open() && socket_->queued_bytes() < limits::kWebsocketAheadBytes) {
      Journal::Read read = attachment_->read();
      if (read.missed > 0) send_gap(read.missed);
      if (!read.message) break;
      send(read.message);
      sent_.push_back({socket_->stream().written_bytes() + socket_->queued_bytes(), read.position});
      if (--budget == 0) {
        pump_later();
        break;
      }
      // One system call for many messages, but the queue must not look full because nobody wrote.
      if (socket_->queued_bytes() >= limits::kWebsocketAheadBytes / 2) socket_->flush();
    }
    socket_->flush();
    constexpr std::size_t kNotedMax = 32;
    if (!replays_ || sent_.size() > kNotedMax || large_unacknowledged()) note_acknowledged();
    ask_later(std::chrono::milliseconds(5));
  }

  // Whether the system has taken a message whole and, as far as was asked, a mebibyte of what it
  // took is not acknowledged.
  bool large_unacknowledged() const {
    constexpr std::uint64_t kLarge = 1024 * 1024;
    const std::uint64_t written = socket_->stream().written_bytes();
    return !sent_.empty() && sent_.front().end <= written && written - acknowledged_ > kLarge;
  }

  // Nobody tells when the client's system acknowledges, and large messages are not to be kept until
  // there is something else to send.
  void ask_later(std::chrono::milliseconds after) {
    static constexpr std::chrono::milliseconds kAfterMax(1000);
    if (!large_unacknowledged() || std::exchange(asking_, true)) return;
    timer_.expires_after(after);
    timer_.async_wait([weak = weak_from_this(), after](const boost::system::error_code&) {
      const auto self = weak.lock();
      if (!self) return;
      self->asking_ = false;
      if (!self->attachment_) return;
      self->note_acknowledged();
      self->attachment_->trim();
      self->ask_later(std::min(2 * after, kAfterMax));
    });
  }

  void pump_later() {
    if (std::exchange(pump_posted_, true)) return;
    boost::asio::post(socket_->stream().shard().loop(), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->pump_posted_ = false;
      self->pump();
    });
  }

  void send(const MessagePtr& message) {
    Stream& stream = socket_->stream();
    const auto append = [&](ByteView bytes) {
      if (message->size_bytes() <= limits::kCopyMessageBytesMax) {
        stream.append(bytes);
      } else {
        stream.append(bytes, message);
      }
    };
    if (framing_ == Framing::v1) {
      socket_->begin_message(WsOpcode::binary,
                             ws_v1_preamble_size(*message) + message->size_bytes());
      append_ws_v1_preamble(stream.tail(), *message);
      const SignedParts& parts = message->parts();
      for (const ByteView part :
           {parts.header, parts.parent_header, parts.metadata, parts.content}) {
        append(part);
      }
    } else {
      const WsDefaultFrame frame = encode_ws_default(*message);
      std::size_t size = frame.size();
      for (const ByteView buffer : message->buffers()) size += buffer.size();
      socket_->begin_message(frame.binary ? WsOpcode::binary : WsOpcode::text, size);
      stream.append(frame.head);
      append(frame.content);
      stream.append(frame.tail);
    }
    for (const ByteView buffer : message->buffers()) append(buffer);
  }

  // Nothing is dropped silently.
  void send_gap(std::uint64_t missed) {
    std::string content = R"({"name":"stderr","text":)";
    append_json_string(content, "[perijove] " + std::to_string(missed) +
                                    " messages are missing here: more came while this client did "
                                    "not read than the journal keeps (--journal-disk)\n");
    content += '}';
    send(make_message(Channel::iopub,
                      {.msg_type = "stream",
                       .msg_id = make_uuid(),
                       .session = attachment_->kernel().id().str(),
                       .date = std::chrono::system_clock::now()},
                      "{}", content));
  }

  void receive(WsMessage message) {
    if (!attachment_) return;
    auto payload = std::make_shared<const std::string>(std::move(message.payload));
    auto decoded = framing_ == Framing::v1 ? decode_v1(message.binary, *payload)
                   : message.binary        ? decode_ws_default_binary(*payload)
                                           : decode_ws_default_text(*payload);
    if (!decoded) {
      log::warning("client_message_refused", {{"reason", decoded.error().message}});
      socket_->close(WsClose::invalid_payload, decoded.error().message);
      return;
    }
    switch (attachment_->submit(*decoded, payload)) {
      case Attachment::Submission::accepted:
        break;
      case Attachment::Submission::congested:
        socket_->pause_reading(true);
        break;
      case Attachment::Submission::gone:
        socket_->close(WsClose::normal, "the kernel is dead");
        break;
      case Attachment::Submission::malformed:
        log::warning("client_message_refused", {{"reason", "not a Jupyter message"}});
        socket_->close(WsClose::invalid_payload,
                       "a part is not JSON, or the header has no msg_id or msg_type");
        break;
    }
  }

  static Result<ClientMessage> decode_v1(bool binary, ByteView payload) {
    if (!binary) {
      return Error{Code::invalid_argument,
                   "text message on a websocket that negotiated " + std::string(kWsV1Subprotocol)};
    }
    return decode_ws_v1(payload);
  }

  // What the client's system has acknowledged will not be sent again.
  void note_acknowledged() {
    if (!attachment_ || sent_.empty()) return;
    if (!replays_) {
      attachment_->acknowledge(sent_.back().position);
      sent_.clear();
      return;
    }
    acknowledged_ = socket_->stream().acknowledged_bytes();
    while (!sent_.empty() && sent_.front().end <= acknowledged_) {
      attachment_->acknowledge(sent_.front().position);
      sent_.pop_front();
    }
  }

  void ended() {
    note_acknowledged();
    attachment_.reset();
  }

  struct Sent {
    std::uint64_t end;       // of the message in the stream's bytes
    std::uint64_t position;  // to read on from, once the client has it
  };

  std::shared_ptr<WebSocket> socket_;
  Framing framing_;
  bool replays_;
  std::unique_ptr<Attachment> attachment_;
  std::deque<Sent> sent_;
  std::uint64_t acknowledged_ = 0;  // of the stream's bytes, when it was asked last
  boost::asio::steady_timer timer_;
  bool asking_ = false;
  bool pump_posted_ = false;
};

namespace {

void upgrade(const JupyterCallPtr& call, const std::shared_ptr<Kernel>& kernel) {
  const HttpRequest& request = call->request();
  if (kernel->state() == lifecycle::State::dead || kernel->state() == lifecycle::State::stopped) {
    call->error(404, "Kernel does not run: " + kernel->id().str(), kernel->summary().reason);
    return;
  }
  auto& state = call->state();
  const bool v1 = has_token(request.header("Sec-WebSocket-Protocol"), kWsV1Subprotocol);
  std::string session_id = request.argument("session_id").value_or("");
  const bool replays = !session_id.empty();
  const auto socket = call->exchange().upgrade(v1 ? kWsV1Subprotocol : std::string_view(),
                                               state.options.ws_message_bytes_max);
  if (!socket) return;
  using Framing = ChannelsSession::Framing;
  const auto session =
      std::make_shared<ChannelsSession>(socket, v1 ? Framing::v1 : Framing::legacy, replays);
  state.channels.push_back(session);
  session->start(kernel, std::move(session_id), [&state, weak = std::weak_ptr(session)] {
    if (const auto self = weak.lock()) state.channels.remove(self);
  });
}

// Some clients give up a handshake after 10 s.
constexpr std::chrono::seconds kHandshakeWaitMax{8};

// Calls `then` once: when the kernel has started or failed, or when that takes too long to wait.
void when_started(const JupyterCallPtr& call, const std::shared_ptr<Kernel>& kernel,
                  std::function<void()> then) {
  struct Wait {
    boost::asio::steady_timer timer;
    std::function<void()> then;
  };
  const auto wait = std::make_shared<Wait>(
      Wait{boost::asio::steady_timer(call->shard().loop(), kHandshakeWaitMax), std::move(then)});
  const auto go_on = [wait] {
    wait->timer.cancel();
    if (wait->then) std::exchange(wait->then, nullptr)();
  };
  wait->timer.async_wait([go_on](const boost::system::error_code& cancelled) {
    if (!cancelled) go_on();
  });
  kernel->start([go_on](const Result<void>&) { go_on(); });
}

}  // namespace

// The handshake of a kernel that starts is answered when it has started, as jupyter_server does:
// jupyter_client's GatewayKernelClient asks through an open websocket once a second, and ends with
// an AssertionError when nothing has come in the first.
void open_channels(const JupyterCallPtr& call, const std::shared_ptr<Kernel>& kernel) {
  if (!call->request().is_websocket_upgrade()) {
    call->error(400, "Can \"Upgrade\" only to \"WebSocket\".");
    return;
  }
  const lifecycle::State state = kernel->state();
  if (state == lifecycle::State::starting || state == lifecycle::State::connecting) {
    when_started(call, kernel, [call, kernel] { upgrade(call, kernel); });
  } else {
    upgrade(call, kernel);
  }
}

void close_channels(JupyterFace::State& state, WsClose code, std::string_view reason) {
  for (const auto& session : std::list(state.channels)) session->close(code, reason);
}

void abort_channels(JupyterFace::State& state) {
  for (const auto& session : std::list(state.channels)) session->abort();
}

void ping_all(JupyterFace::State& state) {
  for (const auto& session : std::list(state.channels)) session->ping();
  ping_events(state);
}

}  // namespace perijove
