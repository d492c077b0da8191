#include "io/checkpoint_shelf.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/ids.hpp"
#include "io/copy_tree.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

constexpr char kLock[] = "lock";
constexpr std::string_view kGateway = "gateway-";
constexpr std::string_view kHidden = ".";  // begins the names of what is no checkpoint

Error cannot(const std::string& what, const std::string& path, int reason) {
  const Code code = reason == EACCES || reason == EPERM || reason == EROFS ? Code::permission_denied
                    : reason == ENOSPC || reason == EDQUOT ? Code::resource_exhausted
                                                           : Code::unavailable;
  return {code, "cannot " + what + " " + path + ": " + std::strerror(reason)};
}

Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return cannot("make the directory", path, errno);
}

// Nobody else may be able to put checkpoints there: restoring one runs what is in it.
Result<void> check_owner(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return cannot("look at", path, errno);
  if (S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & 022) == 0) return {};
  return Error{Code::permission_denied,
               path +
                   " must be a directory of this user that nobody else may write to; name "
                   "another one with --state-dir"};
}

FileDescriptor take_lock(const std::string& directory) {
  FileDescriptor lock(
      ::open((directory + "/" + kLock).c_str(), O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return lock;
}

std::vector<std::string> names_below(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator each(directory, error), end; !error && each != end;
       each.increment(error)) {
    names.push_back(each->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// One that is just being made has no lock yet, but is young: another start will see it.
void remove_strays(const std::string& base) {
  for (const std::string& name : names_below(base)) {
    if (!name.starts_with(kGateway)) continue;
    const std::string directory = base + "/" + name;
    if (::access((directory + "/" + kLock).c_str(), F_OK) != 0) continue;
    if (const FileDescriptor lock = take_lock(directory); lock) {
      CheckpointShelf::discard(directory);
    }
  }
  const std::string kept = base + "/kept";
  for (const std::string& name : names_below(kept)) {
    if (name.starts_with(kHidden)) CheckpointShelf::discard(kept + "/" + name);
  }
}

}  // namespace

std::string CheckpointShelf::default_base() {
  if (const char* const state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::string(state) + "/perijove";
  }
  if (const char* const home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::string(home) + "/.local/state/perijove";
  }
  return "/var/tmp/perijove-" + std::to_string(::geteuid());
}

Result<CheckpointShelf> CheckpointShelf::open(const std::string& wanted) {
  std::error_code error;
  const std::string state = fs::absolute(wanted, error).lexically_normal().string();
  fs::create_directories(fs::path(state).parent_path(), error);
  if (error) return cannot("make the directory above", state, error.value());
  const std::string base = state + "/checkpoints";
  for (const std::string& each : {state, base, base + "/kept"}) {
    if (const auto made = make_directory(each); !made) return made.error();
    if (const auto sound = check_owner(each); !sound) return sound.error();
  }
  remove_strays(base);
  const std::string own = base + "/" + std::string(kGateway) + random_hex(8);
  if (const auto made = make_directory(own); !made) return made.error();
  FileDescriptor lock = take_lock(own);
  if (!lock) return cannot("lock", own, errno);
  return CheckpointShelf(base, own, std::move(lock));
}

CheckpointShelf::~CheckpointShelf() {
  if (!own_.empty() && lock_) discard(own_);
}

Result<std::string> CheckpointShelf::begin(const std::string& id) {
  const std::string made = own_ + "/" + std::string(kHidden) + id;
  if (::mkdir(made.c_str(), 0700) != 0) return cannot("make the directory", made, errno);
  return made;
}

Result<std::string> CheckpointShelf::commit(const std::string& made, const std::string& id,
                                            bool keep) {
  std::string target = (keep ? base_ + "/kept/" : own_ + "/") + id;
  if (keep) {  // a machine that crashes must not leave the name without the bytes
    const FileDescriptor directory(::open(made.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::syncfs(directory.get()) != 0) return cannot("write", made, errno);
  }
  if (::rename(made.c_str(), target.c_str()) != 0) return cannot("rename", made, errno);
  return target;
}

Result<std::string> CheckpointShelf::withdraw(const std::string& directory) {
  const fs::path path(directory);
  std::string hidden =
      (path.parent_path() / (std::string(kHidden) + path.filename().string() + "-gone")).string();
  if (::rename(directory.c_str(), hidden.c_str()) != 0) {
    return cannot("remove", directory, errno);
  }
  return hidden;
}

void CheckpointShelf::discard(const std::string& directory) {
  const fs::path path(directory);
  const FileDescriptor parent(
      ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent) blocking_remove_tree(parent, path.filename().string());
}

std::vector<std::string> CheckpointShelf::kept() const {
  std::vector<std::string> directories;
  for (const std::string& name : names_below(base_ + "/kept")) {
    if (!name.starts_with(kHidden)) directories.push_back(base_ + "/kept/" + name);
  }
  return directories;
}

}  // namespace perijove
