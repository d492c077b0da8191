#include <nlohmann/json.hpp>

#include "executor/history_export.hpp"
#include "faces/v1/v1_face.hpp"

namespace perijove::v1 {
namespace {

NotebookKernel kernel_of(V1Face& face, const CodeSession& session) {
  const std::string& name = session.options().kernel;
  const auto catalogue = face.registry().kernelspecs().current();
  const auto found = catalogue->find(name);
  return {.name = name,
          .display_name = found ? (*found)->spec.display_name : name,
          .language = session.language()};
}

HttpFields as_file(const CodeSession& session, const std::string& extension) {
  return {{"Content-Disposition", "attachment; filename=\"" + session.id() + extension + "\""}};
}

}  // namespace

bool handle_history(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() != 4 || path[1] != "sessions" || path[3] != "history") return false;
  if (!method_is(call, "GET")) return true;
  const auto session = find_session(face, call, path);
  if (!session) return true;
  const std::string format = call->request().argument("format").value_or("json");
  if (format == "json") {
    call->json(200, {{"session_id", session->id()}, {"history", history_json(session->history())}});
  } else if (format == "ipynb") {
    call->respond(200, history_notebook(session->history(), kernel_of(face, *session)),
                  "application/x-ipynb+json", as_file(*session, ".ipynb"));
  } else if (format == "py") {
    call->respond(200, history_script(session->history()), "text/x-python; charset=utf-8",
                  as_file(*session, ".py"));
  } else {
    problem(call, 400, "validation_failed", "format must be json, ipynb or py");
  }
  return true;
}

}  // namespace perijove::v1
