#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.hpp"
#include "executor/executor_config.hpp"
#include "executor/session_isolation.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/environment.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

std::string session_url(const CallPtr& call, const CodeSession& session) {
  return call->base_url() + "v1/sessions/" + session.id();
}

// Absent leaves `out` as it is, null means none.
void read_seconds(JsonFields& fields, std::string_view field, std::optional<Duration>& out) {
  const json* const value = fields.find(field);
  if (value == nullptr) return;
  if (value->is_null()) {
    out = std::nullopt;
    return;
  }
  constexpr double kSecondsMax = 1e9;
  out = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(fields.number(field, 0, 0, kSecondsMax)));
}

// Fields of a request that a session may have, too.
constexpr const char* kRequestDefaults[] = {
    "timeout", "idle_output_timeout_s", "output", "policy", "approval", "retries"};

// Answers with a new session when it is ready for code.
void answer_with(const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  session->set_up([call, session](const Result<void>& ready) {
    if (ready) {
      call->json(201, session->to_json(), {{"Location", session_url(call, *session)}});
      return;
    }
    session->stop(nullptr);
    problem(call, 400, "setup_failed", ready.error().message);
  });
}

// Answers why a session was not made.
void refuse_session(const CallPtr& call, const Error& error) {
  const bool wrong_path =
      error.code == Code::invalid_argument || error.code == Code::permission_denied;
  if (wrong_path && error.message.starts_with("files: ")) {
    problem(call, 403, "path_outside_work_dir", error.message);
  } else {
    problem(call, error);
  }
}

void take_from_pool(V1Face& face, const CallPtr& call, const json& body) {
  JsonFields fields(body, "session");
  fields.refuse_unknown({"pool", "key", "labels"});  // the rest is said when the pool is made
  const std::string pool = fields.text("pool");
  const std::string key = fields.text("key");
  auto labels = fields.text_map("labels");
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
    return;
  }
  const auto session = face.sessions().take(pool, key, std::move(labels));
  if (session) {
    answer_with(*session, call);
  } else {
    const bool unknown = session.error().code == Code::not_found;
    problem(call, session.error(), unknown ? "pool_not_found" : "");
  }
}

void create(V1Face& face, const CallPtr& call, std::string key) {
  auto body = body_object(call);
  if (!body) return;
  if (!key.empty()) (*body)["key"] = key;
  if (body->contains("pool") && !(*body)["pool"].is_null()) {
    take_from_pool(face, call, *body);
    return;
  }
  if (body->contains("checkpoint") && !(*body)["checkpoint"].is_null()) {
    create_from_checkpoint(face, call, *std::move(body));
    return;
  }
  auto options = read_session_options(*body, face.sessions().options());
  if (!options) {
    problem(call, options.error(), "validation_failed");
    return;
  }
  const auto session = face.sessions().create(*std::move(options));
  if (session) {
    answer_with(*session, call);
  } else {
    refuse_session(call, session.error());
  }
}

void change(const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  const auto body = body_object(call);
  if (!body) return;
  JsonFields fields(*body, "session");
  fields.refuse_unknown({"idle_timeout_s", "max_lifetime_s", "auto_checkpoint"});
  auto idle = session->options().idle_timeout;
  auto lifetime = session->options().lifetime_max;
  read_seconds(fields, "idle_timeout_s", idle);
  read_seconds(fields, "max_lifetime_s", lifetime);
  AutoCheckpointOptions checkpoints;  // as a whole: what is left out is off
  read_auto_checkpoint(fields, checkpoints);
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
    return;
  }
  session->set_limits(idle, lifetime);
  if (fields.find("auto_checkpoint") != nullptr) session->set_auto_checkpoint(checkpoints);
  call->json(200, session->to_json());
}

void handle_session(const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  if (!method_is(call, "GET,PATCH,DELETE")) return;
  const std::string& method = call->request().method;
  if (method == "PATCH") {
    change(session, call);
  } else if (method == "DELETE") {
    session->stop([call](const Result<void>&) { call->empty(204); });
  } else {
    call->json(200, session->to_json());
  }
}

void list(V1Face& face, const CallPtr& call) {
  json all = json::array();
  for (const auto& each : face.sessions().list()) all.push_back(each->to_json());
  call->json(200, {{"sessions", all}});
}

// POST .../fork: copies of it that have all its variables.
void fork_session(V1Face& face, const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  const auto body = body_object(call);
  if (!body) return;
  JsonFields fields(*body, "fork");
  fields.refuse_unknown({"count", "labels"});
  const int count = fields.find("count") == nullptr
                        ? 1
                        : fields.integer("count", 1, static_cast<int>(limits::kForksMax));
  auto labels = fields.text_map("labels");
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
    return;
  }
  face.sessions().fork_session(session, static_cast<std::size_t>(count), std::move(labels),
                               [call](const Result<CodeSessionStore::Forks>& forks) {
                                 if (!forks) {
                                   problem(call, forks.error());
                                   return;
                                 }
                                 json sessions = json::array();
                                 for (const auto& each : forks->sessions) {
                                   sessions.push_back(each->to_json());
                                 }
                                 call->json(201, {{"method", forks->method},
                                                  {"sessions", std::move(sessions)},
                                                  {"warnings", forks->lacks}});
                               });
}

// A declarative configuration is fields under other names; those beside it come first.
Result<json> fields_of(const json& given) {
  const auto config = given.find("config");
  if (config == given.end() || config->is_null()) return given;
  auto fields = session_fields_of(*config);
  if (!fields) return fields;
  for (const auto& [name, value] : given.items()) {
    if (name != "config") (*fields)[name] = value;
  }
  return fields;
}

}  // namespace

Result<CodeSessionOptions> read_session_options(const json& given,
                                                const SessionStoreOptions& defaults) {
  const auto read_fields = fields_of(given);
  if (!read_fields) return read_fields.error();
  const json& body = *read_fields;
  CodeSessionOptions options;
  options.config = dump_json(session_config(body));
  options.defaults = defaults.defaults;
  options.idle_timeout = defaults.idle_timeout;
  options.lifetime_max = defaults.lifetime_max;
  JsonFields fields(body, "session");
  std::vector<std::string> known = kSessionPolicyFields;
  known.insert(known.end(), kIsolationFields.begin(), kIsolationFields.end());
  known.insert(known.end(),
               {"key", "kernel", "language", "work_dir", "env", "idle_timeout_s", "max_lifetime_s",
                "labels", "files", "kernel_spec", "pool", "checkpoint", "auto_checkpoint"});
  known.insert(known.end(), std::begin(kRequestDefaults), std::end(kRequestDefaults));
  fields.refuse_unknown(known);
  options.key = fields.text("key");
  options.kernel = fields.text("kernel", fields.text("language"));
  if (const json* const spec = fields.find("kernel_spec"); spec != nullptr && !spec->is_null()) {
    if (!options.kernel.empty()) {
      fields.refuse("kernel_spec", "takes the place of 'kernel' and 'language': leave those out");
    }
    auto read = parse_kernelspec("inline", "", dump_json(*spec));
    if (!read) return read.error();
    options.kernelspec = *std::move(read);
  }
  options.work_dir = fields.text("work_dir");
  options.labels = fields.text_map("labels");
  read_seconds(fields, "idle_timeout_s", options.idle_timeout);
  read_seconds(fields, "max_lifetime_s", options.lifetime_max);
  options.files = fields.text_map("files");
  read_session_policies(fields, options.policies);
  read_session_setup(fields, options.setup);
  read_isolation(fields, options.isolation);
  read_auto_checkpoint(fields, options.auto_checkpoint);
  if (options.policies.restricted && options.setup.needed()) {
    fields.refuse("mode", "restricted has no functions, requirements or virtual_env");
  }
  if (fields.error()) return *fields.error();
  // Shorter times than usual, unless the client says otherwise below.
  if (const auto profile = find_resource_profile(options.policies.profile)) {
    options.defaults.timeout = profile->timeout;
  } else if (options.policies.restricted) {
    options.defaults.timeout = std::chrono::seconds(5);
  }
  if (const json* const env = fields.find("env"); env != nullptr) {
    auto read = read_client_environment(*env);
    if (!read) return read.error();
    options.env = *std::move(read);
  }
  // What requests get by default is written as in a request.
  json request = {{"code", ""}};
  for (const char* const name : kRequestDefaults) {
    if (const json* const value = fields.find(name)) request[name] = *value;
  }
  auto read = read_code_request(request, options.defaults);
  if (!read) return read.error();
  options.defaults = *std::move(read);
  options.defaults.blocks.clear();
  return options;
}

bool handle_sessions(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() < 2 || path[1] != "sessions") return false;
  if (path.size() == 2) {
    if (!method_is(call, "GET,POST")) return true;
    if (call->request().method == "POST") {
      create(face, call, {});
    } else {
      list(face, call);
    }
    return true;
  }
  if (path.size() == 4 && path[2] == "by-key") {
    if (!method_is(call, "PUT")) return true;
    if (const auto existing = face.sessions().find(path[3])) {
      call->json(200, existing->to_json());
    } else {
      create(face, call, path[3]);
    }
    return true;
  }
  const std::string action = path.size() == 4 ? path[3] : std::string();
  constexpr std::string_view kActions[] = {"execute", "interrupt", "restart", "release", "fork"};
  if (path.size() > 3 &&
      std::find(std::begin(kActions), std::end(kActions), action) == std::end(kActions)) {
    return false;
  }
  const auto session = find_session(face, call, path);
  if (!session) return true;
  if (path.size() == 3) {
    handle_session(session, call);
    return true;
  }
  if (!method_is(call, "POST")) return true;
  if (action == "execute") {
    execute(session, call);
  } else if (action == "interrupt") {
    session->interrupt();
    call->json(200, session->to_json());
  } else if (action == "fork") {
    fork_session(face, session, call);
  } else if (action == "release") {
    face.sessions().release(session, [call](const Result<void>& released) {
      if (released) {
        call->empty(204);
      } else {
        problem(call, released.error());
      }
    });
  } else {
    session->restart([call, session](const Result<void>& restarted) {
      if (restarted) {
        call->json(200, session->to_json());
      } else {
        problem(call, restarted.error());
      }
    });
  }
  return true;
}

}  // namespace perijove::v1
