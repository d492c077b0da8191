#pragma once

#include <string>

#include "faces/jupyter/jupyter_face.hpp"
#include "net/http.hpp"

namespace perijove {

/// Whether a request may go on, and what its answer tells browsers.
struct Access {
  int refused_status = 0;  ///< 401 or 403; 0: let in.
  std::string refused_message;
  HttpFields cors_headers;       ///< For every answer.
  HttpFields preflight_headers;  ///< For the answer to OPTIONS, besides.
};

/// Token by `?token=`, `Authorization: token T`, `Bearer T` (any case) or Basic with the token as
/// password. A request that carries the token proves that its sender was told it, wherever its page
/// came from; without tokens, Origin and Host decide: a page of another site, or one that had our
/// address put under its own name (DNS rebinding), is refused. A browser that knows the password
/// adds it to the requests of any page, so that with Basic the Origin counts too. Pure.
Access check_access(const JupyterFaceOptions& options, const HttpRequest& request);

}  // namespace perijove
