#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "loop.hpp"
#include "message.hpp"

namespace bench {

/// When a client's kernel acknowledges what it receives.
enum class Ack : std::uint8_t {
  kOrdinary,  ///< as every ordinary client: delayed by up to 40 ms when there is nothing to send
  kQuick,     ///< TCP_QUICKACK renewed after every read
};

std::string_view to_string(Ack ack);

/// One client of one kernel, through a gateway's websocket or straight on the kernel's sockets.
/// Everything happens on the loop's thread; the handler is called from Loop::run_until.
class Client {
 public:
  using Handler = std::function<void(const Message&)>;

  explicit Client(std::string session_id) : session_id_(std::move(session_id)) {}
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  virtual void send(const Request& request) = 0;
  /// Whether requests can be answered yet; a connection that is under way queues what is sent.
  virtual bool is_open() const = 0;
  /// Why the connection ended; empty while it stands.
  virtual const std::string& close_reason() const = 0;
  /// While paused nothing is read, so that the server's writes back up.
  virtual void pause_reading(bool paused) = 0;

  void on_message(Handler handler) { handler_ = std::move(handler); }
  std::string next_message_id() { return session_id_ + "_" + std::to_string(++last_id_); }
  const std::string& session_id() const { return session_id_; }

 protected:
  void deliver(const Message& message) {
    if (handler_) handler_(message);
  }

 private:
  std::string session_id_;
  Handler handler_;
  unsigned long last_id_ = 0;
};

/// A name that no other session of this or another process has.
std::string unique_session_id();

}  // namespace bench
