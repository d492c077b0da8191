#include "faces/jupyter/face_state.hpp"
#include "protocol/mime.hpp"

namespace perijove {
namespace {

void send_resource(const JupyterCallPtr& call, const PathParts& path) {
  const auto catalogue = call->state().registry.kernelspecs().current();
  const auto entry = catalogue->find(path[1]);
  if (!entry) {
    call->error(404, "Kernel spec " + path[1] + " not found", entry.error().message);
    return;
  }
  std::string file;
  for (std::size_t i = 2; i < path.size(); ++i) file += (i == 2 ? "" : "/") + path[i];
  auto contents = blocking_read_resource((*entry)->spec, file);
  if (!contents) {
    call->error(contents.error().code == Code::permission_denied ? 403 : 404,
                contents.error().message);
    return;
  }
  HttpFields headers;
  if (file.ends_with(".png")) headers.emplace_back("Cache-Control", "max-age=2592000");
  // An SVG or script of a kernelspec must not run as a page of the gateway's own.
  headers.emplace_back("Content-Security-Policy", "sandbox; default-src 'none'");
  call->respond(200, std::move(*contents), mime_type_of_file(file), std::move(headers));
}

}  // namespace

bool handle_kernelspecs(const JupyterCallPtr& call, const PathParts& path) {
  if (path.size() >= 3 && path[0] == "kernelspecs") {
    if (method_is(call, "GET,HEAD")) send_resource(call, path);
    return true;
  }
  if (path.size() < 2 || path.size() > 3 || path[0] != "api" || path[1] != "kernelspecs") {
    return false;
  }
  if (!method_is(call, "GET")) return true;
  auto& state = call->state();
  const auto catalogue = state.registry.kernelspecs().blocking_refresh();
  if (path.size() == 2) {
    call->json_text(
        200, catalogue->rest_model(state.registry.default_kernelspec(), state.options.base_url));
    return true;
  }
  const auto entry = catalogue->find(path[2]);
  if (!entry) {
    call->error(404, "Kernel spec " + path[2] + " not found", entry.error().message);
    return true;
  }
  call->json_text(200, kernelspec_model((*entry)->spec, (*entry)->files, state.options.base_url));
  return true;
}

}  // namespace perijove
