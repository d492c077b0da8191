#include "provision/docker/kept_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "io/runtime_dir.hpp"

namespace perijove::docker {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "container-";
constexpr std::string_view kLockSuffix = ".lock";

std::string path_of(const std::string& base, const std::string& name) {
  return base + "/" + std::string(kPrefix) + name;
}

FileDescriptor open_lock(const std::string& path, int flags) {
  return FileDescriptor(::open((path + std::string(kLockSuffix)).c_str(),
                               flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
}

// Whose container it is, in the file of the lock: daemons may have containers of the same name.
bool write_daemon(const FileDescriptor& lock, const std::string& daemon) {
  return ::ftruncate(lock.get(), 0) == 0 && ::pwrite(lock.get(), daemon.data(), daemon.size(), 0) ==
                                                static_cast<ssize_t>(daemon.size());
}
std::string read_daemon(const FileDescriptor& lock) {
  std::string text(4096, '\0');
  const ssize_t size = ::pread(lock.get(), text.data(), text.size(), 0);
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return text;
}

}  // namespace

Result<KeptDirectory> KeptDirectory::take(const std::string& base, const std::string& daemon,
                                          const std::string& name) {
  const std::string path = path_of(base, name);
  FileDescriptor lock = open_lock(path, O_CREAT);
  if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return Error{Code::already_exists,
                 "container '" + name +
                     "' is in use by another kernel; a container has one at a "
                     "time"};
  }
  if (!lock || !write_daemon(lock, daemon) ||
      (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)) {
    return Error{Code::unavailable, "cannot make " + path + ": " + std::strerror(errno)};
  }
  RuntimeDir::clear_kernel_dir(path);
  return KeptDirectory(path, std::move(lock));
}

KeptDirectory::~KeptDirectory() {
  if (lock_) RuntimeDir::clear_kernel_dir(path_);
}

bool KeptDirectory::is_taken(const std::string& base, const std::string& name) {
  const FileDescriptor lock = open_lock(path_of(base, name), 0);
  return lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0;
}

void KeptDirectory::remove_orphans(const std::string& base, const std::string& daemon,
                                   const std::vector<std::string>& names) {
  std::error_code error;
  std::vector<std::string> found;
  for (fs::directory_iterator entry(base, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string file = entry->path().filename();
    if (file.starts_with(kPrefix) && !file.ends_with(kLockSuffix)) {
      found.push_back(file.substr(kPrefix.size()));
    }
  }
  for (const std::string& name : found) {
    const FileDescriptor lock = open_lock(path_of(base, name), 0);
    const bool has_container = std::find(names.begin(), names.end(), name) != names.end();
    if (has_container || !lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 ||
        read_daemon(lock) != daemon) {
      continue;
    }
    std::error_code ignored;
    fs::remove_all(path_of(base, name), ignored);
    fs::remove(path_of(base, name) + std::string(kLockSuffix), ignored);
  }
}

}  // namespace perijove::docker
