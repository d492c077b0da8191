#include "guest/process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "common/signal_free_thread.hpp"

namespace perijove::kernels::guest {
namespace {

Pipe make_pipe(bool we_read) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  Pipe made{Descriptor(ends[we_read ? 0 : 1]), Descriptor(ends[we_read ? 1 : 0])};
  fcntl(made.ours.get(), F_SETFL, O_NONBLOCK);
  return made;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// What posix_spawn is told, freed at the end of the scope.
struct SpawnOrders {
  SpawnOrders() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnOrders() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnOrders(const SpawnOrders&) = delete;
  SpawnOrders& operator=(const SpawnOrders&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

struct ProcessEntry {
  pid_t id;
  pid_t parent;
  pid_t group;
  long long started;
  char state;
};

/// What /proc/<id>/stat says; nullopt when there is no such process.
std::optional<ProcessEntry> read_entry(pid_t id) {
  std::ifstream file("/proc/" + std::to_string(id) + "/stat");
  std::string text;
  std::getline(file, text);
  // "12 (a name) with anything) S 1 12 ...": the name is the second of the fields
  const std::size_t name_end = text.rfind(") ");
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 2));
  ProcessEntry entry{id, 0, 0, 0, 'Z'};
  fields >> entry.state >> entry.parent >> entry.group;
  constexpr int kBetweenGroupAndStart = 16;
  long long other = 0;
  for (int i = 0; i < kBetweenGroupAndStart; ++i) fields >> other;
  fields >> entry.started;
  if (!fields) return std::nullopt;
  return entry;
}

std::vector<ProcessEntry> all_processes() {
  std::vector<ProcessEntry> entries;
  DIR* const directory = opendir("/proc");
  if (directory == nullptr) return entries;
  while (const dirent* const entry = readdir(directory)) {
    pid_t id = 0;
    const char* const end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, id).ptr != end) continue;
    if (const auto found = read_entry(id)) entries.push_back(*found);
  }
  closedir(directory);
  return entries;
}

/// Where the system has no pidfds, as gVisor's older releases: a thread waits for the end, and
/// leaves the process to be waited for again.
Descriptor end_of(pid_t id) {
  Pipe pipe = pipe_to_read();
  signal_free_thread([id, told = std::move(pipe.theirs)] {
    siginfo_t ended = {};
    while (waitid(P_PID, static_cast<id_t>(id), &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    write_all(told.get(), "", 1);
  }).detach();
  return std::move(pipe.ours);
}

std::vector<pid_t> descendants() {
  const std::vector<ProcessEntry> processes = all_processes();
  std::vector<pid_t> found = {getpid()};
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (const ProcessEntry& each : processes) {
      if (each.parent == found[i]) found.push_back(each.id);
    }
  }
  found.erase(found.begin());
  return found;
}

}  // namespace

Pipe pipe_to_read() { return make_pipe(true); }

Pipe pipe_to_write() { return make_pipe(false); }

bool write_all(int fd, const char* data, std::size_t size) {
  constexpr int kPatienceMilliseconds = 10'000;
  while (size > 0) {
    const ssize_t written = write(fd, data, size);
    if (written > 0) {
      data += written;
      size -= static_cast<std::size_t>(written);
    } else if (errno == EAGAIN) {
      pollfd writable{fd, POLLOUT, 0};
      if (poll(&writable, 1, kPatienceMilliseconds) == 0) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

Process::Process(const ProcessOptions& options) {
  int top = STDERR_FILENO;
  for (const auto& handed : options.descriptors) top = std::max(top, handed.theirs);

  SpawnOrders orders;
  // Opened first by the leader of a new session, a terminal becomes the controlling one.
  if (!options.terminal.empty()) {
    posix_spawn_file_actions_addopen(&orders.actions, STDIN_FILENO, options.terminal.c_str(),
                                     O_RDWR, 0);
  }
  // Copies above all targets, so that no dup2 overwrites what a later one needs.
  std::vector<Descriptor> copies;
  for (const auto& handed : options.descriptors) {
    copies.emplace_back(fcntl(handed.ours, F_DUPFD_CLOEXEC, top + 1));
    if (copies.back().get() < 0) throw std::system_error(errno, std::generic_category(), "dup");
    posix_spawn_file_actions_adddup2(&orders.actions, copies.back().get(), handed.theirs);
  }
  posix_spawn_file_actions_addclosefrom_np(&orders.actions, top + 1);

  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&orders.attributes, &all);
  posix_spawnattr_setsigmask(&orders.attributes, &none);
  posix_spawnattr_setflags(&orders.attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

  const int fault =
      posix_spawn(&id_, options.file.c_str(), &orders.actions, &orders.attributes,
                  pointers_to(options.argv).data(), pointers_to(options.environment).data());
  if (fault != 0) {
    throw std::runtime_error("cannot start " + options.file + ": " +
                             std::generic_category().message(fault));
  }
  exit_ = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, id_, 0)));
  if (exit_.get() >= 0) return;
  if (errno != ENOSYS && errno != EPERM) {
    throw std::system_error(errno, std::generic_category(), "pidfd_open");
  }
  exit_ = end_of(id_);
}

Process::End Process::wait() {
  int status = 0;
  while (waitpid(id_, &status, 0) < 0) {
    if (errno != EINTR) return {};
  }
  if (WIFSIGNALED(status)) return {128 + WTERMSIG(status), true};
  return {WEXITSTATUS(status), false};
}

std::string find_program(std::string_view name) {
  const char* const path = std::getenv("PATH");
  std::string_view folders = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  while (!folders.empty()) {
    const std::size_t end = std::min(folders.find(':'), folders.size());
    std::string file = std::string(folders.substr(0, end)) + '/' + std::string(name);
    if (file.front() == '/' && access(file.c_str(), X_OK) == 0) return file;
    folders.remove_prefix(std::min(end + 1, folders.size()));
  }
  return {};
}

std::vector<std::string> environment_without(const std::vector<std::string_view>& names) {
  std::vector<std::string> kept;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view variable = *each;
    const std::string_view name = variable.substr(0, variable.find('='));
    if (std::find(names.begin(), names.end(), name) == names.end()) kept.emplace_back(variable);
  }
  return kept;
}

void adopt_orphans() { prctl(PR_SET_CHILD_SUBREAPER, 1); }

void reap_orphans(pid_t spared) {
  for (;;) {
    siginfo_t ended = {};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0) return;
    if (ended.si_pid == 0 || ended.si_pid == spared) return;
    waitpid(ended.si_pid, nullptr, 0);
  }
}

long long start_clock() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  const long long ticks = sysconf(_SC_CLK_TCK);
  return now.tv_sec * ticks + now.tv_nsec * ticks / 1'000'000'000;
}

bool has_newcomer(pid_t group, long long since) {
  const std::vector<ProcessEntry> processes = all_processes();
  return std::any_of(processes.begin(), processes.end(), [&](const ProcessEntry& each) {
    return each.group == group && each.started >= since && each.state != 'Z';
  });
}

void end_descendants() {
  constexpr int kRoundsMax = 100;
  constexpr int kBetweenRoundsMilliseconds = 5;
  for (int round = 0; round < kRoundsMax; ++round) {
    // With those that have ended: a process that is dying thread by thread looks so, and still has
    // its children.
    for (const pid_t id : descendants()) kill(id, SIGKILL);
    pid_t ended = 0;
    while ((ended = waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    // Without a child there is no descendant: orphans become children.
    if (ended < 0) return;
    poll(nullptr, 0, kBetweenRoundsMilliseconds);
  }
}

}  // namespace perijove::kernels::guest
