#include "provision/sandbox/sandbox_housing.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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
#include "provision/sandbox/program_files.hpp"
#include "provision/sandbox/work_dir_access.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

constexpr char kPrlimit[] = "/usr/bin/prlimit";
constexpr int kFirstDescriptor = 3;

// Of /etc what programs and interpreters read to start; no names of users, no keys, no hosts.
const std::vector<std::string> kSystemFiles = {"/etc/alternatives",
                                               "/etc/ld.so.cache",
                                               "/etc/ld.so.conf",
                                               "/etc/ld.so.conf.d",
                                               "/etc/localtime",
                                               "/etc/timezone",
                                               "/etc/ssl/certs",
                                               "/etc/ssl/openssl.cnf",
                                               "/etc/ca-certificates",
                                               "/etc/mime.types",
                                               "/etc/fonts",
                                               "/etc/matplotlibrc",
                                               "/etc/R",
                                               "/etc/ipython",
                                               "/etc/jupyter",
                                               "/etc/python3",
                                               "/etc/python3.9",
                                               "/etc/python3.10",
                                               "/etc/python3.11",
                                               "/etc/python3.12",
                                               "/etc/python3.13",
                                               "/etc/python3.14",
                                               "/etc/terminfo",
                                               "/etc/inputrc",
                                               "/etc/bash.bashrc",
                                               "/etc/magic",
                                               "/etc/ImageMagick-6"};
const std::vector<std::string> kNetworkFiles = {"/etc/resolv.conf", "/etc/hosts", "/etc/services",
                                                "/etc/protocols"};

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

Error cannot(const std::string& what) {
  return {Code::unavailable, "cannot " + what + ": " + std::strerror(errno)};
}

}  // namespace

// The last process inside holds cgroup and user, and is gone a moment after the one outside.
SandboxHousing::~SandboxHousing() {
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
  const auto program =
      find_program({.argv = argv, .env = request.env, .work_dir = request.work_dir});
  if (!program) return program.error();
  argv.front() = *program;

  spawn_.env = {{"PATH", "/usr/bin:/bin"}};
  spawn_.work_dir = "/";
  plan_.env = sandbox_environment(request.env);
  plan_.work_dir = request.work_dir;
  plan_.tmp_bytes = wanted_.tmp_bytes;
  plan_.host_network = wanted_.host_network;
  plan_.disable_userns = machine_.knows_disable_userns;
  if (auto entered = enter_work_dir(request.work_dir); !entered) return entered.error();
  if (auto given = give_to_kernel(directory, connection_file); !given) return given.error();
  if (auto added = add_mounts(request.isolation.mounts); !added) return added.error();
  add_program_files(argv, request, directory);
  if (auto added = add_system(); !added) return added.error();
  auto command = hold_limits(request, std::move(argv));
  if (!command) return command.error();

  std::string options;
  for (const std::string& each : bwrap_options(plan_)) {
    if (each.find('\0') != each.npos) {
      return Error{Code::invalid_argument, "a variable of the environment has a NUL in it"};
    }
    options += each + '\0';
  }
  const auto options_descriptor = add_descriptor(options);
  if (!options_descriptor) return options_descriptor.error();
  spawn_.argv = {machine_.bwrap, "--args", std::to_string(*options_descriptor), "--"};
  spawn_.argv.insert(spawn_.argv.end(), command->begin(), command->end());
  return spawn_;
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
    spawn_.identity = ProcessIdentity{.uid = user_->uid, .gid = user_->uid};
    const auto is_stale = [&pool](uid_t uid) { return pool.contains(uid) && pool.is_free(uid); };
    if (auto granted = grant_access(opened, real, user_->uid, is_stale); !granted) return granted;
  }
  add_bind(std::move(opened), real, path, false);
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
  add_bind(std::move(opened), directory, directory, false);
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
    add_bind(std::move(*source), mount.source, mount.target, mount.read_only);
  }
  return {};
}

void SandboxHousing::add_program_files(const std::vector<std::string>& argv,
                                       const LaunchRequest& request, const std::string& directory) {
  std::vector<std::string> already_there = machine_.system_directories;
  for (const auto& [ignored, path] : machine_.system_links) already_there.push_back(path);
  already_there.push_back(directory);
  for (const SandboxBind& bind : plan_.binds) already_there.push_back(bind.target);
  for (const std::string& path : program_files(argv.front(), argv, request.spec.resource_dir,
                                               machine_.policy, already_there)) {
    FileDescriptor opened(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (opened) add_bind(std::move(opened), path, path, true);
  }
}

Result<void> SandboxHousing::add_system() {
  plan_.system_links = machine_.system_links;
  plan_.system_directories = machine_.system_directories;
  plan_.system_files = kSystemFiles;
  const std::string id = std::to_string(kSandboxUid);
  std::vector<std::pair<std::string, std::string>> texts = {
      {"/etc/passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\nkernel:x:" + id + ":" + id +
                          ":kernel:" + kSandboxHome + ":/bin/sh\n"},
      {"/etc/group", "root:x:0:\nkernel:x:" + id + ":\n"},
      {"/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"}};
  if (wanted_.host_network) {
    report_.network = "host";
    report_.notes.emplace_back(
        "the kernel has this machine's network: it reaches what listens on its loopback addresses, "
        "too");
    plan_.system_files.insert(plan_.system_files.end(), kNetworkFiles.begin(), kNetworkFiles.end());
  } else {
    texts.emplace_back("/etc/hosts", "127.0.0.1 localhost kernel\n::1 localhost\n");
  }
  for (const auto& [path, text] : texts) {
    const auto descriptor = add_descriptor(text);
    if (!descriptor) return descriptor.error();
    plan_.files.push_back({*descriptor, path});
  }
  if (!machine_.filter) return machine_.filter.error();
  const auto filter = add_descriptor(*machine_.filter);
  if (!filter) return filter.error();
  plan_.seccomp_descriptor = *filter;
  return {};
}

Result<std::vector<std::string>> SandboxHousing::hold_limits(const LaunchRequest& request,
                                                             std::vector<std::string> argv) {
  ProcessLimits limits = request.limits;
  if (!limits.processes_max) limits.processes_max = machine_.options.processes_max;
  if (!limits.open_files_max) limits.open_files_max = machine_.options.open_files_max;
  if (!limits.memory_bytes_max) report_.notes.emplace_back("memory is not limited");
  cpu_time_limited_ = limits.cpu_time_max.has_value();

  cgroups_ = KernelCgroups::make(machine_.cgroups, limits, report_);
  spawn_.cgroups = cgroups_->directories();
  if (limits.memory_bytes_max) {
    report_.notes.emplace_back(
        "memory is limited for each process, not for all of a kernel together: no cgroup can be "
        "made here");
  }
  // Inside, where the user has no other processes; bubblewrap itself is counted outside.
  if (limits.processes_max) {
    const std::string count = std::to_string(*limits.processes_max);
    std::vector<std::string> limited = {kPrlimit, "--nproc=" + count + ":" + count, "--"};
    limited.insert(limited.end(), argv.begin(), argv.end());
    argv = std::move(limited);
  }
  report_process_limits(limits, report_);
  limits.processes_max.reset();
  spawn_.limits = limits;
  report_.limits.push_back({"tmp_size", wanted_.tmp_bytes, "bytes", "tmpfs"});
  report_.notes.emplace_back("what the kernel writes to its work directory is not limited");
  report_.notes.emplace_back("the kernel shares this machine's Linux kernel");
  return argv;
}

// A gateway that is root may pass directories that the kernel's user may not: what is in them is
// staged. A user's own are reached by their names.
void SandboxHousing::add_bind(FileDescriptor source, const std::string& path,
                              const std::string& target, bool read_only) {
  std::string reached = path;
  if (spawn_.identity) {
    const std::string name = std::to_string(spawn_.identity->mounts.size());
    spawn_.identity->mounts.push_back({source.get(), name});
    reached = kStageDirectory + ("/" + name);
    files_.push_back(std::move(source));
  }
  plan_.binds.push_back({std::move(reached), target, read_only});
}

Result<int> SandboxHousing::add_descriptor(const std::string& text) {
  FileDescriptor file(memfd_create("perijove-sandbox", MFD_CLOEXEC));
  if (!file || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      lseek(file.get(), 0, SEEK_SET) != 0) {
    return cannot("find memory for a sandbox");
  }
  spawn_.descriptors.push_back(file.get());
  files_.push_back(std::move(file));
  return kFirstDescriptor + static_cast<int>(spawn_.descriptors.size()) - 1;
}

// The process that was started, which waits outside; its child, the first inside; the kernel.
void SandboxHousing::look(const ChildProcess& process) {
  files_.clear();
  if (kernel_ || process.exit_status()) return;
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
  ProcessExit end = end_of(kernel_).value_or(exit);
  constexpr int kSignalBase = 128;
  if (end.code == kSignalBase + SIGKILL && ran_out) {
    end = ProcessExit::killed_by(SIGKILL);
  }
  if (end.code == kSignalBase + SIGXCPU && cpu_time_limited_) {
    end = ProcessExit::killed_by(SIGXCPU);
  }
  end.out_of_memory.reset();
  if (end.signal == SIGKILL && oom_kills) end.out_of_memory = ran_out;
  return end;
}

std::string SandboxHousing::describe(const ChildProcess& process) const {
  return "pid " + std::to_string(kernel_pid_ > 0 ? kernel_pid_ : process.pid()) + " in sandbox";
}

}  // namespace perijove
