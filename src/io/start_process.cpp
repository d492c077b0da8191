#include "io/start_process.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/scope.hpp"
#include "io/file_descriptor.hpp"

namespace perijove {
namespace {

constexpr int kFirstDescriptor = 3;

struct Limit {
  int resource;
  rlim_t soft;
  rlim_t hard;
};

// One staged mount, ready to be put in its place.
struct PreparedMount {
  FileDescriptor tree;
  std::string path;
  bool is_directory = false;
};

// Everything the child needs, made before it exists: between clone() and execve() it shares our
// memory while we stand still, so it may call the system and nothing else.
struct Plan {
  const char* program = nullptr;
  std::vector<char*> argv;
  std::vector<char*> env;
  const char* work_dir = nullptr;
  int standard[3] = {-1, -1, -1};
  std::vector<int> descriptors;
  std::vector<FileDescriptor> cgroups;
  std::vector<Limit> limits;
  bool pinned = false;
  cpu_set_t processors;
  int user_namespace = -1;
  const ProcessIdentity* identity = nullptr;
  std::vector<PreparedMount> mounts;
  // What the child tells, when it does not come to its program.
  const char* step = nullptr;
  int error = 0;
};

std::vector<char*> c_strings(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// The child calls the system by number and is not instrumented: glibc tells every thread of the
// process of some calls, and ThreadSanitizer keeps tables and locks of its own around most, which
// are ours here.
#if defined(__SANITIZE_THREAD__)
#define PERIJOVE_IN_CHILD __attribute__((no_sanitize("thread")))
// By the name that it does not intercept: it would note in memory that is ours, too, that threads
// are not to be looked at any more.
extern "C" int __clone(int (*)(void*), void*, int, void*, ...);
constexpr auto& clone_process = __clone;
#else
#define PERIJOVE_IN_CHILD
constexpr auto& clone_process = clone;
#endif

// In the child. False sets errno. The namespace is the child's own, and nothing done in it comes
// back to ours.
PERIJOVE_IN_CHILD bool stage_mounts(const Plan& plan) {
  if (plan.mounts.empty()) return true;
  if (syscall(SYS_unshare, CLONE_NEWNS) != 0) return false;
  if (syscall(SYS_mount, nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return false;
  if (syscall(SYS_mount, "tmpfs", kStageDirectory, "tmpfs", MS_NOSUID | MS_NODEV,
              "mode=0755,size=64k") != 0) {
    return false;
  }
  for (const PreparedMount& each : plan.mounts) {
    const long made = each.is_directory
                          ? syscall(SYS_mkdirat, AT_FDCWD, each.path.c_str(), 0755)
                          : syscall(SYS_mknodat, AT_FDCWD, each.path.c_str(), S_IFREG | 0644, 0);
    if (made != 0) return false;
    if (syscall(SYS_move_mount, each.tree.get(), "", AT_FDCWD, each.path.c_str(),
                MOVE_MOUNT_F_EMPTY_PATH) != 0) {
      return false;
    }
  }
  return true;
}

PERIJOVE_IN_CHILD bool become(const ProcessIdentity& identity) {
  return syscall(SYS_setgroups, 0, nullptr) == 0 &&
         syscall(SYS_setresgid, identity.gid, identity.gid, identity.gid) == 0 &&
         syscall(SYS_setresuid, identity.uid, identity.uid, identity.uid) == 0;
}

PERIJOVE_IN_CHILD bool take_descriptors(const Plan& plan) {
  // As dup2(), which not every architecture has; no source stands where it is to go.
  for (int i = 0; i < 3; ++i) {
    if (syscall(SYS_dup3, plan.standard[i], i, 0) < 0) return false;
  }
  int target = kFirstDescriptor;
  for (const int source : plan.descriptors) {
    if (syscall(SYS_dup3, source, target++, 0) < 0) return false;
  }
  return syscall(SYS_close_range, target, ~0U, 0) == 0;
}

// Never returns but through execve() or _exit().
PERIJOVE_IN_CHILD int fail(Plan& plan, const char* step) {
  plan.error = errno;
  plan.step = step;
  syscall(SYS_exit_group, 127);
  return 0;
}

PERIJOVE_IN_CHILD int run_child(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  // Zeroes are SIG_DFL in the system's own struct.
  constexpr std::size_t kSignalSetBytes = 8;
  constexpr char kStandard[64] = {};
  for (int number = 1; number < NSIG; ++number) {
    syscall(SYS_rt_sigaction, number, kStandard, nullptr, kSignalSetBytes);
  }
  if (syscall(SYS_setsid) < 0) return fail(plan, "begin a session");
  for (const FileDescriptor& cgroup : plan.cgroups) {
    if (syscall(SYS_write, cgroup.get(), "0", 1) != 1) return fail(plan, "join its cgroup");
  }
  if (!stage_mounts(plan)) return fail(plan, "mount what it needs");
  for (const Limit& limit : plan.limits) {
    const rlimit value{limit.soft, limit.hard};
    syscall(SYS_prlimit64, 0, limit.resource, &value, nullptr);
  }
  if (plan.pinned) {
    syscall(SYS_sched_setaffinity, 0, sizeof plan.processors, &plan.processors);
  }
  if (plan.user_namespace >= 0 && syscall(SYS_setns, plan.user_namespace, CLONE_NEWUSER) != 0) {
    return fail(plan, "enter its user namespace");
  }
  if (!take_descriptors(plan)) return fail(plan, "take its descriptors");
  if (plan.identity != nullptr && !become(*plan.identity)) {
    return fail(plan, "become another user");
  }
  if (syscall(SYS_chdir, plan.work_dir) != 0) return fail(plan, "enter its work directory");
  constexpr char kNoSignal[kSignalSetBytes] = {};
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, kNoSignal, nullptr, kSignalSetBytes);
  syscall(SYS_execve, plan.program, plan.argv.data(), plan.env.data());
  return fail(plan, "be executed");
}

// A limit that is higher than ours already is cannot be had; ours holds then.
void add_limit(Plan& plan, int resource, rlim_t most) {
  rlimit ours{};
  if (prlimit(0, static_cast<__rlimit_resource>(resource), nullptr, &ours) != 0) return;
  const rlim_t value = std::min(ours.rlim_max, most);
  plan.limits.push_back({resource, value, value});
}

void add_limits(Plan& plan, const ProcessStart& start) {
  if (start.open_files_soft && !start.limits.open_files_max) {
    rlimit ours{};
    if (getrlimit(RLIMIT_NOFILE, &ours) == 0) {
      plan.limits.push_back({RLIMIT_NOFILE, *start.open_files_soft, ours.rlim_max});
    }
  }
  const ProcessLimits& limits = start.limits;
  if (limits.memory_bytes_max) add_limit(plan, RLIMIT_DATA, *limits.memory_bytes_max);
  if (limits.file_bytes_max) add_limit(plan, RLIMIT_FSIZE, *limits.file_bytes_max);
  if (limits.open_files_max) add_limit(plan, RLIMIT_NOFILE, *limits.open_files_max);
  if (limits.processes_max) add_limit(plan, RLIMIT_NPROC, *limits.processes_max);
  if (limits.cpu_time_max) {
    add_limit(plan, RLIMIT_CPU, static_cast<rlim_t>(limits.cpu_time_max->count()));
  }
}

void choose_processors(Plan& plan, double most) {
  static std::atomic<unsigned> started = 0;
  cpu_set_t ours;
  CPU_ZERO(&plan.processors);
  if (sched_getaffinity(0, sizeof ours, &ours) != 0) return;
  // Beginning anywhere, so that small kernels do not all share the first processor.
  const std::size_t begin = ++started;
  for (std::size_t i = 0; i < CPU_SETSIZE; ++i) {
    const std::size_t processor = (begin + i) % CPU_SETSIZE;
    if (static_cast<double>(CPU_COUNT(&plan.processors)) >= most) break;
    if (CPU_ISSET(processor, &ours)) CPU_SET(processor, &plan.processors);
  }
  plan.pinned = CPU_COUNT(&plan.processors) > 0;
}

Error cannot(const std::string& what) {
  const int reason = errno;
  const Code code = reason == EPERM || reason == EACCES ? Code::permission_denied
                    : reason == ENOENT                  ? Code::not_found
                    : reason == EAGAIN || reason == ENOMEM || reason == EMFILE
                        ? Code::resource_exhausted
                        : Code::internal;
  return {code, "cannot " + what + ": " + std::strerror(reason)};
}

// Detached copies, made while we still see the originals.
Result<void> prepare_mounts(Plan& plan, const ProcessIdentity& identity) {
  for (const StagedMount& each : identity.mounts) {
    struct stat status {};
    PreparedMount mount;
    mount.path = kStageDirectory + ("/" + each.name);
    mount.tree = FileDescriptor(static_cast<int>(
        syscall(SYS_open_tree, each.source, "",
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE)));
    if (!mount.tree || fstat(each.source, &status) != 0) return cannot("mount '" + each.name + "'");
    mount.is_directory = S_ISDIR(status.st_mode);
    plan.mounts.push_back(std::move(mount));
  }
  return {};
}

}  // namespace

Result<pid_t> start_process(const ProcessStart& start) {
  Plan plan;
  plan.program = start.program.c_str();
  plan.argv = c_strings(start.argv);
  plan.env = c_strings(start.env);
  plan.work_dir = start.work_dir.c_str();

  // Copies above every number that the child will fill, so that none is overwritten before its
  // turn.
  const int clear = kFirstDescriptor + static_cast<int>(start.descriptors.size());
  std::vector<FileDescriptor> copies;
  const auto copy = [&](int fd) {
    copies.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, clear));
    return copies.back().get();
  };
  FileDescriptor nothing;
  if (start.input < 0) nothing.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  plan.standard[0] = copy(start.input < 0 ? nothing.get() : start.input);
  plan.standard[1] = copy(start.output);
  plan.standard[2] = copy(start.error_output);
  for (const int fd : start.descriptors) plan.descriptors.push_back(copy(fd));
  if (std::any_of(copies.begin(), copies.end(), [](const auto& fd) { return !fd; })) {
    return cannot("open a descriptor for " + start.program);
  }

  for (const std::string& cgroup : start.cgroups) {
    FileDescriptor members(open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!members) return cannot("open the cgroup " + cgroup);
    plan.cgroups.push_back(std::move(members));
  }
  add_limits(plan, start);
  if (start.limits.processors_max) choose_processors(plan, *start.limits.processors_max);
  plan.user_namespace = start.user_namespace;
  if (start.identity) {
    plan.identity = &*start.identity;
    if (auto prepared = prepare_mounts(plan, *start.identity); !prepared) return prepared.error();
  }

  constexpr std::size_t kStackBytes = 64 * 1024;
  void* const stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return cannot("find memory for " + start.program);
  const ScopeExit unmap([stack] { munmap(stack, kStackBytes); });

  // No signal may run a handler of ours in the child, where memory is still ours.
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_BLOCK, &every, &before);
  // A child that becomes another user, or a mighty one elsewhere, forbids core dumps of the memory
  // that it still shares.
  const int dumpable = prctl(PR_GET_DUMPABLE);
  const pid_t pid = clone_process(run_child, static_cast<char*>(stack) + kStackBytes,
                                  CLONE_VM | CLONE_VFORK | SIGCHLD, &plan);
  const int clone_error = errno;
  const bool changes = plan.identity != nullptr || plan.user_namespace >= 0;
  if (changes && dumpable == 1) prctl(PR_SET_DUMPABLE, dumpable);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);

  if (pid < 0) {
    errno = clone_error;
    return cannot("run " + start.program);
  }
  if (plan.step != nullptr) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    errno = plan.error;
    const bool reached_program = std::strcmp(plan.step, "be executed") == 0;
    return cannot("run " + start.program +
                  (reached_program ? "" : std::string(" (") + plan.step + ")"));
  }
  return pid;
}

}  // namespace perijove
