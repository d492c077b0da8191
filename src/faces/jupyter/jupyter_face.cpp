#include "faces/jupyter/jupyter_face.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.hpp"
#include "faces/jupyter/access.hpp"
#include "faces/jupyter/face_state.hpp"
#include "protocol/json.hpp"

namespace perijove {

JupyterFace::State::State(Shard& shard_, KernelRegistry& registry_, SessionStore& sessions_,
                          JupyterFaceOptions options_)
    : shard(shard_),
      registry(registry_),
      sessions(sessions_),
      options(std::move(options_)),
      started(std::chrono::system_clock::now()),
      calls{shard_, options.base_url},
      executions(shard_, registry_),
      ping_timer(shard_.loop()) {}

static void ping_every(const std::shared_ptr<JupyterFace::State>& state) {
  state->ping_timer.expires_after(state->options.ws_ping_interval);
  state->ping_timer.async_wait(
      [weak = std::weak_ptr(state)](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || !self) return;
        ping_all(*self);
        ping_every(self);
      });
}

JupyterFace::JupyterFace(Shard& shard, KernelRegistry& registry, SessionStore& sessions,
                         JupyterFaceOptions options)
    : state_(std::make_shared<State>(shard, registry, sessions, std::move(options))) {
  if (state_->options.ws_ping_interval > Duration::zero()) ping_every(state_);
}

JupyterFace::~JupyterFace() {
  state_->ping_timer.cancel();
  close_websockets(WsClose::service_restart, "the gateway is stopping");
  abort_channels(*state_);
  abort_events(*state_);
}

void JupyterFace::close_websockets(WsClose code, std::string_view reason) {
  close_channels(*state_, code, reason);
  close_events(*state_, code, reason);
}

JupyterCall::JupyterCall(JupyterFace::State& state, std::shared_ptr<HttpExchange> exchange)
    : Call(state.calls, std::move(exchange)), state_(state) {}

void JupyterFace::mount(Routes routes) { state_->mounted.push_back(std::move(routes)); }

// ---- routing ----

static std::optional<PathParts> parts_below(std::string_view base_url, const std::string& path) {
  const auto decoded = percent_decode(path);
  const auto base = percent_decode(base_url);
  if (!decoded || !base || !decoded->starts_with(*base)) return std::nullopt;
  PathParts parts;
  std::string_view rest = std::string_view(*decoded).substr(base->size());
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    parts.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return parts;
}

// Where a path with slashes at its end is redirected to. None where a browser would read the place
// as another host's ("//host", and it takes a backslash for a slash) or something else than we do.
static std::optional<std::string> without_last_slashes(const HttpRequest& request) {
  std::string place = request.path.substr(0, request.path.find_last_not_of('/') + 1);
  const auto is_unsafe = [](char c) {
    return c == '\\' || static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
  };
  if (place.empty() || place.starts_with("//") ||
      std::any_of(place.begin(), place.end(), is_unsafe)) {
    return std::nullopt;
  }
  if (!request.query_as_sent.empty()) place += '?' + request.query_as_sent;
  return place;
}

void JupyterFace::handle(const std::shared_ptr<HttpExchange>& exchange) {
  const auto call = std::make_shared<JupyterCall>(*state_, exchange);
  const HttpRequest& request = call->request();
  const Access access = check_access(state_->options, request);
  for (const auto& field : access.cors_headers) call->common_headers.push_back(field);
  if (request.method == "OPTIONS") {
    call->empty(204, access.preflight_headers);
    return;
  }
  const auto path = parts_below(state_->options.base_url, request.path);
  if (!path) {
    call->error(404, "Not Found");
    return;
  }
  // What probes ask, and what clients ask before they know more.
  const bool is_open = path->size() == 1 && (path->front() == "api" || path->front() == "healthz" ||
                                             path->front() == "readyz");
  if (access.refused_status != 0 && !(is_open && access.refused_status == 401)) {
    HttpFields extra;
    if (access.refused_status == 401) extra.emplace_back("WWW-Authenticate", "token");
    call->json(access.refused_status, {{"message", access.refused_message}, {"reason", nullptr}},
               std::move(extra));
    return;
  }
  if (request.path.size() > state_->options.base_url.size() && request.path.ends_with('/')) {
    if (auto place = without_last_slashes(request)) {
      call->empty(302, {{"Location", std::move(*place)}});
    } else {
      call->error(404, "Not Found");
    }
    return;
  }
  const bool handled = handle_kernels(call, *path) || handle_sessions(call, *path) ||
                       handle_kernelspecs(call, *path) || handle_events(call, *path) ||
                       handle_server(call, *path) || state_->executions.handle(call, *path) ||
                       std::any_of(state_->mounted.begin(), state_->mounted.end(),
                                   [&](const Routes& routes) { return routes(call, *path); });
  if (!handled) call->error(404, "Not Found");
}

}  // namespace perijove
