#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <xeus/xeus_context.hpp>
#include <xeus/xkernel_configuration.hpp>
#include <xeus/xserver.hpp>
#include <zmq.hpp>

#include "common/connection.hpp"
#include "common/header.hpp"
#include "common/incoming.hpp"
#include "common/interrupt.hpp"
#include "common/publisher.hpp"
#include "common/wire.hpp"

namespace perijove::kernels {

enum class Channel { kShell, kControl, kStdin, kIopub };

struct ServerOptions {
  Connection connection;
  /// Greet each new subscriber with an iopub_welcome (JEP 65), so that it knows it will miss
  /// nothing.
  bool iopub_welcome = true;
  /// Readable when the process that owns this kernel is gone (a pidfd): the kernel then ends too.
  /// -1: nobody owns it.
  int parent_fd = -1;
  /// How long a cell that does not yield may hold up a shutdown before the process is ended under
  /// it.
  std::chrono::milliseconds shutdown_grace{1000};
};

/// The ZeroMQ side of a kernel: a replacement for the server of xeus 2.4, whose faults
/// kernels/README.md lists.
///
/// Two threads. The *main thread* calls start() and owns shell, stdin and all of xeus: it runs the
/// cells. The *control thread* owns control and heartbeat, so that interrupt_request,
/// shutdown_request and kernel_info_request are answered while a cell runs. iopub belongs to both,
/// under a mutex.
///
/// A message is verified on its raw bytes, refused when its signature was seen before, bounded in
/// depth, and only then parsed. Whatever a peer sends, the kernel lives on. Every request gets
/// exactly one reply, an error when nothing else answers it.
class Server final : public xeus::xserver {
 public:
  using Send = std::function<void(Message)>;
  /// Sees every outgoing message on the thread that sends it, and calls `send` for what should go
  /// out: once, as xeus meant it; later, changed, twice or never, as a test kernel may wish.
  using Tap = std::function<void(Channel channel, Message message, const Send& send)>;

  /// Binds the five sockets. Throws std::runtime_error naming the endpoint that cannot be bound.
  Server(zmq::context_t& context, const ServerOptions& options);
  ~Server() override;

  // To be set before start().

  /// The content of every kernel_info_reply, as JSON text.
  void set_kernel_info(std::string content) { kernel_info_ = std::move(content); }

  void set_tap(Tap tap) { tap_ = std::move(tap); }

  /// Asked for each shutdown_request; when it says false the request is acknowledged but the kernel
  /// stays. Called on either thread.
  void set_shutdown_hook(std::function<bool(bool restart)> hook) {
    shutdown_hook_ = std::move(hook);
  }

  /// Answers a request instead of xeus, between "busy" and "idle": returns the content of the reply
  /// as JSON text. What it returns for messages that have no reply is ignored.
  using Handler = std::function<std::string(const Request& request)>;
  void set_handler(std::string msg_type, Handler handler) {
    handlers_.insert_or_assign(std::move(msg_type), std::move(handler));
  }

  /// Answers debug requests on control: returns the content of the debug_reply as JSON text. Called
  /// on the control thread, which does nothing else meanwhile, also while a cell runs. Without it
  /// such requests are declined.
  void set_debug_handler(Handler handler) { debug_handler_ = std::move(handler); }

  /// Waits, in the place of a plain poll, until one of the two descriptors is readable or something
  /// else has happened; returning early is harmless. For interpreters with an event loop that is to
  /// go on between two requests. Called on the main thread when no request has arrived.
  using IdleWait = std::function<void(int shell_fd, int wake_fd)>;
  void set_idle_wait(IdleWait wait) { idle_wait_ = std::move(wait); }

  const Connection& connection() const noexcept { return options_.connection; }
  Interrupt& interrupt() noexcept { return interrupt_; }

  /// Ends the kernel: interrupts the running cell, and gives it a moment. Threads: any.
  void stop();

  /// True once the kernel is to end: a cell that is interrupted then has a moment to clean up.
  bool stopping() const noexcept { return stopping_; }

  // For the code of a cell, on the main thread.

  /// Publishes on iopub as a side effect of the running request. `content` is JSON text.
  void publish(std::string_view msg_type, std::string content, std::string metadata = "{}",
               Buffers buffers = {});

  /// A signed-ready iopub message of the running request, for those who want to change it first.
  Message compose(std::string_view msg_type, std::string content);

  /// Sends it on iopub as it is.
  void publish(Message message);

  /// Sends these frames on iopub; nothing is checked, added or signed.
  void publish_frames(Frames frames);

  /// Seals a message as publish() would, without sending it.
  Frames seal_for_iopub(Message message);

  /// The header of the running request, for publish_as_part_of().
  const std::string& request_header() const noexcept { return shell_current_.header_text; }

  /// Publishes on iopub as a side effect of the request with this header, whichever is running: for
  /// outputs that come late. Threads: any, until the server is destroyed.
  void publish_as_part_of(const std::string& request_header, std::string_view msg_type,
                          std::string content, std::string metadata = "{}", Buffers buffers = {});

  /// The execution_count in the reply to the running request: for interpreters that count
  /// themselves, since xeus counts cells that are not stored in the history, too.
  void count_as(int execution_count) noexcept { execution_count_ = execution_count; }

  /// Asks the client of the running request for a line of input. Throws Interrupted.
  std::string read_input(const std::string& prompt, bool password);

 private:
  /// What an answer must carry of the request that a thread is working on.
  struct Current {
    std::vector<std::string> identities;
    std::string header_text = "{}";
    std::string msg_type;
    bool replied = false;
  };

  // xeus::xserver
  xeus::xcontrol_messenger& get_control_messenger_impl() override;
  void send_shell_impl(xeus::xmessage message) override;
  void send_control_impl(xeus::xmessage message) override;
  void send_stdin_impl(xeus::xmessage message) override;
  void publish_impl(xeus::xpub_message message, xeus::channel origin) override;
  void start_impl(xeus::xpub_message message) override;
  void abort_queue_impl(const listener& l, long polling_interval) override;
  void stop_impl() override;
  void update_config_impl(xeus::xconfiguration& config) const override;

  void bind(zmq::socket_t& socket, int port, const char* name);
  void remove_ipc_files() const noexcept;

  void serve_shell();
  void serve_control();
  void wait_for_request();
  void handle_shell(Request request);
  void handle_by(const Handler& handler, const Request& request);
  /// The requests that are answered without xeus, the same on both channels; others are refused.
  void handle_here(Channel channel, const Request& request);
  void answer_debugger(Channel channel, const Request& request);
  void refuse(Channel channel, const std::string& msg_type, const std::string& why);
  void abort_waiting_cells();
  void echo_heartbeats();
  void welcome_subscribers();

  /// The next valid message that has arrived; bad ones are skipped and said on stderr.
  std::optional<Request> receive(zmq::socket_t& socket, Signer& signer);

  Current& current(Channel channel) {
    return channel == Channel::kControl ? control_current_ : shell_current_;
  }
  void begin(Channel channel, const Request& request);
  void reply(Channel channel, std::string_view msg_type, std::string content,
             std::string metadata = "{}");
  void reply_error(Channel channel, std::string_view ename, std::string_view evalue);
  void publish_status(Channel channel, std::string_view state);
  Message compose_for(const std::string& request_header, std::string_view msg_type,
                      std::string content);
  void publish_for(const Current& request, std::string_view msg_type, std::string content);
  void emit(Channel channel, Message message);
  void transmit(Channel channel, Message message);

  const ServerOptions options_;
  std::string kernel_info_;
  Tap tap_;
  std::function<bool(bool)> shutdown_hook_;
  std::map<std::string, Handler, std::less<>> handlers_;
  Handler debug_handler_;
  IdleWait idle_wait_;
  HeaderWriter headers_;
  const std::string topic_prefix_;
  ReplayGuard replay_guard_;
  Interrupt interrupt_;
  std::atomic<bool> stopping_ = false;
  Wakeup wake_main_;
  Wakeup wake_control_;

  // Main thread.
  zmq::socket_t shell_;
  zmq::socket_t stdin_;
  Signer shell_signer_;
  Current shell_current_;
  std::deque<Request> waiting_;  ///< requests taken from the socket when a cell failed
  bool abort_waiting_ = false;
  std::optional<int> execution_count_;  ///< of the running request, where xeus has it wrong

  // Control thread.
  zmq::socket_t control_;
  zmq::socket_t heartbeat_;
  Signer control_signer_;
  Current control_current_;

  // Both, under the mutex.
  std::mutex iopub_mutex_;
  Publisher iopub_;
  Signer iopub_signer_;

  std::unique_ptr<xeus::xcontrol_messenger> control_messenger_;
};

/// What an xkernel must be given as its context for make_server to build a Server from it.
struct ServerContext {
  explicit ServerContext(ServerOptions server_options) : options(std::move(server_options)) {}
  zmq::context_t zmq{1};
  ServerOptions options;
};

/// The xeus::xkernel::server_builder of Server.
std::unique_ptr<xeus::xserver> make_server(xeus::xcontext& context, const xeus::xconfiguration&,
                                           nlohmann::json::error_handler_t);

}  // namespace perijove::kernels
