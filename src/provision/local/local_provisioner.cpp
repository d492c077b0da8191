#include "provision/local/local_provisioner.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "io/endpoints.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

Transport wanted_transport(const LaunchRequest& request) {
  const auto metadata = parse_json(request.spec.metadata);
  if (!metadata || !metadata->is_object()) return request.transport;
  const auto ours = metadata->find("perijove");
  if (ours == metadata->end() || !ours->is_object()) return request.transport;
  const auto transport = ours->find("transport");
  if (transport == ours->end()) return request.transport;
  return *transport == "tcp" ? Transport::tcp : Transport::ipc;
}

Result<void> write_private_file(const std::string& path, ByteView text) {
  FileDescriptor file(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  if (file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) {
    return {};
  }
  return Error{Code::unavailable, "cannot write " + path + ": " + std::strerror(errno)};
}

// The parts of one launch; shared with the waits on the loop.
class LocalKernel final : public LaunchedKernel, public std::enable_shared_from_this<LocalKernel> {
 public:
  LocalKernel(Shard& shard, RuntimeDir& runtime_dir, LaunchEvents events)
      : shard_(shard),
        runtime_dir_(runtime_dir),
        events_(std::move(events)),
        timer_(shard.loop()) {}

  // Errors are told from the loop, so that launch() returns before any event.
  void start(const LaunchRequest& request) {
    const auto started = try_start(request);
    if (started) return;
    boost::asio::post(shard_.loop(),
                      [self = shared_from_this(), error = started.error()] { self->fail(error); });
  }

  // What the owner's destructor does; the object itself may live until its last wait has ended.
  void end() {
    events_ = {};
    timer_.cancel();
    if (process_) runtime_dir_.forget_process(process_->pid());
    process_.reset();
    if (!directory_.empty()) RuntimeDir::remove_kernel_dir(directory_);
    directory_.clear();
  }

  void interrupt() override { signal(SIGINT); }
  void terminate() override { signal(SIGTERM); }
  void kill() override {
    if (process_) process_->kill_all();
  }
  std::string connection_file() const override { return connection_file_; }
  std::string describe() const override {
    return process_ ? "pid " + std::to_string(process_->pid()) : "not running";
  }

 private:
  Result<void> try_start(const LaunchRequest& request) {
    auto directory = runtime_dir_.make_kernel_dir(request.kernel_id.str());
    if (!directory) return directory.error();
    directory_ = *directory;

    info_.transport = wanted_transport(request);
    info_.key = random_hex(32);
    info_.kernel_name = request.spec.name;
    int* const ports[] = {&info_.shell_port, &info_.iopub_port, &info_.stdin_port,
                          &info_.control_port, &info_.heartbeat_port};
    if (info_.transport == Transport::tcp) {
      auto held = HeldPorts::take(info_.ip);
      if (!held) return held.error();
      for (std::size_t i = 0; i < std::size(ports); ++i) *ports[i] = held->port(i);
      held_ports_ = std::move(*held);
    } else {
      info_.ip = directory_ + "/k";
      for (std::size_t i = 0; i < std::size(ports); ++i) *ports[i] = static_cast<int>(i + 1);
      constexpr std::size_t kSuffixBytes = 3;  // "-5" and the terminating zero
      if (info_.ip.size() + kSuffixBytes > limits::kSocketPathBytesMax) {
        return Error{Code::failed_precondition,
                     "the socket path " + info_.ip +
                         "-1 is longer than the 107 bytes that a unix "
                         "socket can have; name a shorter --runtime-dir"};
      }
    }
    // ipykernel rewrites its connection file: it must be able to, and we never read it again.
    connection_file_ = directory_ + "/kernel-" + request.kernel_id.str() + ".json";
    if (auto written = write_private_file(connection_file_, to_connection_file(info_)); !written) {
      return written;
    }

    SpawnRequest spawn;
    spawn.argv = launch_argv(request.spec, {{"connection_file", connection_file_},
                                            {"kernel_id", request.kernel_id.str()}});
    spawn.env = request.env;
    spawn.work_dir = request.work_dir;
    spawn.limits = request.limits;
    const std::weak_ptr<LocalKernel> weak = shared_from_this();
    auto process = ChildProcess::spawn(
        shard_, spawn,
        [weak](ByteView bytes) {
          const auto self = weak.lock();
          if (self && self->events_.on_output) self->events_.on_output(bytes);
        },
        [weak](ProcessExit status) {
          if (const auto self = weak.lock()) self->exited(status);
        });
    if (!process) return process.error();
    process_ = std::move(*process);
    runtime_dir_.record_process(process_->pid(), process_->marker());
    started_ = shard_.now();
    look_for_sockets();
    return {};
  }

  // A kernel says nowhere that it has bound its sockets, and connecting before would pin nothing.
  // The pauses grow with the time waited: at most a tenth of it is added to a start.
  void look_for_sockets() {
    constexpr auto kPauseMin = std::chrono::milliseconds(1);
    constexpr auto kPauseMax = std::chrono::milliseconds(20);
    const Duration pause =
        std::clamp<Duration>((shard_.now() - started_) / 10, kPauseMin, kPauseMax);
    timer_.expires_after(pause);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (error || !self->process_ || self->process_->exit_status()) return;
      if (self->info_.transport == Transport::ipc) {
        const auto pinned = PinnedEndpoints::try_pin(self->info_, self->pinned_);
        if (!pinned) {
          self->fail(pinned.error());
          return;
        }
        if (!*pinned) {
          self->look_for_sockets();
          return;
        }
      }
      if (const auto call = std::exchange(self->events_.on_endpoints, nullptr)) {
        call(self->endpoints());
      }
    });
  }

  Endpoints endpoints() const {
    const auto at = [this](Channel channel) {
      return info_.transport == Transport::ipc ? pinned_.endpoint(channel)
                                               : info_.endpoint(channel);
    };
    return {.shell = at(Channel::shell),
            .iopub = at(Channel::iopub),
            .stdin_ = at(Channel::stdin_),
            .control = at(Channel::control),
            .key = info_.key,
            .signature_scheme = info_.signature_scheme};
  }

  void exited(ProcessExit status) {
    timer_.cancel();
    runtime_dir_.forget_process(process_->pid());
    if (const auto call = std::exchange(events_.on_exit, nullptr)) call(status);
  }

  void fail(const Error& error) {
    if (const auto call = std::exchange(events_.on_failed, nullptr)) call(error);
  }

  void signal(int number) {
    if (process_) process_->signal_group(number);
  }

  Shard& shard_;
  RuntimeDir& runtime_dir_;
  LaunchEvents events_;
  boost::asio::steady_timer timer_;
  std::string directory_;
  std::string connection_file_;
  ConnectionInfo info_;
  std::optional<HeldPorts> held_ports_;
  PinnedEndpoints pinned_;
  std::unique_ptr<ChildProcess> process_;
  TimePoint started_;
};

// The one owner: its end is the kernel's.
class OwnedLocalKernel final : public LaunchedKernel {
 public:
  explicit OwnedLocalKernel(std::shared_ptr<LocalKernel> kernel) : kernel_(std::move(kernel)) {}
  ~OwnedLocalKernel() override { kernel_->end(); }
  void interrupt() override { kernel_->interrupt(); }
  void terminate() override { kernel_->terminate(); }
  void kill() override { kernel_->kill(); }
  std::string connection_file() const override { return kernel_->connection_file(); }
  std::string describe() const override { return kernel_->describe(); }

 private:
  std::shared_ptr<LocalKernel> kernel_;
};

class LocalProvisioner final : public Provisioner {
 public:
  explicit LocalProvisioner(RuntimeDir& runtime_dir) : runtime_dir_(runtime_dir) {}
  std::string_view name() const override { return "local"; }
  std::string_view isolation() const override { return "none"; }
  std::unique_ptr<LaunchedKernel> launch(Shard& shard, LaunchRequest request,
                                         LaunchEvents events) override {
    auto kernel = std::make_shared<LocalKernel>(shard, runtime_dir_, std::move(events));
    kernel->start(request);
    return std::make_unique<OwnedLocalKernel>(std::move(kernel));
  }

 private:
  RuntimeDir& runtime_dir_;
};

}  // namespace

std::unique_ptr<Provisioner> make_local_provisioner(RuntimeDir& runtime_dir) {
  return std::make_unique<LocalProvisioner>(runtime_dir);
}

}  // namespace perijove
