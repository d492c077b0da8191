#pragma once

#include <list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "faces/call.hpp"
#include "faces/jupyter/jupyter_face.hpp"
#include "faces/jupyter/rest_execute.hpp"

/// What the files of the Jupyter face share; nobody else includes it.
namespace perijove {

class ChannelsSession;
class EventsSession;

struct JupyterFace::State {
  State(Shard& shard_, KernelRegistry& registry_, SessionStore& sessions_,
        JupyterFaceOptions options_);

  Shard& shard;
  KernelRegistry& registry;
  SessionStore& sessions;
  JupyterFaceOptions options;
  WallTime started;
  CallContext calls;
  std::vector<Routes> mounted;
  std::list<std::shared_ptr<ChannelsSession>> channels;
  std::list<std::shared_ptr<EventsSession>> events;
  RestExecutions executions;
  std::shared_ptr<void> registry_events;
  boost::asio::steady_timer ping_timer;
};

/// A call of the Jupyter face.
class JupyterCall : public Call {
 public:
  JupyterCall(JupyterFace::State& state, std::shared_ptr<HttpExchange> exchange);
  JupyterFace::State& state() { return state_; }

 private:
  JupyterFace::State& state_;
};

using JupyterCallPtr = std::shared_ptr<JupyterCall>;

// One function per group of rows of the REST table; false when the path is none of theirs.
bool handle_server(const JupyterCallPtr& call, const PathParts& path);
bool handle_kernels(const JupyterCallPtr& call, const PathParts& path);
bool handle_sessions(const JupyterCallPtr& call, const PathParts& path);
bool handle_kernelspecs(const JupyterCallPtr& call, const PathParts& path);
bool handle_events(const JupyterCallPtr& call, const PathParts& path);

/// GET /api/kernels/{id}/channels.
void open_channels(const JupyterCallPtr& call, const std::shared_ptr<Kernel>& kernel);
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

}  // namespace perijove
