#include "echo/reply_tricks.hpp"

#include <utility>

namespace perijove::kernels::echo {

void ReplyTricks::attach(Server& server, bool answers_kernel_info) {
  server_ = &server;
  answers_kernel_info_ = answers_kernel_info;
  main_thread_ = std::this_thread::get_id();
  server.set_tap([this](Channel channel, Message message, const Server::Send& send) {
    on_outgoing(channel, std::move(message), send);
  });
}

void ReplyTricks::play(Trick trick, std::chrono::duration<double> delay) {
  trick_ = trick;
  delay_ = delay;
}

void ReplyTricks::on_outgoing(Channel channel, Message message, const Server::Send& send) {
  if (!answers_kernel_info_ && message.msg_type == "kernel_info_reply") return;
  // Tricks concern the cell. What the control thread answers meanwhile is none of their business.
  if (std::this_thread::get_id() != main_thread_ || !trick_) return send(std::move(message));

  const bool is_reply = channel == Channel::kShell;
  const bool is_idle =
      message.msg_type == "status" && message.content == R"({"execution_state":"idle"})";
  const Trick trick = *trick_;
  if (is_idle) trick_.reset();

  if (is_reply && trick == Trick::kNoReply) return;
  if (is_reply && trick == Trick::kLateReply) {
    held_reply_ = std::move(message);
    send_reply_ = send;
    return;
  }
  if (is_idle && trick == Trick::kNoIdle) return;
  if (is_idle && trick == Trick::kLateIdle) wait();
  send(std::move(message));
  if (is_idle && held_reply_) {
    wait();
    send_reply_(*std::exchange(held_reply_, std::nullopt));
  }
}

void ReplyTricks::wait() const {
  try {
    server_->interrupt().sleep_for(delay_);
  } catch (const Interrupted&) {  // an interrupt ends the delay
  }
}

}  // namespace perijove::kernels::echo
