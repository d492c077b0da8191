#include <nlohmann/json.hpp>

#include "base/limits.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

void list(V1Face& face, const CallPtr& call) {
  json all = json::array();
  for (const auto& each : face.sessions().pools()) all.push_back(each->to_json());
  call->json(200, {{"pools", all}});
}

Result<SessionPoolOptions> read_pool_options(const std::string& name, const json& body,
                                             const SessionStoreOptions& defaults) {
  JsonFields fields(body, "pool");
  fields.refuse_unknown({"size", "max", "session"});
  SessionPoolOptions options;
  options.name = name;
  const auto count = [&](std::string_view field, std::size_t most, std::size_t fallback) {
    if (fields.find(field) == nullptr) return fallback;
    return static_cast<std::size_t>(fields.integer(field, 0, static_cast<int>(most)));
  };
  options.size = count("size", limits::kPoolSizeMax, options.size);
  options.sessions_max = count("max", limits::kCodeSessionsMax, options.sessions_max);
  const json* const session = fields.find("session");
  if (session != nullptr && !session->is_object()) fields.refuse("session", "must be an object");
  if (options.sessions_max > 0 && options.sessions_max < options.size) {
    fields.refuse("max", "is less than size");
  }
  if (fields.error()) return *fields.error();
  const json given = session != nullptr ? *session : json::object();
  for (const char* const field : {"key", "work_dir", "pool", "labels"}) {
    if (!given.contains(field)) continue;
    return Error{Code::invalid_argument, "pool: session." + std::string(field) +
                                             " is for one session, and a pool makes many"};
  }
  auto read = read_session_options(given, defaults);
  if (!read) return read.error();
  options.session = *std::move(read);
  return options;
}

void set(V1Face& face, const CallPtr& call, const std::string& name) {
  const auto body = body_object(call);
  if (!body) return;
  auto options = read_pool_options(name, *body, face.sessions().options());
  if (!options) {
    problem(call, options.error(), "validation_failed");
    return;
  }
  const bool is_new = face.sessions().find_pool(name) == nullptr;
  const auto pool = face.sessions().set_pool(*std::move(options));
  if (!pool) {
    problem(call, pool.error());
    return;
  }
  call->json(is_new ? 201 : 200, (*pool)->to_json());
}

}  // namespace

bool handle_pools(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() < 2 || path.size() > 3 || path[1] != "pools") return false;
  if (path.size() == 2) {
    if (method_is(call, "GET")) list(face, call);
    return true;
  }
  const std::string& name = path[2];
  if (!method_is(call, "GET,PUT,DELETE")) return true;
  const std::string& method = call->request().method;
  if (method == "PUT") {
    set(face, call, name);
    return true;
  }
  const auto pool = face.sessions().find_pool(name);
  if (!pool) {
    problem(call, 404, "pool_not_found", "there is no pool '" + name + "'",
            "PUT /v1/pools/NAME makes one");
  } else if (method == "DELETE") {
    face.sessions().remove_pool(name);
    call->empty(204);
  } else {
    call->json(200, pool->to_json());
  }
  return true;
}

}  // namespace perijove::v1
