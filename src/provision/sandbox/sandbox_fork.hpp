#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/child_process.hpp"
#include "provision/fork_server.hpp"

namespace perijove {

/// A kernel that was forked into a sandbox of its own. bubblewrap makes the sandbox, with a program
/// in it that does nothing and so holds it; then the fork server's child goes in. The kernel is a
/// child of this process, and the sandbox ends with it, as it ends with the sandbox. Shard thread
/// only; held by shared_ptr. Dropping it ends the sandbox and what is in it.
class SandboxFork : public std::enable_shared_from_this<SandboxFork> {
 public:
  using Started = ForkServer::Started;

  struct Order {
    std::shared_ptr<ForkServer> server;
    SpawnRequest holder;  ///< bubblewrap with holder()
    ForkRequest kernel;   ///< Without its sandbox, which is not there yet.
    std::optional<uid_t> uid;
    FileDescriptor filter;
  };

  /// The command line of the program that holds a sandbox.
  static std::vector<std::string> holder();

  /// `started` is called once, from the loop, never during this call, and not when this object is
  /// gone by then. Errors: what ForkServer::start_kernel() and ChildProcess::spawn() have, and
  /// unavailable: the sandbox does not stand, or cannot be entered.
  static std::shared_ptr<SandboxFork> begin(Shard& shard, Order order,
                                            ChildProcess::OnOutput on_output,
                                            ChildProcess::OnExit on_exit, Started started);

  /// The first process in the sandbox, whose end is that of all; 0 before `started`.
  pid_t init_pid() const { return init_pid_; }

 private:
  explicit SandboxFork(Shard& shard) : shard_(shard) {}
  Result<void> hold();
  void hear(ByteView text);
  Result<ForkSandbox> find_sandbox();
  void ask();
  void end(Result<std::unique_ptr<ChildProcess>> kernel);

  Shard& shard_;
  Order order_;
  ChildProcess::OnOutput on_output_;
  ChildProcess::OnExit on_exit_;
  Started started_;  // null once called
  std::string said_;
  bool asked_ = false;
  std::unique_ptr<ChildProcess> holder_;
  pid_t init_pid_ = 0;
};

}  // namespace perijove
