#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "engine/audience.hpp"
#include "engine/channels.hpp"
#include "io/shard.hpp"
#include "model/activity.hpp"
#include "model/cull.hpp"
#include "model/lifecycle.hpp"
#include "model/reply_hold.hpp"
#include "model/request_table.hpp"
#include "protocol/client_message.hpp"
#include "protocol/header.hpp"
#include "provision/provisioner.hpp"

namespace perijove {

/// What decides how one kernel is run, besides its launch request.
struct KernelOptions {
  LifecycleOptions lifecycle;
  CullOptions cull;
  ReplyHoldOptions reply_hold;
  /// Messages that wait for slow or lost readers: in memory, and beyond that on disk.
  std::size_t journal_memory_bytes_max = 8 * 1024 * 1024;
  std::uint64_t journal_disk_bytes_max = std::uint64_t{4} * 1024 * 1024 * 1024;
  std::string journal_directory = "/tmp";
};

/// A kernel as the REST models show it.
struct KernelSummary {
  KernelId id;
  std::string name;  ///< Of its kernelspec.
  ExecutionState execution_state = ExecutionState::starting;
  WallTime last_activity;
  std::size_t connections = 0;
  std::string reason;  ///< Why it died last; empty when it never did.
};

/// Where and how it runs: what only people and the curious ask for.
struct KernelDetails {
  std::string connection_file;
  std::string process;  ///< "pid 4711"
  std::string work_dir;
  IsolationReport isolation;
};

class Kernel;

/// A listener's hold on a kernel. Destroying it detaches the listener; a session id can come back.
class Attachment {
 public:
  Attachment(std::shared_ptr<Kernel> kernel, ReaderId reader, KernelListener& listener)
      : kernel_(std::move(kernel)), reader_(reader), listener_(listener) {}
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  /// The next message of the kernel for this listener.
  Journal::Read read();
  /// See Audience::acknowledge.
  void acknowledge(std::uint64_t position);
  /// See Audience::trim.
  void trim();

  /// accepted: sent, or queued until the kernel takes it. congested: accepted too, but no more
  /// before on_writable(), please. gone: the kernel is dead. malformed: not a message; nothing
  /// sent.
  enum class Submission { accepted, congested, gone, malformed };

  /// Sends a client's message to the kernel. `owner` keeps what the views point to.
  Submission submit(const ClientMessage& message, const std::shared_ptr<const void>& owner);

  Kernel& kernel() { return *kernel_; }

 private:
  std::shared_ptr<Kernel> kernel_;
  ReaderId reader_;
  KernelListener& listener_;
};

/// One kernel: its process, its one set of sockets, its state, its journal and who follows it. The
/// shell around lifecycle, activity and the other machines of the model. Shard thread only; held by
/// shared_ptr. Call stop() and wait for it before the last share goes; a Kernel that is destroyed
/// running kills its process at once.
class Kernel : public std::enable_shared_from_this<Kernel> {
 public:
  using Done = std::function<void(Result<void>)>;
  struct Hooks {
    /// It will not run again by itself; the record may be forgotten when `deleted`.
    std::function<void(bool deleted)> on_ended;
    /// A lifecycle step that people and /api/events want to know: start, restart, died, culled ...
    std::function<void(std::string_view action, const std::string& message)> on_event;
  };

  Kernel(Shard& shard, Provisioner& provisioner, LaunchRequest request, KernelOptions options,
         Hooks hooks);
  ~Kernel();

  const KernelId& id() const { return request_.kernel_id; }
  const Kernelspec& spec() const { return request_.spec; }
  /// What it was launched with.
  const LaunchRequest& request() const { return request_; }
  KernelSummary summary() const;
  KernelDetails details() const;
  /// Whether its kernelspec says that it keeps nothing from block to block.
  bool stateless() const { return stateless_; }
  lifecycle::State state() const { return lifecycle_.state(); }
  /// How its process ended last; nullopt when it never did.
  const std::optional<ProcessExit>& last_exit() const { return last_exit_; }
  /// The last bytes that its process wrote to standard output and error.
  const std::string& log_tail() const { return log_tail_; }
  /// See LaunchedKernel::place; another one after each restart.
  std::shared_ptr<KernelPlace> place() const { return launched_ ? launched_->place() : nullptr; }
  const KernelChannels::Counters* counters() const {
    return channels_ ? &channels_->counters() : nullptr;
  }

  /// Each calls `done` once: when the kernel answers; when the interrupt was sent; when the new
  /// process runs; when the process has ended and its files are gone.
  void start(Done done);
  void interrupt(Done done);
  void restart(Done done, bool now = false);
  void stop(Done done, bool now = false);

  /// Until hand_out() it waits for whoever will use it, and is not culled; its idle time begins
  /// then.
  void reserve() { reserved_ = true; }
  void hand_out();

  std::unique_ptr<Attachment> attach(std::string session_id, KernelListener& listener);

 private:
  friend class Attachment;
  struct Pending {
    Channel channel;
    SignedParts parts;
    std::vector<ByteView> buffers;
    std::shared_ptr<const void> owner;
    std::size_t size_bytes;
  };

  // Lifecycle (kernel_lifecycle.cpp).
  void feed(lifecycle::Event event);
  void perform(lifecycle::Action& action);
  void launch(lifecycle::Generation generation);
  void connect();
  void send_own(Channel channel, std::string_view msg_type, ByteView content);
  void process_exited(lifecycle::Generation generation, ProcessExit status);
  void feed_exit(lifecycle::Generation generation, const ProcessExit& status);
  void process_gone(const lifecycle::ProcessGone& gone);
  void end_requests(const std::vector<OutstandingRequest>& requests, std::string_view name,
                    const std::string& reason);
  void announce(ExecutionState state);
  void complete(const lifecycle::Complete& action);
  std::optional<TimePoint> cull_time() const;
  void set_timer();
  void on_timer();
  lifecycle::RequestId add_request(Done done);
  std::string with_log_tail(const std::string& message) const;

  // Messages (kernel_messages.cpp).
  void receive(MessagePtr message);
  void receive_iopub(MessagePtr message, const HeaderIds& header, const HeaderIds& parent);
  void receive_reply(MessagePtr message, const HeaderIds& header, const HeaderIds& parent);
  void receive_own(const MessagePtr& message, const HeaderIds& header);
  void tell_shutdown(ByteView content);
  void route(MessagePtr message, const HeaderIds& parent);
  void route_all(std::vector<MessagePtr> replies);
  void turn_ended();
  Attachment::Submission submit(ReaderId reader, const ClientMessage& message,
                                const std::shared_ptr<const void>& owner);
  bool answer_from_cache(ReaderId reader, const ClientMessage& message, const HeaderIds& header);
  void send_or_queue(const ClientMessage& message, const std::shared_ptr<const void>& owner);
  void send_pending();
  bool congested() const;
  void publish_soon();
  void detach(ReaderId reader, const KernelListener& listener);
  HeaderFields own_header(std::string_view msg_type) const;

  Shard& shard_;
  Provisioner& provisioner_;
  LaunchRequest request_;
  KernelOptions options_;
  Hooks hooks_;

  Lifecycle lifecycle_;
  Activity activity_;
  Audience audience_;
  RequestTable requests_;
  ReplyHold<MessagePtr> reply_hold_;

  std::unique_ptr<LaunchedKernel> launched_;
  std::optional<Endpoints> endpoints_;
  std::unique_ptr<KernelChannels> channels_;
  std::string own_session_;  // of the requests that clients never see
  std::string kernel_info_;  // content of the last kernel_info_reply

  std::deque<lifecycle::Event> events_;
  bool feeding_ = false;
  std::map<lifecycle::RequestId, Done> waiting_;
  lifecycle::RequestId next_request_ = 1;
  boost::asio::steady_timer timer_;
  std::optional<TimePoint> timer_at_;

  std::array<std::deque<Pending>, 3> pending_;  // shell, control, stdin
  std::size_t pending_bytes_ = 0;
  bool writers_wait_ = false;
  bool publish_posted_ = false;
  std::uint64_t messages_received_ = 0;

  std::optional<TimePoint> last_disconnect_;
  std::optional<Duration> kernelspec_idle_timeout_;
  bool reserved_ = false;
  bool stateless_;
  bool culling_ = false;
  std::optional<ProcessExit> last_exit_;
  std::string log_tail_;
};

}  // namespace perijove
