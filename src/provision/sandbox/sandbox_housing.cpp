#include "provision/sandbox/sandbox_housing.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/log.hpp"
#include "io/process_tree.hpp"
#include "provision/sandbox/work_dir_access.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

constexpr char kPrlimit[] = "/usr/bin/prlimit";

// What a process was ended by, from a descriptor of it, after it was reaped: Linux 6.15 and later
// (include/uapi/linux/pidfd.h, which C libraries of today do not have).
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup_id;
  std::uint32_t ids[11];
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);

std::optional<ProcessExit> end_of(const FileDescriptor& pidfd) {
  constexpr std::uint64_t kInfoExit = 1 << 3;
  PidfdInfo info{};
  info.mask = kInfoExit;
  if (!pidfd || ioctl(pidfd.get(), _IOWR(0xFF, 11, PidfdInfo), &info) != 0 ||
      (info.mask & kInfoExit) == 0) {
    return std::nullopt;
  }
  if (WIFSIGNALED(info.exit_code)) return ProcessExit::killed_by(WTERMSIG(info.exit_code));
  return ProcessExit::exited(WEXITSTATUS(info.exit_code));
}

FileDescriptor open_process(pid_t pid) {
  return FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

bool has_ended(const FileDescriptor& pidfd, int wait_ms = 0) {
  pollfd event{pidfd.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&event, 1, wait_ms);
  } while (ready < 0 && errno == EINTR);  // a few signals, each at most once for what has ended
  return ready > 0;
}

// Whether the kernel's program is a client's choice: nothing is shown to it for that.
bool clients_program(const LaunchRequest& request, const std::string& program) {
  if (request.is_clients_spec) return true;
  if (program.find('/') == program.npos) return !has_own_path(request.env);
  return !request.virtual_env.empty() && is_within(program, request.virtual_env);
}

Error cannot(const std::string& what) {
  return {Code::unavailable, "cannot " + what + ": " + std::strerror(errno)};
}

}  // namespace

// The last process inside holds cgroup and user, and is gone a moment after the one outside.
SandboxHousing::~SandboxHousing() {
  fork_.reset();
  constexpr int kMomentMs = 2'000;
  if (init_ && !has_ended(init_, kMomentMs)) {
    log::warning("sandbox_outlives_its_kernel", {{"pid", std::to_string(init_pid_)}});
  }
}

uid_t SandboxHousing::owner() const { return user_ ? user_->uid : ::geteuid(); }

// In a network of its own a kernel has ports that nobody outside can reach.
Result<Transport> SandboxHousing::transport(const LaunchRequest& request) {
  auto wanted = parse_sandbox_request(request.isolation);
  if (!wanted) return wanted.error();
  wanted_ = *wanted;
  const auto own = transport_of(request.spec);
  if (wanted_.host_network) return own.value_or(request.transport);
  if (own == Transport::tcp) {
    return Error{Code::failed_precondition,
                 "kernelspec '" + request.spec.name +
                     "' can be reached by tcp only, and a sandbox has no network that the gateway "
                     "reaches; ask for network 'host'"};
  }
  return Transport::ipc;
}

Result<SpawnRequest> SandboxHousing::prepare(const LaunchRequest& request,
                                             std::vector<std::string> argv,
                                             const std::string& directory,
                                             const std::string& connection_file) {
  if (machine_.bwrap.empty()) {
    return Error{Code::failed_precondition,
                 "there is no bubblewrap ('" + machine_.options.bwrap +
                     "') for a sandbox; install it (apt install bubblewrap), or choose another "
                     "isolation"};
  }
  const bool is_clients_program = clients_program(request, argv.front());
  const auto program =
      find_program({.argv = argv, .env = request.env, .work_dir = request.work_dir});
  if (!program) return program.error();
  argv.front() = *program;

  spec_ = request.spec;
  clients_choice_ = is_clients_program || !request.virtual_env.empty();
  env_ = sandbox_environment(request.env);
  draft_.plan.work_dir = request.work_dir;
  draft_.plan.tmp_bytes = wanted_.tmp_bytes;
  draft_.plan.host_network = wanted_.host_network;
  if (auto entered = enter_work_dir(request.work_dir); !entered) return entered.error();
  if (auto given = give_to_kernel(directory, connection_file); !given) return given.error();
  if (auto added = add_mounts(request.isolation.mounts); !added) return added.error();
  if (is_clients_program && !draft_.shows(*program)) {
    return Error{Code::permission_denied,
                 "program '" + *program +
                     "' is not shown to the sandbox: a client has named it, and it is neither the "
                     "system's nor in the work directory or a mount; whoever runs the gateway can "
                     "lend its directory (--isolation-mounts), for sessions to name in 'mounts'"};
  }
  if (!request.is_clients_spec) {
    draft_.add_program_files(is_clients_program ? "" : argv.front(), argv,
                             request.spec.resource_dir, directory);
  }
  if (wanted_.host_network) {
    report_.network = "host";
    report_.notes.emplace_back(
        "the kernel has this machine's network: it reaches what listens on its loopback addresses, "
        "too");
  }
  if (auto added = draft_.add_system(); !added) return added.error();
  if (auto added = draft_.add_filter(); !added) return added.error();
  hold_limits(request.limits);
  return sandbox_with(argv, env_);
}

// bubblewrap with a program that has the kernel's limits.
Result<SpawnRequest> SandboxHousing::sandbox_with(const std::vector<std::string>& argv,
                                                  const Environment& env) {
  std::vector<std::string> command = argv;
  ProcessLimits limits = limits_;
  // Inside, where the user has no other processes; bubblewrap itself is counted outside.
  if (limits.processes_max) {
    const std::string count = std::to_string(*limits.processes_max);
    command = {kPrlimit, "--nproc=" + count + ":" + count, "--"};
    command.insert(command.end(), argv.begin(), argv.end());
    limits.processes_max.reset();
  }
  auto spawn = draft_.command(command, env);
  if (!spawn) return spawn.error();
  spawn->limits = limits;
  spawn->cgroups = cgroups_->directories();
  return spawn;
}

void SandboxHousing::start(Shard& shard, const SpawnRequest& spawn,
                           const std::string& connection_file, ChildProcess::OnOutput on_output,
                           ChildProcess::OnExit on_exit, Started started) {
  const auto start_cold = [this, &shard, spawn, on_output, on_exit](const Error& why) {
    if (why.code != Code::unimplemented) {
      log::info("kernel_starts_cold", {{"why", why.message}});
    }
    draft_.rewind();
    return ChildProcess::spawn(shard, spawn, on_output, on_exit);
  };
  auto server = find_fork_server(shard);
  auto order = server ? fork_order(connection_file) : server.error();
  if (!order) {
    started(start_cold(order.error()));
    return;
  }
  order->server = *std::move(server);
  draft_.rewind();
  // What is called back is nothing when this object is gone: the fork goes with it.
  fork_ = SandboxFork::begin(
      shard, *std::move(order), on_output, on_exit,
      [this, start_cold,
       started = std::move(started)](Result<std::unique_ptr<ChildProcess>> forked) {
        if (!forked) {
          fork_.reset();
          forked = start_cold(forked.error());
        } else {
          init_pid_ = fork_->init_pid();
          init_ = open_process(init_pid_);
          report_.notes.emplace_back(
              "the kernel is a fork of a process that others are forked from: their memory is laid "
              "out alike");
        }
        started(std::move(forked));
      });
}

Result<std::shared_ptr<ForkServer>> SandboxHousing::find_fork_server(Shard& shard) {
  if (!fork_servers_.has_one_for(spec_)) return Error{Code::unimplemented, "there is none"};
  if (clients_choice_) {
    return Error{Code::unavailable, "a client decides what code runs, for this kernel alone"};
  }
  if (wanted_.host_network) return Error{Code::unavailable, "a fork server has no network"};
  // An affinity is set before a program runs; a fork server has its own.
  if (limits_.processors_max) return Error{Code::unavailable, "it cannot limit processors"};
  return fork_servers_.find(shard, spec_, env_);
}

// A program that does nothing holds the sandbox until the fork is in it, and as long as that lives.
Result<SandboxFork::Order> SandboxHousing::fork_order(const std::string& connection_file) {
  SandboxFork::Order order;
  const auto user_namespace = fork_servers_.user_namespace();
  if (!user_namespace) return user_namespace.error();
  auto holder = sandbox_with(SandboxFork::holder(), {});
  if (!holder) return holder.error();
  order.holder = *std::move(holder);
  order.holder.user_namespace = *user_namespace;
  order.kernel = {connection_file, draft_.plan.work_dir, env_, limits_};
  order.kernel.env["PWD"] = draft_.plan.work_dir;  // as bubblewrap does
  order.filter.reset(fcntl(draft_.filter(), F_DUPFD_CLOEXEC, 0));
  if (user_) order.uid = user_->uid;
  return order;
}

Result<void> SandboxHousing::enter_work_dir(const std::string& path) {
  std::error_code error;
  const std::string real = fs::canonical(path, error);
  if (error) {
    return Error{Code::not_found, "work directory '" + path + "': " + error.message()};
  }
  if (const auto allowed = check_work_dir(real, machine_.policy); !allowed) {
    return Error{allowed.error().code,
                 allowed.error().message +
                     " (the gateway's --work-dir, or the session's work_dir), or do without a "
                     "sandbox (--isolation none)"};
  }
  FileDescriptor opened(open(real.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!opened) return cannot("open the work directory " + real);
  if (machine_.uids) {
    UidPool& pool = *machine_.uids;
    const auto before = user_with_access(opened, [&pool](uid_t uid) { return pool.contains(uid); });
    auto lease = pool.lease(opened, before);
    if (!lease) return lease.error();
    user_ = std::move(*lease);
    draft_.identity = ProcessIdentity{.uid = user_->uid, .gid = user_->uid};
    const auto is_stale = [&pool](uid_t uid) { return pool.contains(uid) && pool.is_free(uid); };
    if (auto granted = grant_access(opened, real, user_->uid, is_stale); !granted) return granted;
  }
  draft_.add_bind(std::move(opened), real, path, false);
  return {};
}

Result<void> SandboxHousing::give_to_kernel(const std::string& directory,
                                            const std::string& connection_file) {
  FileDescriptor opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!opened) return cannot("open " + directory);
  if (user_ && (lchown(connection_file.c_str(), user_->uid, user_->uid) != 0 ||
                lchown(directory.c_str(), user_->uid, user_->uid) != 0)) {
    return cannot("give " + directory + " to the kernel's user");
  }
  draft_.add_bind(std::move(opened), directory, directory, false);
  return {};
}

Result<void> SandboxHousing::add_mounts(const std::vector<Mount>& mounts) {
  for (const Mount& mount : mounts) {
    if (auto allowed = check_mount(mount, machine_.policy); !allowed) return allowed;
    auto source = open_mount_source(mount.source);
    if (!source) return source.error();
    struct stat status {};
    const bool is_directory = fstat(source->get(), &status) == 0 && S_ISDIR(status.st_mode);
    if (user_ && !mount.read_only && is_directory) {
      UidPool& pool = *machine_.uids;
      const auto is_stale = [&pool](uid_t uid) { return pool.contains(uid) && pool.is_free(uid); };
      auto granted = grant_access(*source, mount.source, user_->uid, is_stale);
      if (!granted) return granted;
    }
    draft_.add_bind(std::move(*source), mount.source, mount.target, mount.read_only);
  }
  return {};
}

void SandboxHousing::hold_limits(const ProcessLimits& wanted) {
  limits_ = wanted;
  if (!limits_.processes_max) limits_.processes_max = machine_.options.processes_max;
  if (!limits_.open_files_max) limits_.open_files_max = machine_.options.open_files_max;
  if (!limits_.memory_bytes_max) report_.notes.emplace_back("memory is not limited");
  cpu_time_limited_ = limits_.cpu_time_max.has_value();

  cgroups_ = KernelCgroups::make(machine_.cgroups, limits_, report_);
  if (limits_.memory_bytes_max) {
    report_.notes.emplace_back(
        "memory is limited for each process, not for all of a kernel together: no cgroup can be "
        "made here");
  }
  report_process_limits(limits_, report_);
  report_.limits.push_back({"tmp_size", wanted_.tmp_bytes, "bytes", "tmpfs"});
  report_.notes.emplace_back("what the kernel writes to its work directory is not limited");
  report_.notes.emplace_back("the kernel shares this machine's Linux kernel");
}

// The process that was started, which waits outside; its child, the first inside; the kernel.
void SandboxHousing::look(const ChildProcess& process) {
  draft_.close();
  if (fork_ || kernel_ || process.exit_status()) return;
  if (!init_) {
    const auto children = children_of(process.pid());
    if (children.empty()) return;
    init_pid_ = children.front();
    init_ = open_process(init_pid_);
  }
  const auto children = children_of(init_pid_);
  if (children.empty() || has_ended(init_)) return;
  // bubblewrap has helpers of its own until it begins the kernel's session.
  if (getsid(children.front()) == process.pid()) return;
  kernel_pid_ = children.front();
  kernel_ = open_process(kernel_pid_);
}

void SandboxHousing::signal(ChildProcess& process, int number) {
  if (fork_) {
    process.signal_group(number);
    return;
  }
  const pid_t group = kernel_ && !has_ended(kernel_) ? getpgid(kernel_pid_) : -1;
  if (group > 1 && group != getpgid(0)) {
    ::kill(-group, number);
  } else if (number != SIGINT) {  // it has not begun yet: there is nothing to interrupt
    process.signal_group(number);
  }
}

// bubblewrap makes 128 + n of signal n, and so may a program that exits by itself. The system knows
// the difference; where it is too old to tell, only what has further evidence counts as a signal.
ProcessExit SandboxHousing::end_of_kernel(const ProcessExit& exit) {
  std::optional<std::uint64_t> oom_kills;
  if (cgroups_) oom_kills = cgroups_->oom_kills();
  const bool ran_out = oom_kills && *oom_kills > 0;
  ProcessExit end = exit;
  if (!fork_) {  // bubblewrap's
    constexpr int kSignalBase = 128;
    end = end_of(kernel_).value_or(exit);
    if (end.code == kSignalBase + SIGKILL && ran_out) {
      end = ProcessExit::killed_by(SIGKILL);
    }
    if (end.code == kSignalBase + SIGXCPU && cpu_time_limited_) {
      end = ProcessExit::killed_by(SIGXCPU);
    }
  }
  end.out_of_memory.reset();
  if (end.signal == SIGKILL && oom_kills) end.out_of_memory = ran_out;
  return end;
}

std::string SandboxHousing::describe(const ChildProcess& process) const {
  return "pid " + std::to_string(kernel_pid_ > 0 ? kernel_pid_ : process.pid()) + " in sandbox";
}

}  // namespace perijove
