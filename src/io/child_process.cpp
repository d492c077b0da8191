#include "io/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "io/process_tree.hpp"

namespace perijove {
namespace {

rlim_t g_soft_open_files = 0;       // what this process was started with; children get it back
std::set<pid_t> g_direct_children;  // those that a ChildProcess reaps itself

// Read by kill_all in /proc/<pid>/environ: tells whose grandchild an orphan is, even in a session
// of its own.
constexpr char kMarkerName[] = "PERIJOVE_PROCESS";

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class SpawnAttributes {
 public:
  SpawnAttributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t every, none;
    sigfillset(&every);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes_, &every);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

bool is_program(const std::string& path) {
  std::error_code ignored;
  return access(path.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(path, ignored);
}

std::vector<char*> c_strings(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
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

// Shared with the waits on the loop, which may outlive the ChildProcess by one turn.
struct ChildProcess::State : std::enable_shared_from_this<State> {
  explicit State(Shard& owner) : shard(owner), pidfd(owner.loop()), output(owner.loop()) {}

  void watch_exit() {
    pidfd.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (!error && !self->abandoned) self->end();
                     });
  }

  void watch_output() {
    output.async_wait(boost::asio::posix::descriptor_base::wait_read,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        if (error || self->abandoned) return;
                        // Bounded per turn: a kernel that floods its pipe must not own the loop.
                        constexpr int kReadsPerTurn = 16;
                        if (self->drain(kReadsPerTurn)) self->watch_output();
                      });
  }

  // False when the pipe has ended or this object is gone.
  bool drain(int reads_max) {
    for (int i = 0; i < reads_max && output.is_open(); ++i) {
      auto& buffer = shard.scratch();
      const ssize_t got = ::read(output.native_handle(), buffer.data(), buffer.size());
      if (got > 0) {
        on_output(ByteView(buffer.data(), static_cast<std::size_t>(got)));
        if (abandoned) return false;
      } else if (got == 0) {
        output.close();
        return false;
      } else if (errno != EINTR) {
        break;
      }
    }
    return output.is_open();
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
    const ProcessExit status = info.si_code == CLD_EXITED ? ProcessExit::exited(info.si_status)
                                                          : ProcessExit::killed_by(info.si_status);
    kill_processes();
    constexpr int kReadsAtEnd = 64;
    drain(kReadsAtEnd);
    if (abandoned) return;
    reap();
    exit_status = status;
    output.close();
    auto call = std::exchange(on_exit, nullptr);
    call(status);
  }

  // The leader last: without it nothing tells who descends from it. Stopped, it starts nothing more
  // meanwhile.
  void kill_processes() {
    ::kill(pid, SIGSTOP);
    kill_descendants(pid, kMarkerName + ("=" + marker), g_direct_children);
    ::kill(-pid, SIGKILL);
  }

  // By number, which is ours until then: waitid() on a pidfd that Asio made non-blocking would not
  // wait.
  void reap() {
    siginfo_t info{};
    while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
    }
    g_direct_children.erase(pid);
    boost::system::error_code ignored;
    if (pidfd.is_open()) pidfd.close(ignored);
  }

  Shard& shard;
  pid_t pid = 0;
  std::string marker;
  boost::asio::posix::stream_descriptor pidfd;
  boost::asio::posix::stream_descriptor output;
  OnOutput on_output;
  OnExit on_exit;
  std::optional<ProcessExit> exit_status;
  bool abandoned = false;
};

Result<std::unique_ptr<ChildProcess>> ChildProcess::spawn(Shard& shard, const SpawnRequest& request,
                                                          OnOutput on_output, OnExit on_exit) {
  if (request.argv.empty()) return Error{Code::invalid_argument, "nothing to run: argv is empty"};
  const auto program = find_program(request);
  if (!program) return program.error();
  std::error_code ignored;
  if (!std::filesystem::is_directory(request.work_dir, ignored)) {
    return Error{Code::not_found, "work directory '" + request.work_dir + "' does not exist"};
  }

  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
    return Error{Code::resource_exhausted,
                 std::string("no pipe for its output: ") + std::strerror(errno)};
  }
  auto state = std::make_shared<State>(shard);
  state->output.assign(pipe_ends[0]);
  state->output.non_blocking(true);
  state->output.native_non_blocking(true);
  state->on_output = std::move(on_output);
  state->on_exit = std::move(on_exit);
  state->marker = random_hex(8);

  FileActions actions;
  posix_spawn_file_actions_addopen(actions.get(), 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(actions.get(), pipe_ends[1], 1);
  posix_spawn_file_actions_adddup2(actions.get(), pipe_ends[1], 2);
  posix_spawn_file_actions_addclosefrom_np(actions.get(), 3);
  posix_spawn_file_actions_addchdir_np(actions.get(), request.work_dir.c_str());
  SpawnAttributes attributes;

  std::vector<std::string> argv = request.argv;
  std::vector<std::string> env;
  for (const auto& [name, value] : request.env) env.push_back(name + "=" + value);
  env.push_back(kMarkerName + ("=" + state->marker));
  const int failure = posix_spawn(&state->pid, program->c_str(), actions.get(), attributes.get(),
                                  c_strings(argv).data(), c_strings(env).data());
  ::close(pipe_ends[1]);
  if (failure != 0) {
    const Code code = failure == EAGAIN || failure == ENOMEM ? Code::resource_exhausted
                      : failure == ENOENT                    ? Code::not_found
                                                             : Code::internal;
    return Error{code, "cannot run " + *program + ": " + std::strerror(failure)};
  }
  g_direct_children.insert(state->pid);
  if (g_soft_open_files != 0) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = g_soft_open_files;
    prlimit(state->pid, RLIMIT_NOFILE, &limit, nullptr);
  }

  std::unique_ptr<ChildProcess> child(new ChildProcess(state));
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, state->pid, 0));
  if (pidfd < 0) {
    const std::string reason = std::strerror(errno);
    return Error{Code::resource_exhausted, "cannot watch the process: " + reason};
  }
  state->pidfd.assign(pidfd);
  state->watch_exit();
  state->watch_output();
  return child;
}

ChildProcess::ChildProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}

ChildProcess::~ChildProcess() {
  state_->abandoned = true;
  if (!state_->exit_status) {
    state_->kill_processes();
    state_->reap();  // at once: nothing survives SIGKILL but for a moment
  }
  boost::system::error_code ignored;
  if (state_->output.is_open()) state_->output.close(ignored);
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
        for (const pid_t child : children_of(getpid())) {
          if (!g_direct_children.contains(child)) waitpid(child, nullptr, WNOHANG);
        }
        self->wait();
      });
    }
    boost::asio::signal_set signals;
  };
  std::make_shared<Reaper>(shard)->wait();
}

}  // namespace perijove
