#include <nlohmann/json.hpp>

#include "faces/jupyter/face_state.hpp"
#include "perijove/version.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

using nlohmann::json;

void send_status(const JupyterCallPtr& call) {
  auto& state = call->state();
  WallTime last_activity = state.started;
  std::size_t connections = 0;
  const auto kernels = state.registry.list();
  for (const auto& kernel : kernels) {
    const KernelSummary summary = kernel->summary();
    last_activity = std::max(last_activity, summary.last_activity);
    connections += summary.connections;
  }
  call->json(200, {{"connections", connections},
                   {"kernels", kernels.size()},
                   {"last_activity", format_utc(last_activity)},
                   {"started", format_utc(state.started)}});
}

// Whoever has the token is one and the same user, and may do everything that is here.
void send_identity(const JupyterCallPtr& call) {
  json permissions = json::object();
  if (const auto asked = call->request().argument("permissions")) {
    const auto parsed = parse_json(*asked);
    const bool sound = parsed && parsed->is_object();
    if (sound) {
      for (const auto& [resource, actions] : parsed->items()) {
        if (!actions.is_array()) {
          call->error(400, "permissions should be a JSON dict of {\"resource\": [\"action\",]}");
          return;
        }
        permissions[resource] = actions;
      }
    } else {
      call->error(400, "permissions should be a JSON dict of {\"resource\": [\"action\",]}");
      return;
    }
  }
  permissions["updatable_fields"] = json::array();
  call->json(200, {{"identity",
                    {{"username", "perijove"},
                     {"name", "Perijove user"},
                     {"display_name", "Perijove user"},
                     {"initials", "PU"},
                     {"avatar_url", nullptr},
                     {"color", nullptr}}},
                   {"permissions", permissions}});
}

}  // namespace

bool handle_server(const JupyterCallPtr& call, const PathParts& path) {
  if (path.size() == 1 && path[0] == "api") {
    if (method_is(call, "GET")) call->json(200, {{"version", PERIJOVE_VERSION}});
    return true;
  }
  if (path.size() == 1 && path[0] == "metrics") {
    if (method_is(call, "GET")) {
      call->respond(200, metrics_text(call->state()), "text/plain; version=0.0.4; charset=utf-8");
    }
    return true;
  }
  if (path.size() == 2 && path[0] == "api" && path[1] == "status") {
    if (method_is(call, "GET")) send_status(call);
    return true;
  }
  if (path.size() == 2 && path[0] == "api" && path[1] == "me") {
    if (method_is(call, "GET")) send_identity(call);
    return true;
  }
  if (path.size() == 3 && path[0] == "api" && path[1] == "security" && path[2] == "csp-report") {
    if (method_is(call, "POST")) call->empty(204);
    return true;
  }
  return false;
}

std::string metrics_text(const JupyterFace::State& state) {
  std::string out;
  const auto metric = [&out](std::string_view name, std::string_view type, std::string_view help) {
    out += "# HELP " + std::string(name) + ' ' + std::string(help) + "\n# TYPE " +
           std::string(name) + ' ' + std::string(type) + '\n';
  };
  // As label values stand in quotes: the names come from kernelspecs and methods.
  const auto sample = [&out](std::string_view name, std::string_view labels, double value) {
    out += name;
    if (!labels.empty()) out += "{" + std::string(labels) + "}";
    char text[32];
    std::snprintf(text, sizeof text, " %.17g\n", value);
    out += text;
  };

  std::map<std::string, int> by_type;
  WallTime last_activity = state.started;
  KernelChannels::Counters refused;
  for (const auto& kernel : state.registry.list()) {
    const KernelSummary summary = kernel->summary();
    if (summary.execution_state != ExecutionState::dead) ++by_type[summary.name];
    last_activity = std::max(last_activity, summary.last_activity);
    if (const auto* counters = kernel->counters()) {
      refused.rejected_frames += counters->rejected_frames;
      refused.rejected_replays += counters->rejected_replays;
      refused.rejected_signatures += counters->rejected_signatures;
    }
  }
  const auto seconds = [](WallTime time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
  };
  metric("kernel_currently_running_total", "gauge", "Kernels that are running, by kernelspec");
  for (const auto& [name, count] : by_type) {
    sample("kernel_currently_running_total", "type=\"" + name + "\"", count);
  }
  metric("perijove_warm_kernels", "gauge", "Kernels that wait to be handed out, by kernelspec");
  for (const auto& [name, pool] : state.registry.pools()) {
    sample("perijove_warm_kernels", "type=\"" + name + "\",state=\"ready\"",
           static_cast<double>(pool->ready()));
    sample("perijove_warm_kernels", "type=\"" + name + "\",state=\"starting\"",
           static_cast<double>(pool->starting()));
  }
  metric("jupyter_server_started_timestamp_seconds", "gauge", "When the gateway started");
  sample("jupyter_server_started_timestamp_seconds", "", seconds(state.started));
  metric("jupyter_server_last_activity_timestamp_seconds", "gauge", "Last activity of any kernel");
  sample("jupyter_server_last_activity_timestamp_seconds", "", seconds(last_activity));
  metric("perijove_websockets_open", "gauge", "Open channels websockets");
  sample("perijove_websockets_open", "", static_cast<double>(state.channels.size()));
  metric("perijove_kernel_messages_refused_total", "counter",
         "Messages of running kernels that were refused");
  sample("perijove_kernel_messages_refused_total", "reason=\"signature\"",
         static_cast<double>(refused.rejected_signatures));
  sample("perijove_kernel_messages_refused_total", "reason=\"frames\"",
         static_cast<double>(refused.rejected_frames));
  sample("perijove_kernel_messages_refused_total", "reason=\"replay\"",
         static_cast<double>(refused.rejected_replays));
  metric("perijove_internal_errors_total", "counter", "Mistakes of the gateway's own, in its log");
  sample("perijove_internal_errors_total", "", static_cast<double>(state.shard.failures()));
  metric("http_request_duration_seconds", "summary", "Time from request to answer");
  for (const auto& [key, value] : state.calls.count_and_seconds) {
    const std::string labels =
        "method=\"" + key.first + "\",status_code=\"" + std::to_string(key.second) + "\"";
    sample("http_request_duration_seconds_count", labels, static_cast<double>(value.first));
    sample("http_request_duration_seconds_sum", labels, value.second);
  }
  return out;
}

}  // namespace perijove
