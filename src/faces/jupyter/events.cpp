#include <nlohmann/json.hpp>
#include <utility>

#include "faces/jupyter/face_state.hpp"
#include "protocol/json.hpp"

namespace perijove {

/// One subscriber of /api/events/subscribe.
class EventsSession {
 public:
  explicit EventsSession(std::shared_ptr<WebSocket> socket) : socket_(std::move(socket)) {}

  void start(std::function<void()> on_closed) {
    socket_->start(
        {.on_message = [](WsMessage) {}, .on_drained = nullptr, .on_closed = std::move(on_closed)});
  }

  // A subscriber that does not read is not worth the gateway's memory; it can subscribe again.
  void send(const std::string& text) {
    constexpr std::size_t kQueuedBytesMax = 1024 * 1024;
    if (socket_->queued_bytes() > kQueuedBytesMax) {
      socket_->close(WsClose::try_again_later, "events are read too slowly");
      return;
    }
    socket_->send_text(text);
    socket_->flush();
  }

  void ping() { socket_->ping(); }
  void close(WsClose code, std::string_view reason) { socket_->close(code, reason); }
  void abort() { socket_->abort(); }

 private:
  std::shared_ptr<WebSocket> socket_;
};

namespace {

using nlohmann::json;

constexpr const char* kKernelActions =
    "https://events.jupyter.org/jupyter_server/kernel_actions/v1";

void emit(JupyterFace::State& state, const json& event) {
  const std::string text = dump_json(event);
  for (const auto& session : std::list(state.events)) session->send(text);
}

// The schema knows four actions; what else happens to a kernel is told as the nearest of them.
void emit_kernel_action(JupyterFace::State& state, const KernelEvent& event) {
  const bool known = event.action == "start" || event.action == "interrupt" ||
                     event.action == "shutdown" || event.action == "restart";
  if (!known && event.action != "died" && event.action != "cull") return;
  json data = {{"schema_id", kKernelActions},
               {"action", known ? event.action : "shutdown"},
               {"kernel_id", event.id.str()},
               {"kernel_name", event.kernel_name},
               {"status", event.action == "died" ? "error" : "success"},
               {"msg", event.message.empty() ? "Kernel " + event.id.str() + ": " + event.action
                                             : event.message}};
  emit(state, data);
}

void subscribe(const JupyterCallPtr& call) {
  if (!call->request().is_websocket_upgrade()) {
    call->error(400, "Can \"Upgrade\" only to \"WebSocket\".");
    return;
  }
  auto& state = call->state();
  constexpr std::size_t kMessageBytesMax = 64 * 1024;
  const auto socket = call->exchange().upgrade("", kMessageBytesMax);
  if (!socket) return;
  if (!state.registry_events) {
    state.registry_events = state.registry.listen(
        [&state](const KernelEvent& event) { emit_kernel_action(state, event); });
  }
  const auto session = std::make_shared<EventsSession>(socket);
  state.events.push_back(session);
  session->start([&state, weak = std::weak_ptr(session)] {
    if (const auto self = weak.lock()) state.events.remove(self);
  });
}

void post_event(const JupyterCallPtr& call) {
  const auto body = call->body_object();
  if (!body) return;
  for (const char* key : {"schema_id", "data"}) {
    if (!body->contains(key)) {
      call->error(400, std::string("Missing field in JSON data: ") + key);
      return;
    }
  }
  const json& data = (*body)["data"];
  if (!(*body)["schema_id"].is_string() || !data.is_object()) {
    call->error(400, "'schema_id' must be a string and 'data' an object");
    return;
  }
  json event = data;
  event["schema_id"] = (*body)["schema_id"];
  emit(call->state(), event);
  call->empty(204);
}

}  // namespace

bool handle_events(const JupyterCallPtr& call, const PathParts& path) {
  if (path.size() < 2 || path[0] != "api" || path[1] != "events") return false;
  if (path.size() == 2) {
    if (method_is(call, "POST")) post_event(call);
    return true;
  }
  if (path.size() != 3 || path[2] != "subscribe") return false;
  if (method_is(call, "GET")) subscribe(call);
  return true;
}

void close_events(JupyterFace::State& state, WsClose code, std::string_view reason) {
  for (const auto& session : std::list(state.events)) session->close(code, reason);
}

void abort_events(JupyterFace::State& state) {
  for (const auto& session : std::list(state.events)) session->abort();
}

void ping_events(JupyterFace::State& state) {
  for (const auto& session : std::list(state.events)) session->ping();
}

}  // namespace perijove
