#include <nlohmann/json.hpp>

#include "executor/session_isolation.hpp"
#include "faces/jupyter/face_state.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

using nlohmann::json;

std::string kernel_url(JupyterCall& call, const KernelId& id) {
  return call.state().options.base_url + "api/kernels/" + id.str();
}

// Front ends show `message`; `reason` says what became of a kernel that was here before.
void no_such_kernel(const JupyterCallPtr& call, const KernelId& id) {
  call->error(404, "Kernel does not exist: " + id.str(),
              call->state().registry.epitaph(id).value_or(""));
}

bool wants_extended(const JupyterCall& call) {
  return call.request().argument("perijove").has_value();
}

// A kernel's model, written straight: front ends ask for the list of all kernels all the time.
std::string kernel_text(const Kernel& kernel) {
  const KernelSummary summary = kernel.summary();
  std::string text;
  text.reserve(256);
  text += R"({"id":")";
  text += summary.id.str();
  text += R"(","name":)";
  text += dump_json(summary.name);
  text += R"(,"last_activity":")";
  text += format_utc(summary.last_activity);
  text += R"(","execution_state":")";
  text += to_string(summary.execution_state);
  text += R"(","connections":)";
  text += std::to_string(summary.connections);
  if (!summary.reason.empty()) {
    text += R"(,"reason":)";
    text += dump_json(summary.reason);
  }
  text += '}';
  return text;
}

void list_kernels(const JupyterCallPtr& call) {
  if (!call->state().options.list_kernels) {
    call->error(403, "Forbidden", "listing kernels is turned off");
    return;
  }
  const bool extended = wants_extended(*call);
  std::string models = "[";
  for (const auto& kernel : call->state().registry.list()) {
    if (models.size() > 1) models += ',';
    models += extended ? dump_json(kernel_model(*kernel, true)) : kernel_text(*kernel);
  }
  models += ']';
  call->json_text(200, std::move(models));
}

void start_kernel(const JupyterCallPtr& call) {
  const auto body = call->body_object();
  if (!body) return;
  StartKernel start;
  const auto text = [&](const char* key, std::string& out) {
    const auto found = body->find(key);
    if (found == body->end() || found->is_null()) return true;
    if (!found->is_string()) {
      call->error(400, std::string("'") + key + "' must be a string");
      return false;
    }
    out = found->get<std::string>();
    return true;
  };
  std::string wanted_id;
  if (!text("name", start.name) || !text("path", start.path) || !text("kernel_id", wanted_id)) {
    return;
  }
  if (!wanted_id.empty()) {
    if (!looks_like_id(wanted_id)) {
      call->error(400, "'kernel_id' must be a UUID");
      return;
    }
    start.id = KernelId(wanted_id);
  }
  if (const auto env = body->find("env"); env != body->end()) {
    auto read = read_client_environment(*env);
    if (!read) {
      call->error(400, read.error().message);
      return;
    }
    start.env = std::move(*read);
  }
  const auto kernel = call->state().registry.start(start);
  if (!kernel) {
    call->error(kernel.error());
    return;
  }
  call->json(201, kernel_model(**kernel), {{"Location", kernel_url(*call, (*kernel)->id())}});
}

void delete_kernel(const JupyterCallPtr& call, const std::shared_ptr<Kernel>& kernel) {
  kernel->stop([call](const Result<void>& stopped) {
    if (stopped) {
      call->empty(204);
    } else {
      call->error(stopped.error());
    }
  });
}

void restart_kernel(const JupyterCallPtr& call, const std::shared_ptr<Kernel>& kernel) {
  kernel->restart([call, kernel](const Result<void>& restarted) {
    if (restarted) {
      call->json(200, kernel_model(*kernel));
    } else {
      call->error(500, "Exception restarting kernel: " + restarted.error().message);
    }
  });
}

void interrupt_kernel(const JupyterCallPtr& call, const std::shared_ptr<Kernel>& kernel) {
  kernel->interrupt([call](const Result<void>& interrupted) {
    if (interrupted) {
      call->empty(204);
    } else {
      call->error(interrupted.error());
    }
  });
}

}  // namespace

json kernel_model(const Kernel& kernel, bool extended) {
  json model = *parse_json(kernel_text(kernel));
  if (extended) {
    const KernelDetails details = kernel.details();
    model["perijove"] = {{"connection_file", details.connection_file},
                         {"process", details.process},
                         {"work_dir", details.work_dir}};
    model["perijove"].update(to_json(details.isolation));
  }
  return model;
}

bool handle_kernels(const JupyterCallPtr& call, const PathParts& path) {
  if (path.size() < 2 || path[0] != "api" || path[1] != "kernels") return false;
  const std::string& method = call->request().method;
  if (path.size() == 2) {
    if (!method_is(call, "GET,POST")) return true;
    method == "GET" ? list_kernels(call) : start_kernel(call);
    return true;
  }
  if (!looks_like_id(path[2]) || path.size() > 4) return false;
  const KernelId id(path[2]);
  const auto kernel = call->state().registry.find(id);
  const std::string_view action = path.size() == 4 ? std::string_view(path[3]) : "";
  const bool known = action.empty() || action == "interrupt" || action == "restart" ||
                     action == "channels" || action == "logs";
  if (!known) return false;
  const bool reads = action == "channels" || action == "logs";
  if (!method_is(call, action.empty() ? "GET,DELETE" : reads ? "GET" : "POST")) return true;
  if (!kernel) {
    no_such_kernel(call, id);
  } else if (action == "interrupt") {
    interrupt_kernel(call, kernel);
  } else if (action == "restart") {
    restart_kernel(call, kernel);
  } else if (action == "channels") {
    open_channels(call, kernel);
  } else if (action == "logs") {
    call->respond(200, kernel->log_tail(), "text/plain; charset=utf-8");
  } else if (method == "DELETE") {
    delete_kernel(call, kernel);
  } else {
    call->json(200, kernel_model(*kernel, wants_extended(*call)));
  }
  return true;
}

}  // namespace perijove
