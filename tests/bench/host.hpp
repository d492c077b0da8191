#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client.hpp"
#include "http_client.hpp"
#include "process_stats.hpp"

namespace bench {

/// A running kernel; ended by the destructor, which swallows errors.
class Kernel {
 public:
  virtual ~Kernel() = default;
  Kernel() = default;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// A new client; it may still be connecting. The framing means nothing without a gateway.
  virtual std::unique_ptr<Client> connect(Loop& loop, Framing framing, Ack ack) = 0;
  /// May be called from another thread than the loop's, one at a time.
  virtual void interrupt() = 0;
  virtual void restart() = 0;
  /// Returns when the kernel has ended. Throws when that fails.
  virtual void shut_down() = 0;
};

/// What is measured: a server, or nothing at all between client and kernel.
class Host {
 public:
  explicit Host(std::string name) : name_(std::move(name)) {}
  virtual ~Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const std::string& name() const { return name_; }
  /// Starts a kernel, not waiting until it is ready. May be called from several threads.
  virtual std::unique_ptr<Kernel> start_kernel(const std::string& kernelspec) = 0;
  /// Null when there is no server between client and kernel.
  virtual const ServerUrl* server() const { return nullptr; }
  /// Empty when the server is not on this machine, or not to be looked at.
  virtual std::optional<ProcessStats> process() const { return std::nullopt; }

 private:
  std::string name_;
};

/// A server that speaks the Jupyter REST and websocket protocols.
std::unique_ptr<Host> make_gateway_host(std::string name, ServerUrl server,
                                        std::optional<pid_t> pid);

/// Kernels that this program starts itself from their kernelspecs, over `transport` ("tcp", "ipc").
std::unique_ptr<Host> make_direct_host(std::string name, std::string transport);

/// Starts (or ends) many kernels, several at a time. Of a start that fails half-way nothing is
/// left.
std::vector<std::unique_ptr<Kernel>> start_kernels(Host& host, const std::string& kernelspec,
                                                   std::size_t count);
void shut_down_kernels(std::vector<std::unique_ptr<Kernel>>& kernels);

}  // namespace bench
