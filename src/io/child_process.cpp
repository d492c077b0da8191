#include "io/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "io/file_descriptor.hpp"
#include "io/process_tree.hpp"

namespace perijove {
namespace {

rlim_t g_soft_open_files = 0;      // what this process was started with; children get it back
bool g_adopts_orphans = false;     // both are set before there is a second shard
std::atomic<int> g_adoptions = 0;  // begun and not ended; orphans are not reaped meanwhile

// The processes that a ChildProcess reaps itself, of every shard.
class DirectChildren {
 public:
  void add(pid_t pid) {
    const std::lock_guard lock(mutex_);
    pids_.insert(pid);
  }
  void remove(pid_t pid) {
    const std::lock_guard lock(mutex_);
    pids_.erase(pid);
  }
  std::set<pid_t> all() const {
    const std::lock_guard lock(mutex_);
    return pids_;
  }

 private:
  mutable std::mutex mutex_;
  std::set<pid_t> pids_;  // guarded by mutex_
};

DirectChildren& direct_children() {
  static DirectChildren children;
  return children;
}

// Read by kill_all in /proc/<pid>/environ: tells whose grandchild an orphan is, even in a session
// of its own.
constexpr char kMarkerName[] = "PERIJOVE_PROCESS";

bool is_program(const std::string& path) {
  std::error_code ignored;
  return access(path.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(path, ignored);
}

}  // namespace

// A relative path begins in the work directory: that is where the process is when it is executed.
Result<std::string> find_program(const SpawnRequest& request) {
  const std::filesystem::path name = request.argv.front();
  const std::filesystem::path work_dir = request.work_dir;
  if (name.has_parent_path()) {
    const std::string path = work_dir / name;
    if (is_program(path)) return path;
    return Error{Code::not_found, "cannot run " + path + ": not an executable file"};
  }
  const auto path = request.env.find("PATH");
  const std::string searched = path == request.env.end() ? "/usr/bin:/bin" : path->second;
  for (std::size_t start = 0; start <= searched.size();) {
    const std::size_t end = std::min(searched.find(':', start), searched.size());
    const std::string candidate = work_dir / searched.substr(start, end - start) / name;
    if (is_program(candidate)) return candidate;
    start = end + 1;
  }
  return Error{Code::not_found, "program '" + name.string() + "' not found; searched: " + searched};
}

// How many processes the system has killed since it booted because memory ran out. nullopt where it
// does not say (Linux before 4.13, some sandboxes).
static std::optional<std::uint64_t> blocking_oom_kills() {
  std::ifstream counters("/proc/vmstat");
  std::string name;
  for (std::uint64_t value = 0; counters >> name >> value;) {
    if (name == "oom_kill") return value;
  }
  return std::nullopt;
}

// Shared with the waits on the loop, which may outlive the ChildProcess by one turn.
struct ChildProcess::State : std::enable_shared_from_this<State> {
  // One stream of what it writes.
  struct Pipe {
    explicit Pipe(Shard& owner) : end(owner.loop()) {}
    boost::asio::posix::stream_descriptor end;
    OnOutput on_bytes;
  };

  explicit State(Shard& owner)
      : shard(owner), pidfd(owner.loop()), output(owner), error_output(owner) {}

  void watch_exit() {
    pidfd.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (!error && !self->abandoned) self->end();
                     });
  }

  void watch(Pipe& pipe) {
    pipe.end.async_wait(boost::asio::posix::descriptor_base::wait_read,
                        [self = shared_from_this(), &pipe](const boost::system::error_code& error) {
                          if (error || self->abandoned) return;
                          // Bounded per turn: a kernel that floods its pipe must not own the loop.
                          constexpr int kReadsPerTurn = 16;
                          if (self->drain(pipe, kReadsPerTurn)) self->watch(pipe);
                        });
  }

  // False when the pipe has ended or this object is gone.
  bool drain(Pipe& pipe, int reads_max) {
    for (int i = 0; i < reads_max && pipe.end.is_open(); ++i) {
      auto& buffer = shard.scratch();
      const ssize_t got = ::read(pipe.end.native_handle(), buffer.data(), buffer.size());
      if (got > 0) {
        pipe.on_bytes(ByteView(buffer.data(), static_cast<std::size_t>(got)));
        if (abandoned) return false;
      } else if (got == 0) {
        pipe.end.close();
        return false;
      } else if (errno != EINTR) {
        break;
      }
    }
    return pipe.end.is_open();
  }

  void close_pipes() {
    boost::system::error_code ignored;
    for (Pipe* const pipe : {&output, &error_output}) {
      if (pipe->end.is_open()) pipe->end.close(ignored);
    }
  }

  // The leader stays a zombie until its group is gone, so that its number cannot have passed to a
  // stranger while we kill by number.
  void end() {
    siginfo_t info{};
    if (waitid(P_PIDFD, static_cast<id_t>(pidfd.native_handle()), &info,
               WEXITED | WNOWAIT | WNOHANG) != 0 ||
        info.si_pid == 0) {
      watch_exit();
      return;
    }
    ProcessExit status = info.si_code == CLD_EXITED ? ProcessExit::exited(info.si_status)
                                                    : ProcessExit::killed_by(info.si_status);
    if (status.signal == SIGKILL && oom_kills_at_start) {
      const auto now = blocking_oom_kills();
      if (now) status.out_of_memory = *now > *oom_kills_at_start;
    }
    kill_processes();
    constexpr int kReadsAtEnd = 64;
    drain(output, kReadsAtEnd);
    if (!abandoned) drain(error_output, kReadsAtEnd);
    if (abandoned) return;
    reap();
    exit_status = status;
    close_pipes();
    auto call = std::exchange(on_exit, nullptr);
    call(status);
  }

  // The leader last: without it nothing tells who descends from it. Stopped, it starts nothing more
  // meanwhile.
  void kill_processes() {
    ::kill(pid, SIGSTOP);
    const std::string mark = kMarkerName + ("=" + marker);
    kill_descendants(pid, mark, direct_children().all());
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);  // a fork may not lead its group yet
    // Orphans that init has adopted instead of us have no parent that tells whose they are.
    if (!g_adopts_orphans) kill_marked(mark);
  }

  // By number, which is ours until then: waitid() on a pidfd that Asio made non-blocking would not
  // wait.
  void reap() {
    siginfo_t info{};
    while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
    }
    direct_children().remove(pid);
    boost::system::error_code ignored;
    if (pidfd.is_open()) pidfd.close(ignored);
  }

  Shard& shard;
  pid_t pid = 0;
  std::string marker;
  boost::asio::posix::stream_descriptor pidfd;
  Pipe output;
  Pipe error_output;  // open when it goes apart
  OnExit on_exit;
  std::optional<ProcessExit> exit_status;
  // Taken as evidence when the process is killed by SIGKILL: some process was, for want of memory,
  // while this one ran.
  std::optional<std::uint64_t> oom_kills_at_start = blocking_oom_kills();
  bool abandoned = false;
};

// The whole input before the process starts, in memory: nobody has to feed it.
static Result<FileDescriptor> input_file(const std::string& input) {
  FileDescriptor file(memfd_create("perijove-input", MFD_CLOEXEC));
  for (std::size_t done = 0; file && done < input.size();) {
    const ssize_t count = ::write(file.get(), input.data() + done, input.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      file = {};
    } else {
      done += static_cast<std::size_t>(count);
    }
  }
  if (!file || lseek(file.get(), 0, SEEK_SET) != 0) {
    return Error{Code::resource_exhausted,
                 std::string("no memory for its input: ") + std::strerror(errno)};
  }
  return file;
}

// The reading end for us, the writing end for the process.
static Result<FileDescriptor> open_pipe(boost::asio::posix::stream_descriptor& end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Error{Code::resource_exhausted,
                 std::string("no pipe for its output: ") + std::strerror(errno)};
  }
  end.assign(ends[0]);
  end.non_blocking(true);
  end.native_non_blocking(true);
  return FileDescriptor(ends[1]);
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::spawn(Shard& shard, const SpawnRequest& request,
                                                          OnOutput on_output, OnExit on_exit,
                                                          OnOutput on_error) {
  if (request.argv.empty()) return Error{Code::invalid_argument, "nothing to run: argv is empty"};
  const auto program = find_program(request);
  if (!program) return program.error();
  std::error_code ignored;
  if (!std::filesystem::is_directory(request.work_dir, ignored)) {
    return Error{Code::not_found, "work directory '" + request.work_dir + "' does not exist"};
  }

  auto state = std::make_shared<State>(shard);
  auto output = open_pipe(state->output.end);
  if (!output) return output.error();
  Result<FileDescriptor> error_output = FileDescriptor();
  if (on_error) error_output = open_pipe(state->error_output.end);
  if (!error_output) return error_output.error();
  Result<FileDescriptor> input = FileDescriptor();
  if (request.input) input = input_file(*request.input);
  if (!input) return input.error();
  state->output.on_bytes = std::move(on_output);
  state->error_output.on_bytes = std::move(on_error);
  state->on_exit = std::move(on_exit);
  state->marker = random_hex(8);

  ProcessStart start;
  start.program = *program;
  start.argv = request.argv;
  for (const auto& [name, value] : request.env) start.env.push_back(name + "=" + value);
  start.env.push_back(kMarkerName + ("=" + state->marker));
  start.work_dir = request.work_dir;
  start.input = input->get();
  start.output = output->get();
  start.error_output = (*error_output ? *error_output : *output).get();
  start.descriptors = request.descriptors;
  start.limits = request.limits;
  if (g_soft_open_files != 0) start.open_files_soft = g_soft_open_files;
  start.cgroups = request.cgroups;
  start.identity = request.identity;
  start.user_namespace = request.user_namespace;
  const auto pid = start_process(start);
  if (!pid) return pid.error();
  return own(std::move(state), *pid);
}

// From here on the process has an owner.
Result<std::unique_ptr<ChildProcess>> ChildProcess::own(std::shared_ptr<State> state, pid_t pid) {
  state->pid = pid;
  direct_children().add(pid);
  std::unique_ptr<ChildProcess> child(new ChildProcess(state));
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    const std::string reason = std::strerror(errno);
    return Error{Code::resource_exhausted, "cannot watch the process: " + reason};
  }
  state->pidfd.assign(pidfd);
  state->watch_exit();
  state->watch(state->output);
  if (state->error_output.end.is_open()) state->watch(state->error_output);
  return child;
}

ChildProcess::Adoption::Adoption(std::shared_ptr<State> state) : state_(std::move(state)) {
  ++g_adoptions;
}

ChildProcess::Adoption::Adoption(Adoption&&) noexcept = default;

ChildProcess::Adoption::~Adoption() {
  if (!state_) return;
  if (state_->pid == 0) kill_marked(marker());
  // Who was not taken is reaped now, or when he ends.
  if (--g_adoptions == 0) ::kill(getpid(), SIGCHLD);
}

std::string ChildProcess::Adoption::marker() const { return kMarkerName + ("=" + state_->marker); }

Result<ChildProcess::Adoption> ChildProcess::Adoption::prepare(Shard& shard) {
  if (!g_adopts_orphans) {
    return Error{Code::failed_precondition, "orphans are not left to this process"};
  }
  Adoption adoption(std::make_shared<State>(shard));
  auto output = open_pipe(adoption.state_->output.end);
  if (!output) return output.error();
  adoption.output_ = *std::move(output);
  adoption.state_->marker = random_hex(8);
  return adoption;
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::Adoption::take(pid_t pid, OnOutput on_output,
                                                                   OnExit on_exit) && {
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    return Error{Code::internal, "process " + std::to_string(pid) + " was not left to us"};
  }
  output_ = {};
  state_->output.on_bytes = std::move(on_output);
  state_->on_exit = std::move(on_exit);
  return own(state_, pid);
}

ChildProcess::ChildProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}

ChildProcess::~ChildProcess() {
  state_->abandoned = true;
  if (!state_->exit_status) {
    state_->kill_processes();
    state_->reap();  // at once: nothing survives SIGKILL but for a moment
  }
  state_->close_pipes();
}

pid_t ChildProcess::pid() const { return state_->pid; }
std::string ChildProcess::marker() const { return kMarkerName + ("=" + state_->marker); }
const std::optional<ProcessExit>& ChildProcess::exit_status() const { return state_->exit_status; }

void ChildProcess::signal_group(int signal) {
  if (!state_->exit_status) ::kill(-state_->pid, signal);
}

void ChildProcess::kill_all() {
  if (!state_->exit_status) state_->kill_processes();
}

void prepare_process_supervision(Shard& shard) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  g_adopts_orphans = true;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    g_soft_open_files = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  // Orphans that we adopted must be reaped by us, and only they: a direct child's status belongs to
  // its ChildProcess.
  struct Reaper : std::enable_shared_from_this<Reaper> {
    explicit Reaper(Shard& owner) : signals(owner.loop(), SIGCHLD) {}
    void wait() {
      signals.async_wait([self = shared_from_this()](const boost::system::error_code& error, int) {
        if (error) return;
        const std::set<pid_t> owned = direct_children().all();
        for (const pid_t child : children_of(getpid())) {
          if (!owned.contains(child) && g_adoptions == 0) waitpid(child, nullptr, WNOHANG);
        }
        self->wait();
      });
    }
    boost::asio::signal_set signals;
  };
  std::make_shared<Reaper>(shard)->wait();
}

}  // namespace perijove
