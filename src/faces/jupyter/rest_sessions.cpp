#include <nlohmann/json.hpp>
#include <utility>

#include "faces/jupyter/face_state.hpp"

namespace perijove {
namespace {

using nlohmann::json;

json session_model(JupyterFace::State& state, const Session& session) {
  json model = {{"id", session.id.str()},
                {"path", session.path},
                {"name", session.name},
                {"type", session.type}};
  const auto kernel = state.registry.find(session.kernel);
  model["kernel"] = kernel ? kernel_model(*kernel) : json();
  if (session.type == "notebook") {
    model["notebook"] = {{"path", session.path}, {"name", session.name}};
  }
  return model;
}

void no_such_session(const JupyterCallPtr& call, const std::string& id) {
  call->error(404, "Session not found: session_id='" + id + "'");
}

// A string member, if there is one; answers 400 and returns false when it is something else.
bool read_text(const JupyterCallPtr& call, const json& object, const char* key, std::string& out) {
  if (!object.is_object()) return true;
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return true;
  if (!found->is_string()) {
    call->error(400, std::string("'") + key + "' must be a string");
    return false;
  }
  out = found->get<std::string>();
  return true;
}

// What a body says about the kernel of a session: an id or a kernelspec's name.
struct KernelChoice {
  std::string id;
  std::string name;
};

bool read_kernel(const JupyterCallPtr& call, const json& body, KernelChoice& out) {
  const auto kernel = body.find("kernel");
  if (kernel == body.end() || kernel->is_null()) return true;
  if (!kernel->is_object()) {
    call->error(400, "'kernel' must be an object");
    return false;
  }
  if (!read_text(call, *kernel, "id", out.id) || !read_text(call, *kernel, "name", out.name)) {
    return false;
  }
  if (!out.id.empty() && !looks_like_id(out.id)) {
    call->error(400, "'kernel.id' must be a UUID");
    return false;
  }
  return true;
}

// jupyter_server's answer to a kernel that cannot be started; front ends show the short message.
void kernel_unavailable(const JupyterCallPtr& call, const std::string& name, const Error& error) {
  call->json(
      error.code == Code::not_found ? 501 : http_status(error.code),
      {{"message", error.message},
       {"short_message", name.empty() ? error.message : "Failed to start kernel '" + name + "'"},
       {"reason", nullptr}});
}

std::optional<KernelId> start_for_session(const JupyterCallPtr& call, const KernelChoice& choice,
                                          const std::string& path) {
  StartKernel start;
  start.name = choice.name;
  start.path = path;
  start.session_name = path;
  if (!choice.id.empty()) start.id = KernelId(choice.id);
  const auto kernel = call->state().registry.start(start);
  if (!kernel) {
    kernel_unavailable(call, choice.name, kernel.error());
    return std::nullopt;
  }
  return (*kernel)->id();
}

void create_session(const JupyterCallPtr& call) {
  if (call->request().body.empty()) {
    call->error(400, "No JSON data provided");
    return;
  }
  const auto body = call->body_object();
  if (!body) return;
  Session wanted;
  // Before 5.0 of the notebook a session was always one of a notebook.
  const auto legacy = body->find("notebook");
  const bool is_legacy = legacy != body->end() && legacy->is_object();
  if (is_legacy) {
    wanted.type = "notebook";
    if (!read_text(call, *legacy, "path", wanted.path) ||
        !read_text(call, *legacy, "name", wanted.name)) {
      return;
    }
  }
  if (!read_text(call, *body, "path", wanted.path) ||
      !read_text(call, *body, "name", wanted.name) ||
      !read_text(call, *body, "type", wanted.type)) {
    return;
  }
  if (wanted.path.empty() && is_legacy) wanted.path = wanted.name;
  if (wanted.path.empty() && !body->contains("path")) {
    call->error(400, "Missing field in JSON data: path");
    return;
  }
  if (wanted.type.empty()) {
    call->error(400, "Missing field in JSON data: type");
    return;
  }
  KernelChoice choice;
  if (!read_kernel(call, *body, choice)) return;

  auto& state = call->state();
  auto session = state.sessions.find_path(wanted.path);
  if (!session) {
    const auto kernel = start_for_session(call, choice, wanted.path);
    if (!kernel) return;
    session = state.sessions.create(wanted.path, wanted.name, wanted.type, *kernel);
  }
  call->json(201, session_model(state, *session),
             {{"Location", state.options.base_url + "api/sessions/" + session->id.str()}});
}

void change_session(const JupyterCallPtr& call, Session session) {
  if (call->request().body.empty()) {
    call->error(400, "No JSON data provided");
    return;
  }
  const auto body = call->body_object();
  if (!body) return;
  if (const auto notebook = body->find("notebook"); notebook != body->end()) {
    if (!read_text(call, *notebook, "path", session.path)) return;
  }
  if (!read_text(call, *body, "path", session.path) ||
      !read_text(call, *body, "name", session.name) ||
      !read_text(call, *body, "type", session.type)) {
    return;
  }
  KernelChoice choice;
  if (!read_kernel(call, *body, choice)) return;

  auto& state = call->state();
  const KernelId before = session.kernel;
  if (!choice.id.empty()) {
    if (!state.registry.find(KernelId(choice.id))) {
      call->error(400, "No such kernel: " + choice.id);
      return;
    }
    session.kernel = KernelId(choice.id);
  } else if (!choice.name.empty()) {
    const auto started = start_for_session(call, choice, session.path);
    if (!started) return;
    session.kernel = *started;
  }
  state.sessions.update(session);
  const auto answer = [call, session](const Result<void>&) {
    call->json(200, session_model(call->state(), session));
  };
  const auto old = session.kernel == before ? nullptr : state.registry.find(before);
  if (old) {
    old->stop(answer);  // which is over when the client is told, as with jupyter_server
  } else {
    answer({});
  }
}

void delete_session(const JupyterCallPtr& call, const Session& session) {
  auto& state = call->state();
  const auto kernel = state.registry.find(session.kernel);
  if (!kernel) {
    state.sessions.erase(session.id);
    call->error(410, "Kernel deleted before session");
    return;
  }
  // Every session of the kernel ends with it. @jupyterlab/services deletes them one by one, takes
  // 404 for done and throws at 410.
  state.sessions.erase_of(session.kernel);
  kernel->stop([call](const Result<void>&) { call->empty(204); });
}

}  // namespace

bool handle_sessions(const JupyterCallPtr& call, const PathParts& path) {
  if (path.size() < 2 || path[0] != "api" || path[1] != "sessions" || path.size() > 3) return false;
  auto& state = call->state();
  const std::string& method = call->request().method;
  if (path.size() == 2) {
    if (!method_is(call, "GET,POST")) return true;
    if (method == "POST") {
      create_session(call);
    } else if (!state.options.list_kernels) {
      call->error(403, "Forbidden", "listing kernels is turned off");
    } else {
      json models = json::array();
      for (const Session& each : state.sessions.list()) {
        models.push_back(session_model(state, each));
      }
      call->json(200, models);
    }
    return true;
  }
  if (!looks_like_id(path[2])) return false;
  if (!method_is(call, "GET,PATCH,DELETE")) return true;
  const SessionId id(path[2]);
  const auto session =
      method == "DELETE" ? state.sessions.find_even_orphaned(id) : state.sessions.find(id);
  if (!session) {
    no_such_session(call, path[2]);
  } else if (method == "PATCH") {
    change_session(call, *session);
  } else if (method == "DELETE") {
    delete_session(call, *session);
  } else {
    call->json(200, session_model(state, *session));
  }
  return true;
}

}  // namespace perijove
