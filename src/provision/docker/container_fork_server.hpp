#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "model/process_exit.hpp"
#include "provision/fork_server_socket.hpp"

namespace perijove::docker {

/// The fork server that is the main process of a container (kernels/python/zygote.hpp): it forks
/// the container's kernel, and the next one when that has ended, which takes milliseconds where
/// starting the container again takes a second. What it says is not trusted: it is in there with
/// the kernel. Shard thread only; held by shared_ptr. Dropping it ends the server, and so the
/// container.
class ContainerForkServer : public std::enable_shared_from_this<ContainerForkServer> {
 public:
  struct Events {
    /// It has read in what its kernels need. Once.
    std::function<void()> on_ready;
    /// The kernel that was asked for is not started.
    std::function<void(std::string why)> on_refused;
    /// The kernel that it has started last has ended.
    std::function<void(ProcessExit)> on_exit;
    /// It has ended, or is not to be spoken to any more. Once, and nothing after it.
    std::function<void(std::string why)> on_end;
  };

  /// Connects to the socket at `path`, which must be one of `owner`; null: it does not listen yet.
  /// Errors: those of pin_socket(), unavailable.
  static Result<std::shared_ptr<ContainerForkServer>> connect(Shard& shard, const std::string& path,
                                                              uid_t owner, Events events);

  bool is_there() const { return socket_->is_open(); }

  /// Asks for a kernel with the container's own environment and output; paths are those inside.
  /// Errors: those of ForkServerSocket::send.
  Result<void> start_kernel(const std::string& connection_file, const std::string& work_dir);
  /// To the kernel's group. Nothing tells whether it is sent.
  void signal(int number);

 private:
  explicit ContainerForkServer(Events events) : events_(std::move(events)) {}
  void receive(const nlohmann::json& packet);
  void end(const std::string& why);

  Events events_;
  std::shared_ptr<ForkServerSocket> socket_;
  std::uint64_t asked_ = 0;  // the number of the last request
  std::int64_t kernel_ = 0;  // its process, in the container
};

}  // namespace perijove::docker
