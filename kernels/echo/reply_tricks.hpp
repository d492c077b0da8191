#pragma once

#include <chrono>
#include <optional>
#include <thread>

#include "common/server.hpp"

namespace perijove::kernels::echo {

/// What the kernel may do to the reply and the idle status of one execute_request.
enum class Trick { kNoIdle, kNoReply, kLateIdle, kLateReply };

/// Watches the server's outgoing messages and plays the trick that the running cell asked for.
class ReplyTricks {
 public:
  /// To be called on the main thread. With `answers_kernel_info` false no kernel_info_reply leaves,
  /// on any channel.
  void attach(Server& server, bool answers_kernel_info);

  /// For the request that is running; the next one is answered as usual. Main thread.
  void play(Trick trick, std::chrono::duration<double> delay = {});

 private:
  void on_outgoing(Channel channel, Message message, const Server::Send& send);
  void wait() const;

  Server* server_ = nullptr;
  bool answers_kernel_info_ = true;
  std::thread::id main_thread_;
  std::optional<Trick> trick_;
  std::chrono::duration<double> delay_{};
  std::optional<Message> held_reply_;
  Server::Send send_reply_;
};

}  // namespace perijove::kernels::echo
