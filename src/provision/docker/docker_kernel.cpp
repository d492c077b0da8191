#include "provision/docker/docker_kernel.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "io/endpoints.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "provision/docker/container_launch.hpp"
#include "provision/docker/kept_directory.hpp"
#include "provision/docker/log_frames.hpp"
#include "provision/process_kernel.hpp"

namespace perijove::docker {
namespace {

constexpr int kTcpPortFirst = 40101;  // in a network namespace that nobody else binds in
constexpr auto kRetryFor = std::chrono::minutes(10);
constexpr auto kLastOutputWait = std::chrono::milliseconds(500);

// Of a container that ended by a signal: what a shell makes of it.
ProcessExit exit_of(int code) {
  constexpr int kSignalBase = 128;
  constexpr int kSignalMax = 64;
  if (code > kSignalBase && code <= kSignalBase + kSignalMax) {
    return ProcessExit::killed_by(code - kSignalBase);
  }
  return ProcessExit::exited(code);
}

// The kernelspec's command, as it is called inside: the interpreter that the gateway's machine has
// under some path is the image's python3.
std::vector<std::string> command_inside(const LaunchRequest& request,
                                        const ContainerOptions& options,
                                        const std::string& connection_file) {
  Kernelspec spec = request.spec;
  spec.interpreter.clear();
  if (!options.command.empty()) spec.argv = options.command;
  auto argv = launch_argv(
      spec, {{"connection_file", connection_file}, {"kernel_id", request.kernel_id.str()}});
  if (options.command.empty() && begins_with_python(request.spec)) {
    const std::string program = argv.front().substr(argv.front().rfind('/') + 1);
    argv.front() = program.starts_with("python") ? "python3" : program;
  }
  return argv;
}

// For an argument `since`.
std::string engine_time_now() {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  std::string text = std::to_string(now.count());
  return text.insert(text.size() - 3, 1, '.');
}

std::optional<nlohmann::json> parse_object(const std::string& text) {
  auto document = parse_json(text);
  if (!document || !document->is_object()) return std::nullopt;
  return *std::move(document);
}

// One launch; shared with calls and waits.
class DockerKernel final : public ContainerWatcher,
                           public std::enable_shared_from_this<DockerKernel> {
 public:
  DockerKernel(Shard& shard, const DockerSetting& setting, LaunchRequest request,
               ContainerOptions options, LaunchEvents events)
      : shard_(shard),
        setting_(setting),
        request_(std::move(request)),
        options_(std::move(options)),
        events_(std::move(events)),
        timer_(shard.loop()) {}

  void start() {
    const auto prepared = prepare();
    if (!prepared) {
      boost::asio::post(shard_.loop(), [self = shared_from_this(), error = prepared.error()] {
        self->fail(error);
      });
      return;
    }
    launch_ = std::make_shared<ContainerLaunch>(shard_, setting_.engine, setting_.containers,
                                                make(), launch_events());
    launch_->start();
  }

  // What the owner's destructor does.
  void end() {
    events_ = {};
    ended_ = true;
    timer_.cancel();
    if (launch_) launch_->abandon();
    logs_.reset();
    if (!container_id_.empty()) setting_.events->forget(container_id_);
    if (!directory_.empty() && !kept_) RuntimeDir::remove_kernel_dir(directory_);
    directory_.clear();
    kept_.reset();
  }

  void signal(
      const char* name, std::function<void()> sent = [] {}) {
    if (container_id_.empty() || exit_) {
      sent();
      return;
    }
    EngineCall call;
    call.method = "POST";
    call.path = "/containers/" + container_id_ + "/kill";
    call.query = {{"signal", name}};
    // An interrupt that comes late would hit something else; an end is wanted whenever it comes.
    if (std::string_view(name) != "SIGINT") call.retry_for = kRetryFor;
    setting_.engine->call(std::move(call), [weak = weak_from_this(), name,
                                            sent = std::move(sent)](const auto& answer) {
      sent();
      const auto self = weak.lock();
      if (!self || self->ended_ || answer) return;
      log::warning(
          "container_signal_failed",
          {{"container", self->name_}, {"signal", name}, {"reason", answer.error().message}});
    });
  }

  std::string connection_file() const { return connection_file_; }
  std::string describe() const { return "container " + name_; }
  IsolationReport isolation() const { return report_; }

  void on_died(std::optional<int> exit_code) override {
    if (exit_code) event_exit_code_ = exit_code;
    inspect_end();
  }
  void on_daemon_back() override {
    if (!started_) return;
    if (!logs_) follow_logs();
    inspect_end();
  }

 private:
  // ---- before the container: what this machine contributes ----

  Result<void> prepare() {
    name_ = options_.container_name;
    if (name_.empty()) {
      name_ = "perijove-" + request_.kernel_id.str().substr(0, 8) + "-" + random_hex(4);
    }
    const bool remote = setting_.engine->address().socket_path.empty();
    over_tcp_ = remote || transport_of(request_.spec).value_or(Transport::ipc) == Transport::tcp;
    const bool networked = !options_.network.empty() && options_.network != "none";
    if (over_tcp_ && !networked) {
      return Error{Code::failed_precondition,
                   std::string(remote ? "a kernel in a container of another machine"
                                      : "this kernel, whose channels cannot be unix sockets,") +
                       " is reached by TCP, and network 'none' has none; name a network of "
                       "Docker's that this machine reaches"};
    }
    if (options_.image.empty() && setting_.default_image.empty() && options_.build_path.empty()) {
      return Error{Code::failed_precondition,
                   "no image is named for the kernel's container, and the gateway has no default"};
    }
    limits_ = combine_limits(options_, request_.limits);
    report();
    return make_connection_file();
  }

  Result<void> make_connection_file() {
    if (options_.auto_remove) {
      auto directory = setting_.runtime_dir.make_kernel_dir(request_.kernel_id.str());
      if (!directory) return directory.error();
      directory_ = *directory;
    } else {
      auto kept =
          KeptDirectory::take(std::filesystem::path(setting_.runtime_dir.path()).parent_path(),
                              setting_.engine->address().describe(), name_);
      if (!kept) return kept.error();
      directory_ = kept->path();
      kept_.emplace(*std::move(kept));
    }
    info_.key = random_hex(32);
    info_.kernel_name = request_.spec.name;
    info_.transport = over_tcp_ ? Transport::tcp : Transport::ipc;
    info_.ip = over_tcp_ ? "0.0.0.0" : std::string(kKernelDirInside) + "/k";
    int number = over_tcp_ ? kTcpPortFirst : 1;
    for (int* const port : {&info_.shell_port, &info_.iopub_port, &info_.stdin_port,
                            &info_.control_port, &info_.heartbeat_port}) {
      *port = number++;
    }
    file_text_ = to_connection_file(info_);
    info_.ip = over_tcp_ ? "" : directory_ + "/k";  // from here on as this side sees them
    constexpr std::size_t kSuffixBytes = 3;         // "-5" and the terminating zero
    if (info_.ip.size() + kSuffixBytes > limits::kSocketPathBytesMax) {
      return Error{
          Code::failed_precondition,
          "the socket path " + info_.ip +
              "-1 is longer than the 107 bytes that a unix socket can have; name a shorter "
              "--runtime-dir"};
    }
    connection_file_ = directory_ + "/" + kFileName;
    FileDescriptor file(
        ::open(connection_file_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    const bool written = file && ::write(file.get(), file_text_.data(), file_text_.size()) ==
                                     static_cast<ssize_t>(file_text_.size());
    const uid_t uid = setting_.kernel_uid;
    const gid_t gid = setting_.kernel_gid;
    const bool given =
        written && (uid == ::geteuid() || (::fchown(file.get(), uid, gid) == 0 &&
                                           ::chown(directory_.c_str(), uid, gid) == 0));
    if (given) return {};
    return Error{Code::unavailable,
                 "cannot write " + connection_file_ + ": " + std::strerror(errno)};
  }

  void report() {
    report_.kind = "docker";
    report_.network = options_.network.empty() ? "none" : options_.network;
    report_.limits = report_limits(limits_, options_);
    if (!limits_.memory_bytes) {
      report_.notes.emplace_back("memory is not limited: the kernel may take the machine's");
    }
    if (report_.network != "none") {
      report_.notes.push_back("the kernel reaches whatever Docker's network '" + report_.network +
                              "' reaches, often other containers, this machine and the Internet");
    }
    report_.notes.emplace_back(
        "what the kernel writes to its work directory is limited by that file system alone");
  }

  // ---- the container ----

  ContainerMake make() const {
    ContainerMake made;
    made.name = name_;
    made.options = options_;
    made.limits = limits_;
    if (over_tcp_) made.file = {kFileName, file_text_};
    ContainerPlan& plan = made.plan;
    plan.image = options_.image.empty() ? setting_.default_image : options_.image;
    // A registry's image of that name would be somebody else's.
    if (options_.image.empty()) made.options.pull = PullPolicy::never;
    plan.command =
        with_init_command(options_.init_command, command_inside(request_, options_, file_inside()));
    plan.env = environment_inside(request_.env);
    plan.user = options_.user.empty() ? std::to_string(setting_.kernel_uid) + ":" +
                                            std::to_string(setting_.kernel_gid)
                                      : options_.user;
    const bool shares_files = !setting_.engine->address().socket_path.empty();
    if (shares_files) plan.work_dir = request_.work_dir;
    if (!options_.bind_dir.empty()) plan.work_dir = options_.bind_dir;
    if (!over_tcp_) plan.kernel_dir = directory_;
    plan.labels = {{kGatewayLabel, setting_.gateway_label},
                   {kKernelLabel, request_.kernel_id.str()}};
    if (!options_.stop_container) {
      plan.labels[kKeepLabel] = "running";
    } else if (!options_.auto_remove) {
      plan.labels[kKeepLabel] = "files";
    }

    return made;
  }

  std::string file_inside() const {
    const std::string directory = kKernelDirInside;
    return directory + "/" + (over_tcp_ ? std::string(kPutDirectory) + "/" : "") + kFileName;
  }

  ContainerLaunchEvents launch_events() {
    const auto with_self = [weak = weak_from_this()](auto function) {
      return [weak, function](const auto&... arguments) {
        const auto self = weak.lock();
        if (self && !self->ended_) function(*self, arguments...);
      };
    };
    ContainerLaunchEvents events;
    events.on_progress = with_self([](DockerKernel& self, std::string_view line) {
      if (self.events_.on_output) self.events_.on_output(line);
    });
    events.on_gvisor = [weak = weak_from_this()]() -> Result<void> {
      const auto self = weak.lock();
      if (!self || self->ended_) return {};
      self->report_.kind = "docker+gvisor";
      self->report_.notes.emplace_back(
          "gVisor answers system calls, not this machine's kernel; the filter of system calls does "
          "not apply to it, and what it has of its own (user namespaces, io_uring) is its own");
      return self->setting_.open_to_gvisor ? self->setting_.open_to_gvisor() : Result<void>();
    };
    events.on_created = with_self([](DockerKernel& self, const std::string& id) {
      self.container_id_ = id;
      // What a container that is used again said before is not this kernel's output.
      if (self.options_.reuse_container) self.logs_since_ = engine_time_now();
      self.setting_.events->watch(id, self.weak_from_this());
    });
    events.on_started = with_self([](DockerKernel& self) { self.container_started(); });
    events.on_failed = with_self([](DockerKernel& self, const Error& error) { self.fail(error); });
    return events;
  }

  void container_started() {
    started_ = true;
    started_at_ = shard_.now();
    follow_logs();
    if (over_tcp_) {
      find_address();
    } else {
      look_for_sockets();
    }
  }

  void find_address() {
    EngineCall inspect;
    inspect.path = "/containers/" + container_id_ + "/json";
    setting_.engine->call(std::move(inspect), [weak = weak_from_this()](const auto& answer) {
      const auto self = weak.lock();
      if (self && !self->ended_) self->read_address(answer);
    });
  }

  void read_address(const Result<std::string>& answer) {
    const auto document = answer ? parse_object(*answer) : std::nullopt;
    if (document && document->contains("NetworkSettings")) {
      const auto& settings = (*document)["NetworkSettings"];
      const auto networks = settings.find("Networks");
      if (networks != settings.end() && networks->is_object()) {
        for (const auto& [name, network] : networks->items()) {
          if (info_.ip.empty() && network.is_object()) info_.ip = json_text(network, "IPAddress");
        }
      }
    }
    if (info_.ip.empty()) {
      fail(Error{Code::failed_precondition,
                 "the container has no address in network '" + options_.network + "'"});
      return;
    }
    tell_endpoints();
  }

  // ---- the kernel ----

  void look_for_sockets() {
    constexpr auto kPauseMin = std::chrono::milliseconds(1);
    constexpr auto kPauseMax = std::chrono::milliseconds(20);
    const Duration waited = shard_.now() - started_at_;
    if (waited > options_.startup_timeout) {
      fail(Error{Code::deadline_exceeded,
                 "the kernel has not listened within its startup_timeout of " +
                     format_duration(options_.startup_timeout)});
      return;
    }
    timer_.expires_after(std::clamp<Duration>(waited / 10, kPauseMin, kPauseMax));
    timer_.async_wait([weak = weak_from_this()](const auto& error) {
      const auto self = weak.lock();
      if (error || !self || self->ended_ || self->exit_) return;
      const auto pinned =
          PinnedEndpoints::try_pin(self->info_, self->pinned_, self->setting_.kernel_uid);
      if (!pinned && !self->may_change_owner()) {
        self->fail(pinned.error());
      } else if (pinned && *pinned) {
        self->tell_endpoints();
      } else {
        self->look_for_sockets();
      }
    });
  }

  // gVisor makes a socket as root, and gives it to the kernel's user a moment later.
  bool may_change_owner() {
    constexpr auto kMomentMax = std::chrono::seconds(2);
    if (report_.kind != "docker+gvisor") return false;
    if (!first_refusal_) first_refusal_ = shard_.now();
    return shard_.now() - *first_refusal_ < kMomentMax;
  }

  void tell_endpoints() {
    const auto at = [this](Channel channel) {
      return over_tcp_ ? info_.endpoint(channel) : pinned_.endpoint(channel);
    };
    const Endpoints endpoints{.shell = at(Channel::shell),
                              .iopub = at(Channel::iopub),
                              .stdin_ = at(Channel::stdin_),
                              .control = at(Channel::control),
                              .key = info_.key,
                              .signature_scheme = info_.signature_scheme};
    if (const auto tell = std::exchange(events_.on_endpoints, nullptr)) tell(endpoints);
  }

  void follow_logs() {
    const auto weak = weak_from_this();
    auto frames = std::make_shared<LogFrames>([weak](int, std::string_view bytes) {
      const auto self = weak.lock();
      if (!self || self->ended_) return;
      self->look_for_init_failure(bytes);
      if (self->events_.on_output) self->events_.on_output(bytes);
    });
    EngineCall call;
    call.path = "/containers/" + container_id_ + "/logs";
    call.query = {{"follow", "1"}, {"stdout", "1"}, {"stderr", "1"}};
    if (!logs_since_.empty()) call.query.emplace_back("since", logs_since_);
    call.timeout = kNoTimeout;
    EngineStream functions;
    functions.on_bytes = [frames](std::string_view bytes) { frames->feed(bytes); };
    logs_ = setting_.engine->stream(std::move(call), std::move(functions),
                                    [weak](const Result<std::string>&) {
                                      const auto self = weak.lock();
                                      if (!self || self->ended_) return;
                                      self->logs_.reset();
                                      self->logs_since_ = engine_time_now();
                                      if (self->exit_) self->tell_exit();
                                    });
  }

  // The line that with_init_command() writes comes in one piece: it is one write.
  void look_for_init_failure(std::string_view bytes) {
    if (options_.init_command.empty() || !events_.on_endpoints) return;
    constexpr std::string_view kPrefix = "perijove: ";
    const std::size_t at = bytes.find(kInitFailed);
    if (at == bytes.npos) return;
    const std::string_view line = bytes.substr(at + kPrefix.size());
    init_failure_ = line.substr(0, line.find('\n'));
  }

  // ---- its end ----

  // Asked of the daemon: only it knows about memory. Calls that nobody answers are repeated: a
  // daemon that is away says nothing about its containers.
  void inspect_end() {
    if (!started_ || exit_ || inspecting_ || ended_) return;
    inspecting_ = true;
    EngineCall inspect;
    inspect.path = "/containers/" + container_id_ + "/json";
    inspect.retry_for = kRetryFor;
    setting_.engine->call(std::move(inspect), [weak = weak_from_this()](const auto& answer) {
      const auto self = weak.lock();
      if (!self || self->ended_) return;
      self->inspecting_ = false;
      if (!answer && answer.error().code != Code::not_found) return;
      self->judge_end(answer ? parse_object(*answer) : std::nullopt);
    });
  }

  void judge_end(const std::optional<nlohmann::json>& container) {
    ProcessExit exit;
    if (!container || !container->contains("State") || !(*container)["State"].is_object()) {
      // Somebody has removed it.
      if (event_exit_code_) exit = exit_of(*event_exit_code_);
    } else {
      const nlohmann::json& state = (*container)["State"];
      if (state.value("Running", false)) return;
      exit = exit_of(state.value("ExitCode", -1));
      // The mark is also set when only a child of the kernel was killed, some time before.
      const bool killed = exit.signal == SIGKILL || report_.kind == "docker+gvisor";
      exit.out_of_memory = killed && state.value("OOMKilled", false);
    }
    exit_ = exit;
    timer_.cancel();
    setting_.events->forget(container_id_);
    if (!logs_) {
      tell_exit();
      return;
    }
    // Its last words are on their way: they end with the stream.
    timer_.expires_after(kLastOutputWait);
    timer_.async_wait([weak = weak_from_this()](const auto& error) {
      const auto self = weak.lock();
      if (!error && self && !self->ended_) self->tell_exit();
    });
  }

  void tell_exit() {
    timer_.cancel();
    if (!init_failure_.empty() && events_.on_endpoints) {
      fail(Error{Code::failed_precondition, init_failure_ + "; the kernel was not started"});
      return;
    }
    if (const auto tell = std::exchange(events_.on_exit, nullptr)) tell(*exit_);
  }

  void fail(const Error& error) {
    if (const auto tell = std::exchange(events_.on_failed, nullptr)) tell(error);
  }

  static constexpr const char* kFileName = "connection.json";

  Shard& shard_;
  DockerSetting setting_;
  LaunchRequest request_;
  ContainerOptions options_;
  LaunchEvents events_;
  boost::asio::steady_timer timer_;
  ContainerLimits limits_;
  IsolationReport report_;

  std::string name_;
  bool over_tcp_ = false;
  std::string directory_;
  std::optional<KeptDirectory> kept_;  // directory_, of a container that outlives this kernel
  std::string connection_file_;
  std::string file_text_;  // of the connection file
  ConnectionInfo info_;
  PinnedEndpoints pinned_;
  std::optional<TimePoint> first_refusal_;  // of a socket, as not the kernel's

  std::shared_ptr<ContainerLaunch> launch_;
  std::shared_ptr<void> logs_;
  std::string logs_since_;  // empty: from the beginning
  std::string container_id_;
  bool started_ = false;
  bool inspecting_ = false;
  bool ended_ = false;
  TimePoint started_at_;
  std::optional<int> event_exit_code_;
  std::optional<ProcessExit> exit_;
  std::string init_failure_;
};

// The one owner: its end is the kernel's.
class OwnedDockerKernel final : public LaunchedKernel {
 public:
  explicit OwnedDockerKernel(std::shared_ptr<DockerKernel> kernel) : kernel_(std::move(kernel)) {}
  ~OwnedDockerKernel() override { kernel_->end(); }
  void interrupt(std::function<void()> sent) override {
    kernel_->signal("SIGINT", std::move(sent));
  }
  void terminate() override { kernel_->signal("SIGTERM"); }
  void kill() override { kernel_->signal("SIGKILL"); }
  std::string connection_file() const override { return kernel_->connection_file(); }
  std::string describe() const override { return kernel_->describe(); }
  IsolationReport isolation() const override { return kernel_->isolation(); }

 private:
  std::shared_ptr<DockerKernel> kernel_;
};

}  // namespace

std::unique_ptr<LaunchedKernel> launch_docker_kernel(Shard& shard, const DockerSetting& setting,
                                                     LaunchRequest request,
                                                     ContainerOptions options,
                                                     LaunchEvents events) {
  auto kernel = std::make_shared<DockerKernel>(shard, setting, std::move(request),
                                               std::move(options), std::move(events));
  kernel->start();
  return std::make_unique<OwnedDockerKernel>(std::move(kernel));
}

}  // namespace perijove::docker
