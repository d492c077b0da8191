#include "io/runtime_dir.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "io/process_tree.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockName = "lock";
constexpr const char* kProcessesName = "processes";

Error cannot(const std::string& what, const std::string& path) {
  const int reason = errno;
  return {reason == EACCES || reason == EPERM ? Code::permission_denied : Code::unavailable,
          "cannot " + what + " " + path + ": " + std::strerror(reason)};
}

Result<void> make_own_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return cannot("make", path);
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return cannot("look at", path);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 0077) != 0) {
    return Error{Code::permission_denied,
                 path +
                     " is not a directory of this user's own with mode 0700; remove it, or name "
                     "another with --runtime-dir"};
  }
  return {};
}

fs::path record_path(const std::string& directory, pid_t pid) {
  return fs::path(directory) / kProcessesName / std::to_string(pid);
}

// Whether `pid` is still the process that was recorded under this number.
bool is_recorded_process(const std::string& directory, pid_t pid) {
  std::string recorded;
  std::ifstream file(record_path(directory, pid));
  std::getline(file, recorded);
  return !recorded.empty() && process_start_time(pid) == recorded;
}

// Held while a directory is made or strays are looked for: nobody must see one before its lock.
FileDescriptor lock_base(const std::string& base) {
  FileDescriptor lock(::open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (lock && ::flock(lock.get(), LOCK_EX) != 0 && errno == EINTR) {
  }
  return lock;
}

}  // namespace

std::string RuntimeDir::default_base() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/' && ::access(runtime, W_OK) == 0) {
    return std::string(runtime) + "/perijove";
  }
  return "/tmp/perijove-" + std::to_string(::geteuid());
}

Result<RuntimeDir> RuntimeDir::create(const std::string& base) {
  if (const auto made = make_own_directory(base); !made) return made.error();
  const FileDescriptor base_lock = lock_base(base);
  // What stands under our number is a stray, or belongs to a gateway in another pid namespace.
  const std::string first = base + "/" + std::to_string(::getpid());
  std::string path = first;
  for (int i = 2; ::mkdir(path.c_str(), 0700) != 0; ++i) {
    if (errno != EEXIST) return cannot("make", path);
    path = first + "-" + std::to_string(i);
  }
  const std::string lock_path = path + "/" + kLockName;
  FileDescriptor lock(::open(lock_path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return cannot("lock", lock_path);
  std::error_code ignored;
  fs::create_directory(fs::path(path) / kProcessesName, ignored);
  return RuntimeDir(path, std::move(lock));
}

RuntimeDir::~RuntimeDir() {
  if (!lock_) return;  // moved from
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Result<std::string> RuntimeDir::make_kernel_dir(const std::string& kernel_id) {
  const std::string path = path_ + "/" + kernel_id.substr(0, 8) + "-" + std::to_string(++launches_);
  if (::mkdir(path.c_str(), 0700) != 0) return cannot("make", path);
  return path;
}

void RuntimeDir::remove_kernel_dir(const std::string& directory) {
  std::error_code ignored;
  fs::remove_all(directory, ignored);
}

void RuntimeDir::clear_kernel_dir(const std::string& directory) {
  std::error_code error, ignored;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    fs::remove_all(entry->path(), ignored);
  }
}

void RuntimeDir::record_process(pid_t pid, const std::string& marker) {
  std::ofstream(record_path(path_, pid)) << process_start_time(pid) << '\n' << marker;
}

void RuntimeDir::forget_process(pid_t pid) {
  std::error_code ignored;
  fs::remove(record_path(path_, pid), ignored);
}

std::vector<RuntimeDir::Stray> RuntimeDir::find_strays(const std::string& base) {
  std::vector<Stray> strays;
  if (!make_own_directory(base)) return strays;
  const FileDescriptor base_lock = lock_base(base);
  std::error_code error;
  for (fs::directory_iterator entry(base, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = entry->path();
    FileDescriptor lock(::open((path + "/" + kLockName).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    // Alive, or not one of ours.
    if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;
    Stray stray{.directory = path, .processes = {}};
    std::error_code unreadable;
    for (fs::directory_iterator record(fs::path(path) / kProcessesName, unreadable);
         !unreadable && record != fs::directory_iterator(); record.increment(unreadable)) {
      const std::string name = record->path().filename();
      pid_t pid = 0;
      std::from_chars(name.data(), name.data() + name.size(), pid);
      if (pid > 1 && is_recorded_process(path, pid)) stray.processes.push_back(pid);
    }
    strays.push_back(std::move(stray));
  }
  return strays;
}

void RuntimeDir::remove_stray(const Stray& stray) {
  for (const pid_t pid : stray.processes) {
    // Asked again: the number may have passed to a stranger meanwhile.
    if (is_recorded_process(stray.directory, pid)) ::kill(-pid, SIGKILL);
  }
  // A kernel may have ended with its gateway and left behind what it had started.
  std::error_code unreadable;
  for (fs::directory_iterator record(fs::path(stray.directory) / kProcessesName, unreadable);
       !unreadable && record != fs::directory_iterator(); record.increment(unreadable)) {
    std::ifstream file(record->path());
    std::string start, marker;
    if (std::getline(file, start) && std::getline(file, marker)) kill_marked(marker);
  }
  std::error_code ignored;
  fs::remove_all(stray.directory, ignored);
}

}  // namespace perijove
