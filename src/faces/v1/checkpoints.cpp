#include <nlohmann/json.hpp>
#include <utility>

#include "faces/v1/v1_face.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

std::string_view problem_code(const Error& error) {
  switch (error.code) {
    case Code::not_found:
      return "checkpoint_not_found";
    case Code::aborted:
      return "kernel_busy";
    case Code::deadline_exceeded:
      return "timeout";
    default:
      return {};
  }
}

void refuse(const CallPtr& call, const Error& error) { problem(call, error, problem_code(error)); }

json shown(const CallPtr& call, const Checkpoint& checkpoint) {
  json object = to_json(checkpoint);
  object["warnings"] = checkpoint.warnings();
  object["url"] = call->base_url() + "v1/checkpoints/" + checkpoint.id;
  return object;
}

void list(V1Face& face, const CallPtr& call, const std::string& session_id) {
  const CheckpointStore& checkpoints = face.sessions().checkpoints();
  json all = json::array();
  for (const Checkpoint& each :
       session_id.empty() ? checkpoints.list() : checkpoints.of_session(session_id)) {
    all.push_back(shown(call, each));
  }
  call->json(200, {{"checkpoints", std::move(all)}});
}

void take(V1Face& face, const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  const auto body = body_object(call);
  if (!body) return;
  JsonFields fields(*body, "checkpoint");
  fields.refuse_unknown({"label", "keep"});
  CheckpointStore::Request request{.label = fields.text("label"),
                                   .keep = fields.boolean("keep", false)};
  constexpr std::size_t kLabelBytesMax = 1000;
  if (request.label.size() > kLabelBytesMax) {
    fields.refuse("label", "may have " + std::to_string(kLabelBytesMax) + " bytes at most");
  }
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
    return;
  }
  face.sessions().checkpoints().take(
      session, std::move(request), [call](const Result<Checkpoint>& checkpoint) {
        if (!checkpoint) {
          refuse(call, checkpoint.error());
          return;
        }
        const json told = shown(call, *checkpoint);
        call->json(201, told, {{"Location", json_text(told, "url")}});
      });
}

void restore(V1Face& face, const std::shared_ptr<CodeSession>& session, const CallPtr& call,
             const std::string& id) {
  const auto body = body_object(call);
  if (!body) return;
  JsonFields fields(*body, "restore");
  fields.refuse_unknown({});
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
    return;
  }
  face.sessions().restore(session, id, [call, session](const Result<Restoration>& restored) {
    if (restored) {
      json answer = to_json(*restored);
      answer["session"] = session->to_json();
      call->json(200, answer);
    } else {
      refuse(call, restored.error());
    }
  });
}

// One checkpoint, by GET or DELETE; `session_id` is whose it must be, empty: anybody's.
void handle_one(V1Face& face, const CallPtr& call, const std::string& id,
                const std::string& session_id) {
  CheckpointStore& checkpoints = face.sessions().checkpoints();
  auto found = checkpoints.find(id);
  if (found && !session_id.empty() && found->session_id != session_id) {
    found = Error{Code::not_found, "the session has no checkpoint '" + id + "'"};
  }
  if (!found) {
    refuse(call, found.error());
  } else if (call->request().method == "GET") {
    call->json(200, shown(call, *found));
  } else if (const auto removed = checkpoints.remove(id); removed) {
    call->empty(204);
  } else {
    refuse(call, removed.error());
  }
}

bool handle_all(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() > 3) return false;
  if (path.size() == 2) {
    if (method_is(call, "GET")) list(face, call, {});
  } else if (method_is(call, "GET,DELETE")) {
    handle_one(face, call, path[2], {});
  }
  return true;
}

// The fields that make a session as that of the checkpoint was, under those of the request.
json fields_over(const Checkpoint& checkpoint, json body) {
  const auto config = parse_json(checkpoint.config);
  json fields = json::object();
  if (config && config->is_object()) fields = config->value("config", json::object());
  for (const char* const own : {"work_dir", "pool", "checkpoint", "language"}) fields.erase(own);
  if (!fields.contains("kernel_spec")) fields["kernel"] = checkpoint.kernel;
  fields["isolation"] = checkpoint.isolation;
  body.erase("checkpoint");
  if (body.contains("kernel") || body.contains("language") || body.contains("kernel_spec")) {
    for (const char* const which : {"kernel", "kernel_spec"}) fields.erase(which);
  }
  fields.update(body);
  return fields;
}

}  // namespace

void create_from_checkpoint(V1Face& face, const CallPtr& call, json body) {
  const json given = body["checkpoint"];
  if (!given.is_string()) {
    problem(call, 400, "validation_failed",
            "session: field 'checkpoint' must be the id of a checkpoint, not " +
                std::string(json_type(given)));
    return;
  }
  const std::string id = given.get<std::string>();
  const auto checkpoint = face.sessions().checkpoints().find(id);
  if (!checkpoint) {
    refuse(call, checkpoint.error());
    return;
  }
  auto options =
      read_session_options(fields_over(*checkpoint, std::move(body)), face.sessions().options());
  if (!options) {
    problem(call, options.error(), "validation_failed");
    return;
  }
  face.sessions().create_from(
      id, *std::move(options), [call](const Result<CodeSessionStore::FromCheckpoint>& made) {
        if (!made) {
          problem(call, made.error(),
                  made.error().code == Code::not_found ? "" : problem_code(made.error()));
          return;
        }
        json session = made->first->to_json();
        session["restored"] = to_json(made->second);
        call->json(201, session,
                   {{"Location", call->base_url() + "v1/sessions/" + made->first->id()}});
      });
}

bool handle_checkpoints(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() >= 2 && path[1] == "checkpoints") return handle_all(face, call, path);
  if (path.size() < 4 || path[1] != "sessions" || path[3] != "checkpoints") return false;
  if (path.size() > 6 || (path.size() == 6 && path[5] != "restore")) return false;
  if (!method_is(call, path.size() == 4 ? "GET,POST" : path.size() == 5 ? "GET,DELETE" : "POST")) {
    return true;
  }
  const auto session = find_session(face, call, path);
  if (!session) return true;
  if (path.size() == 6) {
    restore(face, session, call, path[4]);
  } else if (path.size() == 5) {
    handle_one(face, call, path[4], session->id());
  } else if (call->request().method == "POST") {
    take(face, session, call);
  } else {
    list(face, call, session->id());
  }
  return true;
}

}  // namespace perijove::v1
