#pragma once

#include <string>

#include "client.hpp"
#include "http_client.hpp"
#include "websocket_codec.hpp"

namespace bench {

/// A websocket on /api/kernels/ID/channels. Connects without blocking the loop: is_open() tells
/// when the handshake is done, and messages sent before that wait for it.
class WsClient final : public Client, public Source {
 public:
  /// Throws std::system_error when there is no TCP connection.
  WsClient(Loop& loop, const ServerUrl& server, const std::string& kernel_id, Framing framing,
           Ack ack);
  ~WsClient() override;

  void send(const Request& request) override;
  bool is_open() const override { return open_; }
  const std::string& close_reason() const override { return close_reason_; }
  void pause_reading(bool paused) override;

  void on_event(std::uint32_t events) override;

 private:
  void write_some();
  void read_some();
  void take_handshake();
  void take_frames();
  void watch();
  void end(std::string reason);
  MaskingKey next_masking_key();

  Loop& loop_;
  Framing framing_;
  Ack ack_;
  int fd_ = -1;
  bool open_ = false;
  bool paused_ = false;
  bool wants_write_ = false;
  bool lost_while_sending_ = false;
  std::string close_reason_;
  std::string key_;
  HttpResponseReader handshake_;
  FrameReader frames_;
  Message message_;
  std::string queued_;    // frames made before the handshake was answered
  std::string outgoing_;  // from outgoing_sent_ on still unsent
  std::size_t outgoing_sent_ = 0;
  std::uint64_t mask_state_;
};

}  // namespace bench
