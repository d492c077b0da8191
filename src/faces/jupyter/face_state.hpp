#pragma once

#include <list>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "faces/jupyter/jupyter_face.hpp"

/// What the files of the Jupyter face share; nobody else includes it.
namespace perijove {

class ChannelsSession;
class EventsSession;

/// Requests by method and status, for /metrics.
struct RequestMetrics {
  std::map<std::pair<std::string, int>, std::pair<std::uint64_t, double>> count_and_seconds;
};

struct JupyterFace::State {
  State(Shard& shard_, KernelRegistry& registry_, SessionStore& sessions_,
        JupyterFaceOptions options_);

  Shard& shard;
  KernelRegistry& registry;
  SessionStore& sessions;
  JupyterFaceOptions options;
  WallTime started;
  RequestMetrics metrics;
  std::list<std::shared_ptr<ChannelsSession>> channels;
  std::list<std::shared_ptr<EventsSession>> events;
  std::shared_ptr<void> registry_events;
  boost::asio::steady_timer ping_timer;
};

/// One request on its way through the face: the exchange, what the client is allowed to see, and
/// the headers that every answer to it carries.
class Call {
 public:
  Call(JupyterFace::State& state, std::shared_ptr<HttpExchange> exchange);

  const HttpRequest& request() const { return exchange_->request(); }
  JupyterFace::State& state() { return state_; }
  HttpExchange& exchange() { return *exchange_; }

  void respond(int status, std::string body, std::string_view content_type, HttpFields extra = {});
  void json(int status, const nlohmann::json& value, HttpFields extra = {});
  void json_text(int status, std::string text, HttpFields extra = {});
  /// 204 and the like.
  void empty(int status, HttpFields extra = {});
  /// {"message", "reason"}; `reason` null when empty.
  void error(int status, std::string_view message, std::string_view reason = {});
  void error(const Error& error);

  /// The body as a JSON object; empty is {}. Answers 400 and returns nullopt when it is none.
  std::optional<nlohmann::json> body_object();

  HttpFields common_headers;

 private:
  JupyterFace::State& state_;
  std::shared_ptr<HttpExchange> exchange_;
  TimePoint begun_;
};

using CallPtr = std::shared_ptr<Call>;
/// The path below the base URL, decoded, split at slashes: {"api", "kernels", "<id>"}.
using PathParts = std::vector<std::string>;

// One function per group of rows of the REST table; false when the path is none of theirs.
bool handle_server(const CallPtr& call, const PathParts& path);
bool handle_kernels(const CallPtr& call, const PathParts& path);
bool handle_sessions(const CallPtr& call, const PathParts& path);
bool handle_kernelspecs(const CallPtr& call, const PathParts& path);
bool handle_events(const CallPtr& call, const PathParts& path);

/// GET /api/kernels/{id}/channels.
void open_channels(const CallPtr& call, const std::shared_ptr<Kernel>& kernel);
void close_channels(JupyterFace::State& state, WsClose code, std::string_view reason);
void close_events(JupyterFace::State& state, WsClose code, std::string_view reason);
/// Ends what close_*() has not ended yet: a connection and its session keep each other otherwise.
void abort_channels(JupyterFace::State& state);
void abort_events(JupyterFace::State& state);
void ping_all(JupyterFace::State& state);
void ping_events(JupyterFace::State& state);

/// The REST model of a kernel; with the gateway's own members when `extended`.
nlohmann::json kernel_model(const Kernel& kernel, bool extended = false);

/// Prometheus text for GET /metrics.
std::string metrics_text(const JupyterFace::State& state);

/// Answers 405 unless the method is one of `allowed` (separated by commas).
bool method_is(const CallPtr& call, std::string_view allowed);

}  // namespace perijove
