#pragma once

#include <boost/asio/signal_set.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "app/serve_options.hpp"
#include "app/server_file.hpp"
#include "engine/gateway_runtime.hpp"
#include "engine/sessions.hpp"
#include "executor/session_store.hpp"
#include "faces/jupyter/jupyter_face.hpp"
#include "faces/v1/v1_face.hpp"
#include "net/http_server.hpp"

namespace perijove {

/// Whether an address reaches this machine only: 127.0.0.0/8, ::1, localhost.
bool is_loopback(const std::string& ip);

/// A gateway that serves the Jupyter face, from listening to its orderly end.
///
/// SIGTERM, SIGINT or SIGHUP drains it: no kernel starts any more (503), websockets are closed with
/// 1012, kernels are ended, each within its shutdown time; the second signal ends it at once.
/// Either way no kernel outlives it.
class GatewayServer {
 public:
  /// Checks the options, makes a token when there is none, and listens. Errors: invalid_argument
  /// and permission_denied (no token where others can connect), already_exists (the port is taken),
  /// and those of GatewayRuntime::create.
  static Result<std::unique_ptr<GatewayServer>> start(ServeOptions options);
  ~GatewayServer();

  std::uint16_t port() const { return port_; }
  /// `http://127.0.0.1:8888/`, with the base path; an address that means all of them is shown as
  /// the loopback one.
  std::string url() const;
  /// The same with the token, for people to click on.
  std::string url_with_token() const;
  const std::string& token() const { return options_.face.token; }
  const ServeOptions& options() const { return options_; }
  /// What holds kernels for which nobody says it.
  const DefaultIsolation& default_isolation() const {
    return runtime_->registry().provisioners().default_isolation();
  }

  /// Serves until a signal ends it; returns the exit code.
  int run();

 private:
  GatewayServer(ServeOptions options, std::unique_ptr<GatewayRuntime> runtime);
  Result<void> listen();
  void wait_signal();
  void drain();

  ServeOptions options_;
  std::unique_ptr<GatewayRuntime> runtime_;
  SessionStore sessions_;
  CodeSessionStore code_sessions_;
  JupyterFace face_;
  V1Face v1_face_;
  HttpServer server_;
  boost::asio::signal_set signals_;
  std::optional<ServerFile> file_;
  std::uint16_t port_ = 0;
  bool draining_ = false;
};

}  // namespace perijove
