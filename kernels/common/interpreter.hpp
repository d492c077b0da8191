#pragma once

#include <xeus/xinterpreter.hpp>

#include "common/server.hpp"

namespace perijove::kernels {

/// An xeus interpreter that knows its server: it can be interrupted, read input and publish without
/// a detour through JSON values.
class Interpreter : public xeus::xinterpreter {
 public:
  /// Called once, before the first request and before start(). The server outlives the last
  /// request.
  void attach(Server& server);

 protected:
  Server& server() noexcept { return *server_; }

  /// The server is there: set its hooks.
  virtual void on_attached() {}

 private:
  Server* server_ = nullptr;
};

}  // namespace perijove::kernels
