#include "provision/process_kernel.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "io/endpoints.hpp"

namespace perijove {
namespace {

Result<void> write_private_file(const std::string& path, ByteView text) {
  FileDescriptor file(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  if (file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) {
    return {};
  }
  return Error{Code::unavailable, "cannot write " + path + ": " + std::strerror(errno)};
}

// The parts of one launch; shared with the waits on the loop.
class ProcessKernel final : public std::enable_shared_from_this<ProcessKernel> {
 public:
  ProcessKernel(Shard& shard, RuntimeDir& runtime_dir, LaunchEvents events,
                std::unique_ptr<KernelHousing> housing)
      : shard_(shard),
        runtime_dir_(runtime_dir),
        events_(std::move(events)),
        housing_(std::move(housing)),
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
    if (process_) {
      housing_->look(*process_);
      runtime_dir_.forget_process(process_->pid());
    }
    process_.reset();
    if (!directory_.empty()) RuntimeDir::remove_kernel_dir(directory_);
    directory_.clear();
    housing_.reset();
  }

  void signal(int number) {
    if (!process_ || process_->exit_status()) return;
    housing_->look(*process_);
    housing_->signal(*process_, number);
  }
  void kill() {
    if (!process_) return;
    housing_->look(*process_);
    process_->kill_all();
  }
  std::string connection_file() const { return connection_file_; }
  std::string describe() const { return process_ ? housing_->describe(*process_) : "not running"; }
  IsolationReport isolation() const { return housing_->isolation(); }

 private:
  Result<void> try_start(const LaunchRequest& request) {
    const auto transport = housing_->transport(request);
    if (!transport) return transport.error();
    auto directory = runtime_dir_.make_kernel_dir(request.kernel_id.str());
    if (!directory) return directory.error();
    directory_ = *directory;

    info_.transport = *transport;
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

    auto argv = launch_argv(request.spec, {{"connection_file", connection_file_},
                                           {"kernel_id", request.kernel_id.str()}});
    const auto spawn = housing_->prepare(request, std::move(argv), directory_, connection_file_);
    if (!spawn) return spawn.error();
    const std::weak_ptr<ProcessKernel> weak = shared_from_this();
    housing_->start(
        shard_, *spawn, connection_file_,
        [weak](ByteView bytes) {
          const auto self = weak.lock();
          if (self && self->events_.on_output) self->events_.on_output(bytes);
        },
        [weak](ProcessExit status) {
          if (const auto self = weak.lock()) self->exited(status);
        },
        [weak](Result<std::unique_ptr<ChildProcess>> process) {
          // One whose owner is gone meanwhile ends here.
          if (const auto self = weak.lock()) self->started(std::move(process));
        });
    return {};
  }

  void started(Result<std::unique_ptr<ChildProcess>> process) {
    if (directory_.empty()) return;  // end() was called
    if (!process) {
      boost::asio::post(shard_.loop(), [self = shared_from_this(), error = process.error()] {
        self->fail(error);
      });
      return;
    }
    process_ = *std::move(process);
    runtime_dir_.record_process(process_->pid(), process_->marker());
    started_ = shard_.now();
    look_for_sockets();
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
      self->housing_->look(*self->process_);
      if (self->info_.transport == Transport::ipc) {
        const auto pinned =
            PinnedEndpoints::try_pin(self->info_, self->pinned_, self->housing_->owner());
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

  void exited(const ProcessExit& status) {
    timer_.cancel();
    runtime_dir_.forget_process(process_->pid());
    const ProcessExit kernel = housing_->end_of_kernel(status);
    if (const auto call = std::exchange(events_.on_exit, nullptr)) call(kernel);
  }

  void fail(const Error& error) {
    if (const auto call = std::exchange(events_.on_failed, nullptr)) call(error);
  }

  Shard& shard_;
  RuntimeDir& runtime_dir_;
  LaunchEvents events_;
  std::unique_ptr<KernelHousing> housing_;  // until end()
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
class OwnedProcessKernel final : public LaunchedKernel {
 public:
  explicit OwnedProcessKernel(std::shared_ptr<ProcessKernel> kernel) : kernel_(std::move(kernel)) {}
  ~OwnedProcessKernel() override { kernel_->end(); }
  void interrupt(std::function<void()> sent) override {
    kernel_->signal(SIGINT);
    sent();
  }
  void terminate() override { kernel_->signal(SIGTERM); }
  void kill() override { kernel_->kill(); }
  std::string connection_file() const override { return kernel_->connection_file(); }
  std::string describe() const override { return kernel_->describe(); }
  IsolationReport isolation() const override { return kernel_->isolation(); }

 private:
  std::shared_ptr<ProcessKernel> kernel_;
};

}  // namespace

uid_t KernelHousing::owner() const { return ::geteuid(); }

void KernelHousing::start(Shard& shard, const SpawnRequest& spawn, const std::string&,
                          ChildProcess::OnOutput on_output, ChildProcess::OnExit on_exit,
                          Started started) {
  started(ChildProcess::spawn(shard, spawn, std::move(on_output), std::move(on_exit)));
}

std::string KernelHousing::describe(const ChildProcess& process) const {
  return "pid " + std::to_string(process.pid());
}

std::unique_ptr<LaunchedKernel> launch_process_kernel(Shard& shard, RuntimeDir& runtime_dir,
                                                      const LaunchRequest& request,
                                                      LaunchEvents events,
                                                      std::unique_ptr<KernelHousing> housing) {
  auto kernel =
      std::make_shared<ProcessKernel>(shard, runtime_dir, std::move(events), std::move(housing));
  kernel->start(request);
  return std::make_unique<OwnedProcessKernel>(std::move(kernel));
}

std::optional<Transport> transport_of(const Kernelspec& spec) {
  const std::string transport = kernelspec_setting(spec, "transport");
  if (transport.empty()) return std::nullopt;
  return transport == "tcp" ? Transport::tcp : Transport::ipc;
}

void report_process_limits(const ProcessLimits& limits, IsolationReport& report) {
  const auto add = [&report](std::string_view name, const std::optional<std::uint64_t>& value,
                             std::string_view unit, std::string_view held_by) {
    if (!value) return;
    report.limits.push_back({std::string(name), *value, std::string(unit), std::string(held_by)});
  };
  add("memory", limits.memory_bytes_max, "bytes", "RLIMIT_DATA");
  if (limits.cpu_time_max) {
    add("cpu_time", static_cast<std::uint64_t>(limits.cpu_time_max->count()), "seconds",
        "RLIMIT_CPU");
  }
  if (limits.processors_max) {
    add("cpus", static_cast<std::uint64_t>(std::ceil(*limits.processors_max)) * 1000, "milli-cpus",
        "affinity");
  }
  add("file_size", limits.file_bytes_max, "bytes", "RLIMIT_FSIZE");
  add("open_files", limits.open_files_max, "files", "RLIMIT_NOFILE");
  add("processes", limits.processes_max, "processes", "RLIMIT_NPROC");
}

}  // namespace perijove
