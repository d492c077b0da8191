#include <nlohmann/json.hpp>
#include <set>

#include "base/limits.hpp"
#include "code/format_result.hpp"
#include "faces/v1/openapi.hpp"
#include "faces/v1/v1_face.hpp"
#include "perijove/version.hpp"
#include "protocol/code_blocks.hpp"
#include "protocol/json.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

json seconds_or_null(const std::optional<Duration>& duration) {
  return duration ? json(std::chrono::duration<double>(*duration).count()) : json();
}

json info(V1Face& face) {
  const auto catalogue = face.registry().kernelspecs().current();
  json kernels = json::array();
  std::set<std::string> languages;
  for (const auto& [name, entry] : catalogue->entries()) {
    const std::string language = canonical_language(entry.spec.language);
    languages.insert(language);
    kernels.push_back(
        {{"name", name}, {"display_name", entry.spec.display_name}, {"language", language}});
  }
  const SessionStoreOptions& options = face.sessions().options();
  const DefaultIsolation& isolation = face.registry().provisioners().default_isolation();
  return {{"name", "perijove"},
          {"version", PERIJOVE_VERSION},
          {"default_kernel", face.registry().default_kernelspec()},
          {"kernels", kernels},
          {"languages", languages},
          {"isolation",
           {{"default", isolation.kind.empty() ? json() : json(isolation.kind)},
            {"why", isolation.why},
            {"kinds", face.registry().provisioners().kinds()}}},
          {"formatters", format_names()},
          {"defaults",
           {{"timeout_s", seconds_or_null(options.defaults.timeout)},
            {"grace_s", seconds_or_null(options.defaults.grace)},
            {"idle_timeout_s", seconds_or_null(options.idle_timeout)},
            {"max_lifetime_s", seconds_or_null(options.lifetime_max)},
            {"output_max_chars", options.defaults.output.budget.chars_max}}},
          {"limits",
           {{"sessions", limits::kCodeSessionsMax},
            {"queued_executions", limits::kQueuedExecutionsMax},
            {"kept_executions", limits::kFinishedExecutionsMax},
            {"kept_jobs", limits::kFinishedJobsMax},
            {"job_steps", limits::kJobStepsMax}}}};
}

// The document is for whoever asks at this address.
std::string openapi(const CallPtr& call) {
  auto document = parse_json(kOpenApiDocument);
  if (!document) return {};  // cannot be: the document is ours
  (*document)["info"]["version"] = PERIJOVE_VERSION;
  (*document)["servers"] = {{{"url", call->base_url()}}};
  return dump_json(*document);
}

}  // namespace

bool handle_info(V1Face& face, const CallPtr& call, const PathParts& path) {
  const bool probe = path.size() == 1 && (path[0] == "healthz" || path[0] == "readyz");
  const bool about =
      path.size() == 2 && path[0] == "v1" && (path[1] == "info" || path[1] == "openapi.json");
  if (!probe && !about) return false;
  if (!method_is(call, "GET")) return true;
  if (about) {
    path[1] == "info" ? call->json(200, info(face)) : call->json_text(200, openapi(call));
  } else if (path[0] == "readyz" && face.registry().draining()) {
    problem(call, 503, "unavailable", "the gateway is shutting down");
  } else {
    call->json(200, {{"status", "ok"}});
  }
  return true;
}

}  // namespace perijove::v1
