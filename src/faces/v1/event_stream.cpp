#include "faces/v1/event_stream.hpp"

#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "faces/v1/v1_face.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

enum class Framing { ndjson, sse };

Framing framing_of(std::string_view accept) {
  return accept.find("text/event-stream") != std::string_view::npos ? Framing::sse
                                                                    : Framing::ndjson;
}

// The client that follows a log event by event. It keeps itself until the end or the loss of
// the connection.
class EventStream : public std::enable_shared_from_this<EventStream> {
 public:
  EventStream(CallPtr call, std::shared_ptr<EventLog> log, std::uint64_t from,
              std::function<void()> on_lost)
      : call_(std::move(call)),
        log_(std::move(log)),
        framing_(framing_of(call_->request().header("Accept"))),
        next_(from),
        on_lost_(std::move(on_lost)),
        keepalive_(call_->shard().loop()) {}

  void begin(HttpFields extra) {
    const auto self = shared_from_this();
    call_->exchange().set_on_disconnect([self] { self->lost(); });
    const bool sse = framing_ == Framing::sse;
    extra.emplace_back("Cache-Control", "no-cache");
    extra.emplace_back("X-Accel-Buffering", "no");
    body_ = call_->respond_in_pieces(200, sse ? "text/event-stream" : "application/x-ndjson",
                                     std::move(extra));
    body_->set_on_drained([weak = weak_from_this()] {
      if (const auto stream = weak.lock()) stream->send();
    });
    listening_ = log_->listen([self] { self->send(); });
    send();
    keep_alive();
  }

 private:
  void send() {
    constexpr std::size_t kEventsPerTurn = 100;
    const auto self = shared_from_this();
    while (body_ && !body_->is_blocked()) {
      const auto found = log_->events(next_, kEventsPerTurn);
      if (found.missed > 0) {
        write(json{{"type", "missed"}, {"events", found.missed}}.dump(), next_);
        next_ += found.missed;
      }
      if (found.events.empty()) break;
      for (const ExecutionEvent* event : found.events) {
        write(event->json, event->seq);
        next_ = event->seq + 1;
      }
    }
    if (body_ && log_->closed() && log_->events(next_, 1).events.empty()) end();
  }

  void write(std::string_view line, std::uint64_t seq) {
    std::string piece;
    if (framing_ == Framing::sse) {
      piece = "id: " + std::to_string(seq) + "\ndata: ";
      piece += line;
      piece += "\n\n";
    } else {
      piece = line;
      piece += '\n';
    }
    body_->write(piece);
  }

  // Proxies end connections that say nothing; rows Q23 and 6.2 have five seconds.
  void keep_alive() {
    constexpr auto kInterval = std::chrono::seconds(5);
    keepalive_.expires_after(kInterval);
    keepalive_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self || !self->body_) return;
      if (!self->body_->is_blocked()) {
        self->body_->write(self->framing_ == Framing::sse ? ":\n\n" : "{\"type\":\"keepalive\"}\n");
      }
      self->keep_alive();
    });
  }

  void end() {
    keepalive_.cancel();
    listening_.reset();
    if (const auto body = std::move(body_)) body->finish();
  }

  void lost() {
    keepalive_.cancel();
    listening_.reset();
    body_.reset();
    if (on_lost_) on_lost_();
  }

  CallPtr call_;
  std::shared_ptr<EventLog> log_;
  Framing framing_;
  std::uint64_t next_;
  std::function<void()> on_lost_;
  boost::asio::steady_timer keepalive_;
  std::unique_ptr<HttpBodyStream> body_;
  std::shared_ptr<void> listening_;
};

}  // namespace

void stream_events(const CallPtr& call, std::shared_ptr<EventLog> log, std::uint64_t from,
                   HttpFields extra, std::function<void()> on_lost) {
  std::make_shared<EventStream>(call, std::move(log), from, std::move(on_lost))
      ->begin(std::move(extra));
}

std::optional<std::uint64_t> first_event(const CallPtr& call) {
  const auto from = number_argument(call, "from", 1);
  if (!from) return std::nullopt;
  const std::string last(call->request().header("Last-Event-ID"));
  constexpr std::size_t kDigitsMax = 18;
  const bool number = !last.empty() && last.size() <= kDigitsMax &&
                      last.find_first_not_of("0123456789") == std::string::npos;
  return number ? std::stoull(last) + 1 : *from;
}

}  // namespace perijove::v1
