#pragma once

#include <map>
#include <string>
#include <vector>
#include <xeus/xcomm.hpp>

namespace perijove::kernels::echo {

/// The comm target "echo": each comm_msg comes back with its data, metadata and buffers.
/// Threads: the main thread.
class Comms {
 public:
  static constexpr const char* kTarget = "echo";

  void register_target(xeus::xcomm_manager& manager);

  /// Opens a comm from the kernel's side, sends one comm_msg with these buffers, and closes it.
  void send_once(const xeus::buffer_sequence& buffers);

  /// Lets go of every comm. The manager must still be alive.
  void clear();

 private:
  void adopt(xeus::xcomm&& comm);
  void drop_closed();

  xeus::xcomm_manager* manager_ = nullptr;
  std::map<std::string, xeus::xcomm> open_;
  std::vector<std::string> closed_;  ///< ids: a comm cannot be destroyed by its own handler
};

}  // namespace perijove::kernels::echo
