#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/registry.hpp"
#include "engine/sessions.hpp"
#include "faces/call.hpp"
#include "net/http_server.hpp"
#include "net/websocket.hpp"

namespace perijove {

/// How the Jupyter face is reached and by whom. Names as in the peers' configuration where they
/// have one.
struct JupyterFaceOptions {
  std::string base_url = "/";  ///< Begins and ends with a slash; percent-encoded as in a URL.
  std::string token;           ///< Empty: everybody may do everything (--no-auth).
  /// Origins as browsers send them, or "*" for any. Within one, a `*` stands for letters, digits,
  /// dots and hyphens: "https://*.example.com", "http://localhost:*".
  std::vector<std::string> allow_origins;
  bool allow_credentials = false;
  std::string allow_headers;   ///< Empty: the usual ones.
  std::string allow_methods;   ///< Empty: the usual ones.
  std::string expose_headers;  ///< Empty: Location.
  std::string max_age;         ///< Seconds, as text; empty: not sent.
  /// Host headers that are answered besides IP addresses, localhost and the address listened on
  /// (against DNS rebinding); "*" is any.
  std::vector<std::string> allow_hosts;
  bool list_kernels = true;  ///< GET /api/kernels; off answers 403, as kernel_gateway's default.
  std::size_t ws_message_bytes_max = 128 * 1024 * 1024;
  Duration ws_ping_interval = std::chrono::seconds(30);  ///< Zero: no pings.
};

/// jupyter_server's kernel API: REST, sessions, kernelspecs, channels and events websockets,
/// metrics. Translates and holds no state but the open connections. Shard thread only.
class JupyterFace {
 public:
  JupyterFace(Shard& shard, KernelRegistry& registry, SessionStore& sessions,
              JupyterFaceOptions options);
  ~JupyterFace();
  JupyterFace(const JupyterFace&) = delete;
  JupyterFace& operator=(const JupyterFace&) = delete;

  /// Answers one request; the HttpServer's handler.
  void handle(const std::shared_ptr<HttpExchange>& exchange);

  /// Lets further paths be answered behind the same door: token, Origin and Host are checked first.
  void mount(Routes routes);

  /// Closes every websocket, with 1012 when the gateway stops: clients come back by themselves.
  void close_websockets(WsClose code, std::string_view reason);

  struct State;  // of face_state.hpp

 private:
  std::shared_ptr<State> state_;
};

}  // namespace perijove
