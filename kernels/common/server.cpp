#include "common/server.hpp"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <utility>
#include <xeus/xcontrol_messenger.hpp>
#include <xeus/xmessage.hpp>

#include "common/json_text.hpp"
#include "common/requests.hpp"
#include "common/signal_free_thread.hpp"
#include "common/socket_io.hpp"

namespace perijove::kernels {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How long the last messages may take to leave after the kernel has ended.
constexpr int kLingerMilliseconds = 1000;

/// Says on stderr that a message was dropped, and falls silent after a while: a stderr that nobody
/// reads must not block the kernel.
void complain(const std::string& what) {
  constexpr int kLinesMax = 50;
  static std::atomic<int> lines = 0;
  const int line = ++lines;
  if (line > kLinesMax) return;
  std::fprintf(stderr, "message dropped: %s%s\n", what.c_str(),
               line == kLinesMax ? " (further ones are not reported)" : "");
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

zmq::socket_t make_router(zmq::context_t& context) {
  zmq::socket_t socket(context, zmq::socket_type::router);
  socket.set(zmq::sockopt::linger, kLingerMilliseconds);
  // Without a limit: a ROUTER drops what it cannot queue, and a reply must not be dropped.
  socket.set(zmq::sockopt::sndhwm, 0);
  // A client that reconnects comes with the routing id of the connection that it lost.
  socket.set(zmq::sockopt::router_handover, true);
  return socket;
}

/// The debugger's way to shell; there is no debugger.
class NoMessenger final : public xeus::xcontrol_messenger {
  json send_to_shell_impl(const json&) override { return {{"status", "error"}}; }
};

std::string unsupported_debug_reply(const json& request) {
  // A debug_request carries a message of the Debug Adapter Protocol, and so does its reply.
  const auto field = [&](const char* name) {
    return request.contains(name) ? request[name] : json();
  };
  return dump({{"type", "response"},
               {"seq", 0},
               {"request_seq", field("seq")},
               {"command", field("command")},
               {"success", false},
               {"message", "this kernel has no debugger"},
               {"body", json::object()}});
}

}  // namespace

Server::Server(zmq::context_t& context, const ServerOptions& options)
    : options_(options),
      topic_prefix_("kernel." + headers_.session() + '.'),
      shell_(make_router(context)),
      stdin_(make_router(context)),
      shell_signer_(options.connection.signature_scheme, options.connection.key),
      control_(make_router(context)),
      heartbeat_(make_router(context)),
      control_signer_(options.connection.signature_scheme, options.connection.key),
      iopub_(context),
      iopub_signer_(options.connection.signature_scheme, options.connection.key),
      control_messenger_(std::make_unique<NoMessenger>()) {
  stdin_.set(zmq::sockopt::router_mandatory, true);  // not connected is an error, not a loss
  bind(iopub_.socket(), options_.connection.iopub_port, "iopub");
  bind(shell_, options_.connection.shell_port, "shell");
  bind(stdin_, options_.connection.stdin_port, "stdin");
  bind(control_, options_.connection.control_port, "control");
  bind(heartbeat_, options_.connection.hb_port, "heartbeat");
}

Server::~Server() { remove_ipc_files(); }

// libzmq leaves the files of its ipc sockets behind.
void Server::remove_ipc_files() const noexcept {
  const Connection& connection = options_.connection;
  if (connection.transport != "ipc") return;
  for (const int port : {connection.shell_port, connection.control_port, connection.stdin_port,
                         connection.iopub_port, connection.hb_port}) {
    unlink(connection.ipc_path(port).c_str());
  }
}

void Server::bind(zmq::socket_t& socket, int port, const char* name) {
  const std::string endpoint = options_.connection.endpoint(port);
  try {
    if (options_.connection.ip.find(':') != std::string::npos) {
      socket.set(zmq::sockopt::ipv6, true);
    }
    socket.bind(endpoint);
  } catch (const zmq::error_t& error) {
    throw std::runtime_error(std::string("cannot bind ") + name + " to " + endpoint + ": " +
                             error.what());
  }
}

// The two threads.

void Server::start_impl(xeus::xpub_message message) {
  publish_impl(std::move(message), xeus::channel::SHELL);

  const std::jthread control =
      signal_free_thread([this](const std::stop_token& main_thread_is_done) {
        const std::stop_callback wake(main_thread_is_done, [this] { wake_control_.set(); });
        serve_control();
      });
  serve_shell();
}

void Server::wait_for_request() {
  // The descriptor of a ZeroMQ socket tells of news only after all earlier news were taken: the
  // caller has found nothing to receive.
  if (idle_wait_) return idle_wait_(shell_.get(zmq::sockopt::fd), wake_main_.fd());
  std::array items = {zmq_pollitem_t{shell_.handle(), 0, ZMQ_POLLIN, 0},
                      zmq_pollitem_t{nullptr, wake_main_.fd(), ZMQ_POLLIN, 0}};
  poll_once(items, std::nullopt);
}

void Server::serve_shell() {
  while (!stopping_) {
    std::optional<Request> request;
    if (waiting_.empty()) {
      request = receive(shell_, shell_signer_);
    } else {
      request = std::move(waiting_.front());
      waiting_.pop_front();
    }
    if (!request) {
      wait_for_request();
      continue;
    }
    // Before "busy" is published, so that whoever has seen "busy" can interrupt.
    interrupt_.forget();
    // stop() sets the flag first and interrupts second: either it is seen here, or its interrupt
    // comes after forget() and ends the cell.
    if (stopping_) break;
    handle_shell(std::move(*request));
    if (std::exchange(abort_waiting_, false)) abort_waiting_cells();
  }
}

void Server::serve_control() {
  const int iopub_fd = [this] {
    const std::lock_guard lock(iopub_mutex_);
    return iopub_.socket().get(zmq::sockopt::fd);
  }();
  std::array items = {zmq_pollitem_t{control_.handle(), 0, ZMQ_POLLIN, 0},
                      zmq_pollitem_t{heartbeat_.handle(), 0, ZMQ_POLLIN, 0},
                      zmq_pollitem_t{nullptr, wake_control_.fd(), ZMQ_POLLIN, 0},
                      zmq_pollitem_t{nullptr, iopub_fd, ZMQ_POLLIN, 0},
                      // poll() overlooks a negative descriptor, but zmq_poll does not.
                      zmq_pollitem_t{nullptr, options_.parent_fd, ZMQ_POLLIN, 0}};
  const std::size_t watched = options_.parent_fd >= 0 ? items.size() : items.size() - 1;
  std::optional<steady_clock::time_point> give_up;
  while ((items[2].revents & ZMQ_POLLIN) == 0) {
    if (stopping_ && !give_up) give_up = steady_clock::now() + options_.shutdown_grace;
    std::optional<milliseconds> timeout;
    if (give_up) {
      timeout = std::chrono::ceil<milliseconds>(*give_up - steady_clock::now());
      // The cell does not yield. What was sent before the grace began has long left.
      if (*timeout <= milliseconds::zero()) {
        remove_ipc_files();
        _exit(0);
      }
    }
    poll_once({items.data(), watched}, timeout);

    while (const auto request = receive(control_, control_signer_)) {
      begin(Channel::kControl, *request);
      handle_here(Channel::kControl, *request);
    }
    echo_heartbeats();
    {
      const std::lock_guard lock(iopub_mutex_);
      welcome_subscribers();
    }
    if ((items[4].revents & ZMQ_POLLIN) != 0 && !stopping_) stop();
  }
}

void Server::stop() {
  stopping_ = true;
  interrupt_.request();
  wake_main_.set();
}

void Server::stop_impl() { stop(); }

void Server::echo_heartbeats() {
  while (auto beat = receive_frames(heartbeat_)) send_frames(heartbeat_, std::move(*beat));
}

// iopub_mutex_ is held.
void Server::welcome_subscribers() {
  constexpr std::size_t kSubscriptionBytesMax = 256;
  constexpr char kSubscribe = 1;
  while (auto event = receive_frames(iopub_.socket())) {
    const std::string_view text = event->front().to_string_view();
    if (!options_.iopub_welcome || text.empty() || text.front() != kSubscribe) continue;
    if (text.size() > 1 + kSubscriptionBytesMax) continue;
    const std::string subscription(text.substr(1));
    Message welcome;
    welcome.identities = {subscription};
    welcome.header = headers_.write("iopub_welcome");
    welcome.content = R"({"subscription":)" + json_string(subscription) + '}';
    iopub_.send(seal(std::move(welcome), iopub_signer_));
  }
}

// Requests.

std::optional<Request> Server::receive(zmq::socket_t& socket, Signer& signer) {
  constexpr int kBadOnesPerTurn = 100;  // a stream of junk must not keep a thread here
  for (int i = 0; i < kBadOnesPerTurn; ++i) {
    const auto frames = receive_frames(socket);
    if (!frames) return std::nullopt;
    auto admitted = admit(*frames, signer, replay_guard_);
    if (auto* const request = std::get_if<Request>(&admitted)) return std::move(*request);
    complain(std::string(std::get<Refusal>(admitted).why));
  }
  return std::nullopt;
}

void Server::begin(Channel channel, const Request& request) {
  current(channel) = {request.identities, request.header_text, request.msg_type, false};
}

void Server::handle_shell(Request request) {
  begin(Channel::kShell, request);
  execution_count_.reset();
  const std::string msg_type = request.msg_type;
  const auto handler = handlers_.find(msg_type);
  if (handler == handlers_.end() && !is_for_xeus(msg_type)) {
    return handle_here(Channel::kShell, request);
  }
  if (const auto fault = fault_of(msg_type, request.data.m_content)) {
    return refuse(Channel::kShell, msg_type, *fault);
  }
  if (handler != handlers_.end()) return handle_by(handler->second, request);
  // The protocol's default; xeus takes an absent value for false.
  if (msg_type == "execute_request") request.data.m_content.emplace("stop_on_error", true);

  notify_shell_listener(xeus::xmessage(request.identities, std::move(request.data)));

  // xeus leaves a request without reply when a handler throws.
  if (is_request(msg_type) && !shell_current_.replied) {
    reply_error(Channel::kShell, "InternalError", "the kernel could not handle this request");
  }
}

void Server::handle_by(const Handler& handler, const Request& request) {
  publish_status(Channel::kShell, "busy");
  try {
    std::string content = handler(request);
    if (is_request(request.msg_type)) {
      reply(Channel::kShell, reply_type_of(request.msg_type), std::move(content));
    }
  } catch (const std::exception& error) {
    if (is_request(request.msg_type)) reply_error(Channel::kShell, "InternalError", error.what());
    complain(request.msg_type + ": " + error.what());
  }
  publish_status(Channel::kShell, "idle");
}

void Server::handle_here(Channel channel, const Request& request) {
  const std::string& type = request.msg_type;
  const json& content = request.data.m_content;
  if (type != "kernel_info_request" && type != "interrupt_request" && type != "shutdown_request" &&
      type != "debug_request" && type != "list_subshell_request") {
    return refuse(channel, type,
                  "this kernel does not answer " + type +
                      (channel == Channel::kControl ? " on control" : ""));
  }
  // First of all: a cell that floods iopub makes the status below wait its turn.
  if (type == "interrupt_request") interrupt_.request();
  publish_status(channel, "busy");
  bool stays = true;
  if (type == "kernel_info_request") {
    reply(channel, "kernel_info_reply", kernel_info_);
  } else if (type == "interrupt_request") {
    reply(channel, "interrupt_reply", R"({"status":"ok"})");
  } else if (type == "debug_request") {
    answer_debugger(channel, request);
  } else if (type == "list_subshell_request") {
    reply(channel, "list_subshell_reply", R"({"status":"ok","subshell_id":[]})");
  } else {
    const auto wanted = content.find("restart");
    const bool restart = wanted != content.end() && *wanted == true;
    stays = shutdown_hook_ && !shutdown_hook_(restart);
    const std::string answer =
        std::string(R"({"status":"ok","restart":)") + (restart ? "true}" : "false}");
    reply(channel, "shutdown_reply", answer);
    // Clients other than the one that asked learn of it here, as from ipykernel.
    publish_for(current(channel), "shutdown_reply", answer);
  }
  publish_status(channel, "idle");
  if (!stays) stop();
}

void Server::answer_debugger(Channel channel, const Request& request) {
  if (!debug_handler_ || channel != Channel::kControl) {
    return reply(channel, "debug_reply", unsupported_debug_reply(request.data.m_content));
  }
  try {
    reply(channel, "debug_reply", debug_handler_(request));
  } catch (const std::exception& error) {
    reply_error(channel, "InternalError", error.what());
  }
}

void Server::refuse(Channel channel, const std::string& msg_type, const std::string& why) {
  publish_status(channel, "busy");
  if (is_request(msg_type)) {
    reply_error(channel, "UnsupportedRequest", why);
  } else {
    complain(why);
  }
  publish_status(channel, "idle");
}

// When a cell fails, the cells that were sent before its client could know are aborted. Three
// steps, so that neither a cell that is sent upon the failure is aborted, nor an aborted one seems
// to come before the failed one: what has arrived is taken from the socket before the reply goes
// out; xeus asks for the abortion; it is done once "idle" is out.

void Server::send_shell_impl(xeus::xmessage message) {
  json content = message.content();
  if (shell_current_.msg_type == "execute_request" && content.value("status", "") == "error") {
    while (auto request = receive(shell_, shell_signer_)) waiting_.push_back(std::move(*request));
  }
  if (execution_count_) content["execution_count"] = *execution_count_;
  reply(Channel::kShell, message.header().value("msg_type", ""), dump(content),
        dump(message.metadata()));
}

void Server::abort_queue_impl(const listener&, long) { abort_waiting_ = true; }

void Server::abort_waiting_cells() {
  for (Request& request : std::exchange(waiting_, {})) {
    if (request.msg_type != "execute_request") {
      waiting_.push_back(std::move(request));
      continue;
    }
    begin(Channel::kShell, request);
    publish_status(Channel::kShell, "busy");
    reply(Channel::kShell, "execute_reply", R"({"status":"aborted"})");
    publish_status(Channel::kShell, "idle");
  }
}

// Answers and outputs. xeus hands over JSON values with headers of its own; type, content, metadata
// and buffers are taken from them, the rest from the current request.

// Nothing that comes on control is handed to xeus, so it has nothing to send there.
void Server::send_control_impl(xeus::xmessage) {}

void Server::publish_impl(xeus::xpub_message message, xeus::channel) {
  Message ours = compose(message.header().value("msg_type", ""), dump(message.content()));
  ours.metadata = dump(message.metadata());
  ours.buffers = std::move(message).buffers();
  emit(Channel::kIopub, std::move(ours));
}

void Server::send_stdin_impl(xeus::xmessage message) {
  Message ours = compose(message.header().value("msg_type", ""), dump(message.content()));
  ours.identities = shell_current_.identities;
  emit(Channel::kStdin, std::move(ours));
}

void Server::reply(Channel channel, std::string_view msg_type, std::string content,
                   std::string metadata) {
  Current& request = current(channel);
  request.replied = true;
  Message message = compose_for(request.header_text, msg_type, std::move(content));
  message.identities = request.identities;
  message.metadata = std::move(metadata);
  emit(channel, std::move(message));
}

void Server::reply_error(Channel channel, std::string_view ename, std::string_view evalue) {
  reply(channel, reply_type_of(current(channel).msg_type),
        R"({"status":"error","traceback":[],"ename":)" + json_string(ename) + R"(,"evalue":)" +
            json_string(evalue) + '}');
}

void Server::publish_status(Channel channel, std::string_view state) {
  publish_for(current(channel), "status", R"({"execution_state":)" + json_string(state) + '}');
}

void Server::publish_for(const Current& request, std::string_view msg_type, std::string content) {
  publish_as_part_of(request.header_text, msg_type, std::move(content));
}

Message Server::compose_for(const std::string& request_header, std::string_view msg_type,
                            std::string content) {
  Message message;
  message.identities = {topic_prefix_ + std::string(msg_type)};
  message.msg_type = msg_type;
  message.header = headers_.write(msg_type);
  message.parent_header = request_header;
  message.content = std::move(content);
  return message;
}

void Server::emit(Channel channel, Message message) {
  if (!tap_) return transmit(channel, std::move(message));
  tap_(channel, std::move(message),
       [this, channel](Message wanted) { transmit(channel, std::move(wanted)); });
}

void Server::transmit(Channel channel, Message message) {
  switch (channel) {
    case Channel::kShell:
      send_frames(shell_, seal(std::move(message), shell_signer_));
      return;
    case Channel::kStdin: {
      // A client connects its channels one by one; a question must not come before its stdin.
      constexpr milliseconds kBetweenAttempts{5};
      Frames question = seal(std::move(message), shell_signer_);
      while (!send_frames(stdin_, question)) interrupt_.sleep_for(kBetweenAttempts);
      return;
    }
    case Channel::kControl:
      send_frames(control_, seal(std::move(message), control_signer_));
      return;
    case Channel::kIopub: {
      const std::lock_guard lock(iopub_mutex_);
      iopub_.send(seal(std::move(message), iopub_signer_));
      // The send may have swallowed the event that announces a subscription to the control thread.
      return welcome_subscribers();
    }
  }
}

// For the code of a cell.

Message Server::compose(std::string_view msg_type, std::string content) {
  return compose_for(shell_current_.header_text, msg_type, std::move(content));
}

void Server::publish(std::string_view msg_type, std::string content, std::string metadata,
                     Buffers buffers) {
  publish_as_part_of(shell_current_.header_text, msg_type, std::move(content), std::move(metadata),
                     std::move(buffers));
}

void Server::publish_as_part_of(const std::string& request_header, std::string_view msg_type,
                                std::string content, std::string metadata, Buffers buffers) {
  Message message = compose_for(request_header, msg_type, std::move(content));
  message.metadata = std::move(metadata);
  message.buffers = std::move(buffers);
  emit(Channel::kIopub, std::move(message));
}

void Server::publish(Message message) { emit(Channel::kIopub, std::move(message)); }

void Server::publish_frames(Frames frames) {
  const std::lock_guard lock(iopub_mutex_);
  iopub_.send(std::move(frames));
}

Frames Server::seal_for_iopub(Message message) {
  const std::lock_guard lock(iopub_mutex_);
  return seal(std::move(message), iopub_signer_);
}

std::string Server::read_input(const std::string& prompt, bool password) {
  // Answers to questions that nobody waits for any more.
  while (receive(stdin_, shell_signer_)) {
  }
  Message question =
      compose("input_request", R"({"prompt":)" + json_string(prompt) + R"(,"password":)" +
                                   (password ? "true}" : "false}"));
  question.identities = shell_current_.identities;
  emit(Channel::kStdin, std::move(question));

  std::array items = {zmq_pollitem_t{stdin_.handle(), 0, ZMQ_POLLIN, 0},
                      zmq_pollitem_t{nullptr, interrupt_.fd(), ZMQ_POLLIN, 0}};
  for (;;) {
    while (const auto answer = receive(stdin_, shell_signer_)) {
      const json& content = answer->data.m_content;
      // Only the client that was asked may answer.
      if (answer->msg_type != "input_reply" || answer->identities != shell_current_.identities) {
        continue;
      }
      const auto value = content.find("value");
      if (value != content.end() && value->is_string()) return value->get<std::string>();
      complain("an input_reply without a value");
    }
    poll_once(items, std::nullopt);
    interrupt_.check();
  }
}

xeus::xcontrol_messenger& Server::get_control_messenger_impl() { return *control_messenger_; }

void Server::update_config_impl(xeus::xconfiguration&) const {}

std::unique_ptr<xeus::xserver> make_server(xeus::xcontext& context, const xeus::xconfiguration&,
                                           json::error_handler_t) {
  auto& ours = context.get_wrapped_context<ServerContext>();
  return std::make_unique<Server>(ours.zmq, ours.options);
}

}  // namespace perijove::kernels
