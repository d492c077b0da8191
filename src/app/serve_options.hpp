#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/gateway_options.hpp"
#include "executor/session_store.hpp"
#include "faces/jupyter/jupyter_face.hpp"

namespace perijove {

/// Everything that a serving gateway can be told; app/settings.cpp says how each is called.
struct ServeOptions {
  ServeOptions() {
    gateway.fork_servers = true;
    gateway.isolation.default_kind = kAutoIsolation;
  }

  std::string ip = "127.0.0.1";
  std::uint16_t port = 8888;       ///< 0: any free one.
  std::uint16_t port_retries = 0;  ///< Further ports that are tried when `port` is taken.
  bool no_auth = false;            ///< No token; refused where others can connect,
  bool allow_no_auth = false;      ///< unless this says that it is meant.
  std::uint64_t body_bytes_max = 16 * 1024 * 1024;
  std::string log_level = "info";
  GatewayOptions gateway;
  JupyterFaceOptions face;
  SessionStoreOptions sessions;
  std::vector<std::string> warm_kernels;  ///< `python3=4`, or `4` of the default kernelspec.
  std::vector<std::string> pools;  ///< `python3=4`: pools that there are from the beginning.
};

}  // namespace perijove
