#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "code/format_result.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

enum class Framing { ndjson, sse };

// The client that follows an execution event by event. It keeps itself until the end or the loss of
// the connection.
class EventStream : public std::enable_shared_from_this<EventStream> {
 public:
  EventStream(CallPtr call, std::shared_ptr<CodeExecution> execution, Framing framing,
              std::uint64_t from, bool cancel_on_disconnect)
      : call_(std::move(call)),
        execution_(std::move(execution)),
        framing_(framing),
        next_(from),
        cancel_on_disconnect_(cancel_on_disconnect),
        keepalive_(call_->shard().loop()) {}

  void begin() {
    const auto self = shared_from_this();
    call_->exchange().set_on_disconnect([self] { self->lost(); });
    const bool sse = framing_ == Framing::sse;
    body_ = call_->respond_in_pieces(200, sse ? "text/event-stream" : "application/x-ndjson",
                                     {{"Cache-Control", "no-cache"},
                                      {"X-Accel-Buffering", "no"},
                                      {"X-Execution-Id", execution_->id()}});
    body_->set_on_drained([weak = weak_from_this()] {
      if (const auto stream = weak.lock()) stream->send();
    });
    listening_ = execution_->listen([self] { self->send(); });
    send();
    keep_alive();
  }

 private:
  void send() {
    constexpr std::size_t kEventsPerTurn = 100;
    const auto self = shared_from_this();
    while (body_ && !body_->is_blocked()) {
      const auto found = execution_->events(next_, kEventsPerTurn);
      if (found.missed > 0) {
        write(json{{"type", "missed"}, {"events", found.missed}}.dump(), next_);
        next_ += found.missed;
      }
      if (found.events.empty()) break;
      for (const ExecutionEvent* event : found.events) {
        write(event->json, event->seq);
        next_ = event->seq + 1;
        if (event->type == "done") {
          end();
          return;
        }
      }
    }
    if (body_ && execution_->done() && execution_->events(next_, 1).events.empty()) end();
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
    if (cancel_on_disconnect_) execution_->cancel();
  }

  CallPtr call_;
  std::shared_ptr<CodeExecution> execution_;
  Framing framing_;
  std::uint64_t next_;
  bool cancel_on_disconnect_;
  boost::asio::steady_timer keepalive_;
  std::unique_ptr<HttpBodyStream> body_;
  std::shared_ptr<void> listening_;
};

std::string execution_url(const CallPtr& call, const CodeExecution& execution) {
  return call->base_url() + "v1/executions/" + execution.id();
}

// `?format=NAME` gives the text for a language model instead of JSON.
void answer_result(const CallPtr& call, const CodeExecution& execution, int status) {
  const auto format = call->request().argument("format");
  if (format && execution.done()) {
    const auto text = format_result(*format, execution.result());
    if (!text) {
      problem(call, text.error(), "validation_failed");
    } else {
      call->respond(status, *text,
                    *format == "anthropic" ? "application/json" : "text/plain; charset=utf-8");
    }
    return;
  }
  call->json(status, execution.to_json(), {{"Location", execution_url(call, execution)}});
}

// Answers when the execution has ended, or after `longest`.
void answer_when_done(const CallPtr& call, const std::shared_ptr<CodeExecution>& execution,
                      std::optional<Duration> longest, bool cancel_on_disconnect) {
  if (execution->done()) {
    answer_result(call, *execution, 200);
    return;
  }
  struct Waiter {
    explicit Waiter(Shard& shard) : timer(shard.loop()) {}
    std::shared_ptr<void> listening;
    boost::asio::steady_timer timer;
    bool answered = false;
  };
  const auto waiter = std::make_shared<Waiter>(call->shard());
  const auto answer = [call, execution, waiter] {
    if (std::exchange(waiter->answered, true)) return;
    waiter->timer.cancel();
    waiter->listening.reset();
    answer_result(call, *execution, 200);
  };
  call->exchange().set_on_disconnect([execution, waiter, cancel_on_disconnect] {
    if (std::exchange(waiter->answered, true)) return;
    waiter->timer.cancel();
    waiter->listening.reset();
    if (cancel_on_disconnect) execution->cancel();
  });
  waiter->listening = execution->listen([execution, answer] {
    if (execution->done()) answer();
  });
  if (longest) {
    waiter->timer.expires_after(*longest);
    waiter->timer.async_wait([answer](const boost::system::error_code& error) {
      if (!error) answer();
    });
  }
}

std::optional<std::uint64_t> number_argument(const CallPtr& call, std::string_view name,
                                             std::uint64_t fallback) {
  const auto text = call->request().argument(name);
  if (!text) return fallback;
  std::uint64_t value = 0;
  constexpr std::size_t kDigitsMax = 18;
  bool sound = !text->empty() && text->size() <= kDigitsMax;
  for (const char c : *text) {
    sound = sound && c >= '0' && c <= '9';
    if (sound) value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (sound) return value;
  problem(call, 400, "validation_failed", std::string(name) + " must be a whole number");
  return std::nullopt;
}

void send_output(const CallPtr& call, const CodeExecution& execution) {
  const std::string stream = call->request().argument("stream").value_or("stdout");
  if (stream != "stdout" && stream != "stderr") {
    problem(call, 400, "validation_failed", "stream must be stdout or stderr");
    return;
  }
  constexpr std::uint64_t kPageBytes = 64 * 1024;
  constexpr std::uint64_t kPageBytesMax = 16 * 1024 * 1024;
  const auto offset = number_argument(call, "offset", 0);
  const auto limit = offset ? number_argument(call, "limit", kPageBytes) : std::nullopt;
  if (!limit) return;
  const OutputLog& log = execution.log(stream);
  const auto text = log.read(*offset, std::min(*limit, kPageBytesMax));
  if (!text) {
    problem(call, text.error());
    return;
  }
  const std::uint64_t end = *offset + text->size();
  call->json(200, {{"stream", stream},
                   {"offset", *offset},
                   {"text", *text},
                   {"next_offset", end < log.kept_bytes() ? json(end) : json()},
                   {"kept_bytes", log.kept_bytes()},
                   {"total_bytes", log.total_bytes()}});
}

void send_input(const CallPtr& call, const std::shared_ptr<CodeExecution>& execution) {
  const auto body = body_object(call);
  if (!body) return;
  JsonFields fields(*body, "input");
  fields.refuse_unknown({"text"});
  const std::string text = fields.text("text");
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
  } else if (!execution->answer_input(text)) {
    problem(call, 409, "no_input_wanted", "the code does not wait for input");
  } else {
    call->empty(204);
  }
}

Framing framing_of(std::string_view accept) {
  return accept.find("text/event-stream") != std::string_view::npos ? Framing::sse
                                                                    : Framing::ndjson;
}

}  // namespace

void execute(const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  const auto body = body_object(call);
  if (!body) return;
  auto request = read_code_request(*body, session->options().defaults);
  if (!request) {
    problem(call, request.error(), "validation_failed");
    return;
  }
  const std::string_view key = call->request().header("Idempotency-Key");
  if (request->idempotency_key.empty()) request->idempotency_key = key;
  const bool cancel = request->cancel_on_disconnect;
  const std::string mode = json_text(*body, "mode");
  const std::string_view accept = call->request().header("Accept");
  const auto execution = session->execute(*std::move(request));
  if (!execution) {
    const bool busy = execution.error().code == Code::aborted;
    problem(call, execution.error(), busy ? "kernel_busy" : "");
    return;
  }
  const bool async = mode == "async" || call->request().header("Prefer").find("respond-async") !=
                                            std::string_view::npos;
  const bool streams = mode == "stream" || accept.find("ndjson") != std::string_view::npos ||
                       accept.find("text/event-stream") != std::string_view::npos;
  if (async) {
    answer_result(call, **execution, 202);
  } else if (streams) {
    std::make_shared<EventStream>(call, *execution, framing_of(accept), 1, cancel)->begin();
  } else {
    answer_when_done(call, *execution, std::nullopt, cancel);
  }
}

bool handle_executions(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() < 3 || path.size() > 4 || path[1] != "executions") return false;
  const std::string action = path.size() == 4 ? path[3] : std::string();
  const bool reads = action.empty() || action == "events" || action == "output";
  if (!reads && action != "cancel" && action != "input") return false;
  if (!method_is(call, reads ? "GET" : "POST")) return true;
  const auto execution = face.sessions().find_execution(path[2]);
  if (!execution) {
    problem(call, 404, "execution_not_found", "there is no execution '" + path[2] + "'",
            "sessions keep their last 100 executions");
    return true;
  }
  if (action.empty()) {
    const auto wait = number_argument(call, "wait_s", 0);
    if (wait) answer_when_done(call, execution, std::chrono::seconds(*wait), false);
  } else if (action == "events") {
    const std::string last(call->request().header("Last-Event-ID"));
    const auto from = number_argument(call, "from", 1);
    if (!from) return true;
    std::uint64_t begin = *from;
    if (!last.empty() && last.find_first_not_of("0123456789") == std::string::npos &&
        last.size() < 19) {
      begin = std::stoull(last) + 1;
    }
    std::make_shared<EventStream>(call, execution, framing_of(call->request().header("Accept")),
                                  begin, false)
        ->begin();
  } else if (action == "output") {
    send_output(call, *execution);
  } else if (action == "cancel") {
    execution->cancel();
    answer_result(call, *execution, 202);
  } else {
    send_input(call, execution);
  }
  return true;
}

}  // namespace perijove::v1
