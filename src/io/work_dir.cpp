#include "io/work_dir.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/ids.hpp"
#include "base/scope.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

Error cannot(const std::string& what, const std::string& path, int reason) {
  const Code code = reason == EACCES || reason == EPERM || reason == EROFS ? Code::permission_denied
                    : reason == ENOTDIR || reason == EEXIST || reason == EISDIR
                        ? Code::already_exists
                        : Code::unavailable;
  return {code, "cannot " + what + " " + path + ": " + std::strerror(reason)};
}

bool is_one_component(std::string_view name) {
  constexpr std::string_view kSlashAndNul("/\0", 2);
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(kSlashAndNul) == std::string_view::npos;
}

FileDescriptor make_file(int directory, const std::string& name, mode_t mode) {
  constexpr int kFlags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
  open_how how{};
  how.flags = kFlags;
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long opened = syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how);
  if (opened >= 0) return FileDescriptor(static_cast<int>(opened));
  if (errno != ENOSYS) return {};
  // gVisor and systems before Linux 5.6. For a single component these flags say the same.
  return FileDescriptor(::openat(directory, name.c_str(), kFlags, mode));
}

bool write_all(int file, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(file, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

}  // namespace

Result<WorkDir> WorkDir::open(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (error) return cannot("find", path, error.value());
  fs::create_directories(absolute, error);
  if (error) return cannot("make the directory", absolute.string(), error.value());
  FileDescriptor directory(::open(absolute.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return cannot("open the directory", absolute.string(), errno);
  std::string shown = absolute.string();
  if (shown.size() > 1 && shown.ends_with('/')) shown.pop_back();
  return WorkDir(std::move(shown), std::move(directory));
}

Result<std::string> WorkDir::write(std::string_view name, ByteView bytes, mode_t mode) const {
  if (!is_one_component(name)) {
    return Error{Code::invalid_argument, "not the name of a file: '" + std::string(name) + "'"};
  }
  std::string path = path_ + "/" + std::string(name);
  const std::string temporary = ".perijove-" + random_hex(8);
  const FileDescriptor file = make_file(directory_.get(), temporary, mode);
  if (!file) return cannot("write in", path_, errno);
  bool renamed = false;
  const ScopeExit remove([&] {
    if (!renamed) ::unlinkat(directory_.get(), temporary.c_str(), 0);
  });
  if (!write_all(file.get(), bytes)) return cannot("write", path, errno);
  renamed = ::renameat(directory_.get(), temporary.c_str(), directory_.get(),
                       std::string(name).c_str()) == 0;
  if (!renamed) return cannot("write", path, errno);
  return path;
}

Result<void> write_file_atomically(const std::string& path, ByteView bytes) {
  const fs::path wanted(path);
  const auto directory =
      WorkDir::open(wanted.has_parent_path() ? wanted.parent_path().string() : ".");
  if (!directory) return directory.error();
  const auto written = directory->write(wanted.filename().string(), bytes);
  if (!written) return written.error();
  return {};
}

}  // namespace perijove
