#include "provision/docker/docker_kernel.hpp"

#include <signal.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "provision/docker/container_design.hpp"
#include "provision/docker/container_fork_server.hpp"
#include "provision/docker/container_launch.hpp"
#include "provision/docker/container_place.hpp"
#include "provision/docker/log_frames.hpp"
#include "provision/process_kernel.hpp"

namespace perijove::docker {
namespace {

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
        design_(setting, std::move(request), std::move(options)),
        events_(std::move(events)),
        timer_(shard.loop()),
        kill_timer_(shard.loop()) {}

  void start() {
    const auto prepared = design_.prepare();
    if (!prepared) {
      boost::asio::post(shard_.loop(), [self = shared_from_this(), error = prepared.error()] {
        self->fail(error);
      });
      return;
    }
    launch_ = std::make_shared<ContainerLaunch>(shard_, setting_.engine, setting_.containers,
                                                design_.make(), launch_events());
    launch_->start();
  }

  // The container stays, with what the kernel has left in it beside its work directory.
  bool start_again(LaunchEvents& events) {
    if (!exit_ || is_removed_) return false;
    // The mark of memory that ran out goes with a start of the container alone.
    const bool forks =
        fork_server_ && fork_server_->is_there() && !exit_->out_of_memory.value_or(false);
    if (const auto renewed = design_.channels().renew(forks); !renewed) {
      log::warning("container_not_used_again",
                   {{"container", design_.name()}, {"reason", renewed.error().message}});
      return false;
    }
    events_ = std::move(events);
    timer_.cancel();
    first_refusal_.reset();
    event_exit_code_.reset();
    exit_.reset();
    killed_.reset();
    end_is_wanted_ = out_of_memory_ = false;
    init_failure_.clear();
    if (forks) {
      started_at_ = shard_.now();
      boost::asio::post(shard_.loop(), [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self && !self->ended_) self->fork_kernel();
      });
    } else {
      start_container_again();
    }
    return true;
  }

  // What the owner's destructor does.
  void end() {
    events_ = {};
    ended_ = true;
    timer_.cancel();
    kill_timer_.cancel();
    fork_server_.reset();
    if (launch_) launch_->abandon();
    logs_.reset();
    if (!container_id_.empty()) setting_.events->forget(container_id_);
    place_.reset();
    design_.channels().remove();
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
      log::warning("container_signal_failed", {{"container", self->design_.name()},
                                               {"signal", name},
                                               {"reason", answer.error().message}});
    });
  }

  void terminate() {
    end_is_wanted_ = true;
    if (forked()) {
      fork_server_->signal(SIGTERM);
    } else {
      signal("SIGTERM");
    }
  }

  // A server that does not do it is in a container that ends.
  void kill() {
    constexpr auto kForkEndMax = std::chrono::seconds(1);
    end_is_wanted_ = true;
    if (!forked()) {
      signal("SIGKILL");
      return;
    }
    fork_server_->signal(SIGKILL);
    kill_timer_.expires_after(kForkEndMax);
    kill_timer_.async_wait([weak = weak_from_this()](const auto& error) {
      const auto self = weak.lock();
      if (!error && self && !self->ended_) self->signal("SIGKILL");
    });
  }

  std::string connection_file() const { return design_.channels().connection_file(); }
  std::shared_ptr<KernelPlace> place() const { return exit_ ? nullptr : place_; }
  std::string describe() const { return "container " + design_.name(); }
  IsolationReport isolation() const { return design_.report(); }

  void on_died(std::optional<int> exit_code) override {
    if (exit_code) event_exit_code_ = exit_code;
    inspect_end();
  }
  void on_out_of_memory() override {
    out_of_memory_ = true;
    if (killed_) kernel_ended(*std::exchange(killed_, std::nullopt));
  }
  void on_daemon_back() override {
    if (!started_) return;
    if (!logs_) follow_logs();
    inspect_end();
  }

 private:
  // ---- the container ----

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
      self->design_.note_gvisor();
      return self->setting_.open_to_gvisor ? self->setting_.open_to_gvisor() : Result<void>();
    };
    events.on_unseen = [weak = weak_from_this()](const Error& error) -> Result<ContainerMake> {
      const auto self = weak.lock();
      if (!self || self->ended_) return error;
      return self->design_.make_blind(error);
    };
    events.on_created = with_self([](DockerKernel& self, const std::string& id) {
      self.container_id_ = id;
      // What a container that is used again said before is not this kernel's output.
      if (self.design_.options().reuse_container) self.logs_since_ = engine_time_now();
      self.setting_.events->watch(id, self.weak_from_this());
    });
    events.on_started = with_self([](DockerKernel& self) { self.container_started(); });
    events.on_failed = with_self([](DockerKernel& self, const Error& error) { self.fail(error); });
    return events;
  }

  void start_container_again() {
    fork_server_.reset();
    logs_.reset();
    logs_since_ = engine_time_now();
    place_.reset();
    started_ = false;
    launch_ = std::make_shared<ContainerLaunch>(shard_, setting_.engine, setting_.containers,
                                                design_.make(), launch_events());
    launch_->start_again(container_id_);
  }

  void container_started() {
    started_ = true;
    started_at_ = shard_.now();
    place_ = make_container_place(shard_, setting_.engine, design_.site(container_id_));
    follow_logs();
    if (design_.channels().over_tcp()) {
      find_address();
    } else if (design_.forks()) {
      look_for_fork_server();
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
    if (!document || !design_.channels().find_address(*document)) {
      fail(Error{Code::failed_precondition,
                 "the container has no address in network '" + design_.options().network + "'"});
      return;
    }
    tell_endpoints();
  }

  // ---- the kernel ----

  // Looks for something in the kernel's directory until it is there.
  void look_for(std::function<Result<bool>()> find, std::function<void()> next) {
    constexpr auto kPauseMin = std::chrono::milliseconds(1);
    constexpr auto kPauseMax = std::chrono::milliseconds(20);
    const Duration waited = shard_.now() - started_at_;
    if (waited > design_.options().startup_timeout) {
      fail(Error{Code::deadline_exceeded,
                 "the kernel has not listened within its startup_timeout of " +
                     format_duration(design_.options().startup_timeout)});
      return;
    }
    timer_.expires_after(std::clamp<Duration>(waited / 10, kPauseMin, kPauseMax));
    timer_.async_wait([weak = weak_from_this(), find = std::move(find),
                       next = std::move(next)](const auto& error) {
      const auto self = weak.lock();
      if (error || !self || self->ended_ || self->exit_) return;
      const auto found = find();
      if (!found && !self->may_change_owner()) {
        self->fail(found.error());
      } else if (found && *found) {
        next();
      } else {
        self->look_for(find, next);
      }
    });
  }

  void look_for_sockets() {
    look_for([this] { return design_.channels().find_sockets(); }, [this] { tell_endpoints(); });
  }

  // ---- a fork server in the container ----

  void look_for_fork_server() {
    look_for(
        [this]() -> Result<bool> {
          auto found =
              ContainerForkServer::connect(shard_, design_.channels().fork_server(),
                                           design_.channels().owner(), fork_server_events());
          if (!found) return found.error();
          fork_server_ = *std::move(found);
          return fork_server_ != nullptr;
        },
        [] {});  // on_ready follows
  }

  ContainerForkServer::Events fork_server_events() {
    const auto with_self = [weak = weak_from_this()](auto function) {
      return [weak, function](const auto&... arguments) {
        const auto self = weak.lock();
        if (self && !self->ended_) function(*self, arguments...);
      };
    };
    ContainerForkServer::Events events;
    events.on_ready = with_self([](DockerKernel& self) { self.fork_kernel(); });
    events.on_refused =
        with_self([](DockerKernel& self, const std::string& why) { self.start_cold(why); });
    events.on_exit =
        with_self([](DockerKernel& self, const ProcessExit& exit) { self.fork_ended(exit); });
    return events;  // the end of the server is the container's, which is watched
  }

  bool forked() const { return has_forked_ && !exit_ && fork_server_ && fork_server_->is_there(); }

  void fork_kernel() {
    const auto asked = fork_server_->start_kernel(design_.channels().file_inside(),
                                                  design_.options().work_dir_inside);
    if (asked) {
      look_for_sockets();
    } else {
      start_cold(asked.error().message);
    }
  }

  // In a container without a fork server instead.
  void start_cold(const std::string& why) {
    log::warning("kernel_starts_cold", {{"container", design_.name()}, {"why", why}});
    timer_.cancel();
    fork_server_.reset();
    logs_.reset();
    place_.reset();
    started_ = false;
    setting_.events->forget(container_id_);
    launch_->abandon();
    design_.give_up_fork_server();
    if (const auto renewed = design_.channels().renew(false); !renewed) {
      fail(renewed.error());
      return;
    }
    launch_ = std::make_shared<ContainerLaunch>(shard_, setting_.engine, setting_.containers,
                                                design_.make(), launch_events());
    launch_->start();
  }

  // The container runs on, so that the daemon's word about memory comes as an event.
  void fork_ended(const ProcessExit& exit) {
    if (exit_) return;
    constexpr auto kEventWait = std::chrono::milliseconds(500);
    if (exit.signal != SIGKILL || end_is_wanted_ || out_of_memory_) {
      kernel_ended(exit);
      return;
    }
    killed_ = exit;
    after(kEventWait, [](DockerKernel& self) {
      if (self.killed_) self.kernel_ended(*std::exchange(self.killed_, std::nullopt));
    });
  }

  // Its last words come by way of the daemon, and nothing tells when they were all.
  void kernel_ended(const ProcessExit& exit) {
    constexpr auto kLastWordsWait = std::chrono::milliseconds(50);
    exit_ = exit;
    exit_->out_of_memory = exit.signal == SIGKILL && out_of_memory_;
    kill_timer_.cancel();
    after(exit.code == 0 || end_is_wanted_ ? Duration() : kLastWordsWait,
          [](DockerKernel& self) { self.tell_exit(); });
  }

  // In place of what timer_ was for before.
  void after(Duration time, void (*next)(DockerKernel&)) {
    timer_.expires_after(time);
    timer_.async_wait([weak = weak_from_this(), next](const auto& error) {
      const auto self = weak.lock();
      if (!error && self && !self->ended_) next(*self);
    });
  }

  // gVisor makes a socket as root, and gives it to the kernel's user a moment later.
  bool may_change_owner() {
    constexpr auto kMomentMax = std::chrono::seconds(2);
    if (design_.report().kind != "docker+gvisor") return false;
    if (!first_refusal_) first_refusal_ = shard_.now();
    return shard_.now() - *first_refusal_ < kMomentMax;
  }

  void tell_endpoints() {
    has_forked_ = design_.forks();
    const auto tell = std::exchange(events_.on_endpoints, nullptr);
    if (tell) tell(design_.channels().endpoints());
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
    if (design_.options().init_command.empty() || !events_.on_endpoints) return;
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
      is_removed_ = true;
      if (event_exit_code_) exit = exit_of(*event_exit_code_);
    } else {
      const nlohmann::json& state = (*container)["State"];
      if (state.value("Running", false)) return;
      const bool was_ready = has_forked_ || !events_.on_endpoints;
      if (design_.forks() && !was_ready && !end_is_wanted_ && init_failure_.empty()) {
        start_cold("its fork server did not get ready");
        return;
      }
      exit = exit_of(state.value("ExitCode", -1));
      // The mark is also set when only a child of the kernel was killed, some time before.
      const bool killed = exit.signal == SIGKILL || design_.report().kind == "docker+gvisor";
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
    after(kLastOutputWait, [](DockerKernel& self) { self.tell_exit(); });
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

  Shard& shard_;
  DockerSetting setting_;
  ContainerDesign design_;
  LaunchEvents events_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer kill_timer_;
  std::shared_ptr<KernelPlace> place_;      // once the container runs
  std::optional<TimePoint> first_refusal_;  // of a socket, as not the kernel's

  std::shared_ptr<ContainerLaunch> launch_;
  std::shared_ptr<ContainerForkServer> fork_server_;
  bool has_forked_ = false;
  bool end_is_wanted_ = false;
  bool out_of_memory_ = false;         // for something in the container
  std::optional<ProcessExit> killed_;  // the fork, nobody knows why yet
  std::shared_ptr<void> logs_;
  std::string logs_since_;  // empty: from the beginning
  std::string container_id_;
  bool started_ = false;
  bool inspecting_ = false;
  bool is_removed_ = false;  // by somebody else
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
  void terminate() override { kernel_->terminate(); }
  void kill() override { kernel_->kill(); }
  std::string connection_file() const override { return kernel_->connection_file(); }
  std::string describe() const override { return kernel_->describe(); }
  IsolationReport isolation() const override { return kernel_->isolation(); }
  std::shared_ptr<KernelPlace> place() override { return kernel_->place(); }
  bool start_again(LaunchEvents& events) override { return kernel_->start_again(events); }

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
