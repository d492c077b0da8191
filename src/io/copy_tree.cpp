#include "io/copy_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/ids.hpp"
#include "base/scope.hpp"
#include "io/write_all.hpp"

namespace perijove {
namespace {

constexpr std::size_t kDepthMax = 200;  // each level holds three descriptors
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::size_t kLeftOutMax = 1000;

Error cannot(const std::string& what, const std::string& path, int reason) {
  const Code code = reason == EACCES || reason == EPERM || reason == EROFS ? Code::permission_denied
                    : reason == ENOSPC || reason == EDQUOT || reason == EMFILE || reason == ENFILE
                        ? Code::resource_exhausted
                        : Code::unavailable;
  return {code, "cannot " + what + " '" + path + "': " + std::strerror(reason)};
}

Error stopped_error() { return {Code::aborted, "the copy was given up"}; }

bool is_own(std::string_view name) { return name.starts_with(".perijove"); }

Result<std::vector<std::string>> names_in(const FileDescriptor& directory,
                                          const std::string& path) {
  const int again = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const stream = again < 0 ? nullptr : ::fdopendir(again);
  if (stream == nullptr) {
    const int reason = errno;
    if (again >= 0) ::close(again);
    return cannot("list", path, reason);
  }
  const ScopeExit close([&] { ::closedir(stream); });
  std::vector<std::string> names;
  while (const dirent* const each = ::readdir(stream)) {
    const std::string_view name = each->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

FileDescriptor open_directory(int at, const std::string& name) {
  return FileDescriptor(
      ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

class TreeCopy {
 public:
  TreeCopy(const CopyBounds& bounds, const std::atomic<bool>& stopped)
      : bounds_(bounds), stopped_(stopped) {}

  Result<CopiedTree> run(const FileDescriptor& from, const FileDescriptor& to) {
    struct stat info {};
    if (::fstat(from.get(), &info) != 0) return cannot("look at", ".", errno);
    device_ = info.st_dev;
    if (const auto copied = copy_entries(from, to, "", 0); !copied) return copied.error();
    return std::move(copied_);
  }

 private:
  Result<void> copy_entries(const FileDescriptor& from, const FileDescriptor& to,
                            const std::string& below, std::size_t depth) {
    const auto names = names_in(from, below.empty() ? "." : below);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (stopped_) return stopped_error();
      if (below.empty() && is_own(name)) continue;
      const auto copied =
          copy_entry(from, to, name, below.empty() ? name : below + "/" + name, depth);
      if (!copied) return copied;
    }
    return {};
  }

  Result<void> copy_entry(const FileDescriptor& from, const FileDescriptor& to,
                          const std::string& name, const std::string& path, std::size_t depth) {
    struct stat info {};
    if (::fstatat(from.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};  // it has gone meanwhile
      return cannot("look at", path, errno);
    }
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode) && !S_ISLNK(info.st_mode)) {
      leave_out(path, "no file, link or directory");
      return {};
    }
    if (++copied_.entries > bounds_.entries_max) {
      return Error{Code::resource_exhausted, "there are more than " +
                                                 std::to_string(bounds_.entries_max) +
                                                 " files in the work directory"};
    }
    if (S_ISLNK(info.st_mode)) return copy_link(from, to, name, path, info);
    if (S_ISDIR(info.st_mode)) return copy_directory(from, to, name, path, depth);
    return copy_file(from, to, name, path);
  }

  Result<void> copy_link(const FileDescriptor& from, const FileDescriptor& to,
                         const std::string& name, const std::string& path,
                         const struct stat& info) {
    std::array<char, PATH_MAX> target{};
    const ssize_t length = ::readlinkat(from.get(), name.c_str(), target.data(), target.size() - 1);
    if (length < 0) return errno == ENOENT ? Result<void>() : cannot("read", path, errno);
    if (::symlinkat(target.data(), to.get(), name.c_str()) != 0) return cannot("make", path, errno);
    (void)!::fchownat(to.get(), name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW);
    return {};
  }

  Result<void> copy_directory(const FileDescriptor& from, const FileDescriptor& to,
                              const std::string& name, const std::string& path, std::size_t depth) {
    if (depth == kDepthMax) {
      return Error{Code::resource_exhausted,
                   "'" + path.substr(0, 200) + "...' is nested too deeply"};
    }
    const FileDescriptor inside = open_directory(from.get(), name);
    if (!inside) return errno == ENOENT ? Result<void>() : cannot("open", path, errno);
    struct stat info {};
    if (::fstat(inside.get(), &info) != 0) return cannot("look at", path, errno);
    if (info.st_dev != device_) {
      leave_out(path, "on another file system");
      return {};
    }
    if (::mkdirat(to.get(), name.c_str(), 0700) != 0) return cannot("make", path, errno);
    const FileDescriptor made = open_directory(to.get(), name);
    if (!made) return cannot("make", path, errno);
    const auto copied = copy_entries(inside, made, path, depth + 1);
    if (copied) take_over(made, info);
    return copied;
  }

  Result<void> copy_file(const FileDescriptor& from, const FileDescriptor& to,
                         const std::string& name, const std::string& path) {
    // Not blocking: it may have become a pipe meanwhile.
    const FileDescriptor source(::openat(
        from.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!source) return errno == ENOENT ? Result<void>() : cannot("read", path, errno);
    struct stat info {};
    if (::fstat(source.get(), &info) != 0) return cannot("look at", path, errno);
    if (!S_ISREG(info.st_mode)) {
      leave_out(path, "no file, link or directory");
      return {};
    }
    const FileDescriptor target(::openat(
        to.get(), name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!target) return cannot("make", path, errno);
    if (const auto copied = copy_bytes(source, target, path, info); !copied) return copied;
    take_over(target, info);
    return {};
  }

  Result<void> copy_bytes(const FileDescriptor& source, const FileDescriptor& target,
                          const std::string& path, const struct stat& info) {
    const std::uint64_t left = bounds_.bytes_max - copied_.bytes;
    if (static_cast<std::uint64_t>(info.st_size) > left) return too_much();
    if (::ioctl(target.get(), FICLONE, source.get()) == 0) {
      copied_.bytes += static_cast<std::uint64_t>(info.st_size);
      return {};
    }
    std::uint64_t done = 0;
    bool by_system = true;
    std::string buffer;
    while (true) {
      if (stopped_) return stopped_error();
      ssize_t got = -1;
      if (by_system) {
        got = ::copy_file_range(source.get(), nullptr, target.get(), nullptr, kPieceBytes, 0);
        // Some file systems give nothing this way, of files that have something.
        if ((got < 0 && errno != ENOSPC && errno != EDQUOT && errno != EIO) ||
            (got == 0 && done == 0)) {
          by_system = false;
          buffer.resize(kPieceBytes);
          continue;
        }
        if (got < 0) return cannot("write", path, errno);
      } else {
        got = ::read(source.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cannot("read", path, errno);
        if (!write_all(target.get(), ByteView(buffer.data(), static_cast<std::size_t>(got)))) {
          return cannot("write", path, errno);
        }
      }
      if (got == 0) break;
      done += static_cast<std::uint64_t>(got);
      if (done > left) return too_much();  // it grows while it is read
    }
    copied_.bytes += done;
    return {};
  }

  Error too_much() const {
    return {Code::resource_exhausted, "the files of the work directory are more than the " +
                                          std::to_string(bounds_.bytes_max) +
                                          " bytes that are left for them"};
  }

  // Who may not give files away keeps them.
  static void take_over(const FileDescriptor& made, const struct stat& info) {
    (void)!::fchown(made.get(), info.st_uid, info.st_gid);
    ::fchmod(made.get(), info.st_mode & 0777);
    const timespec times[] = {info.st_atim, info.st_mtim};
    ::futimens(made.get(), times);
  }

  void leave_out(const std::string& path, const char* why) {
    if (copied_.left_out.size() < kLeftOutMax) copied_.left_out.push_back(path + ": " + why);
  }

  const CopyBounds bounds_;
  const std::atomic<bool>& stopped_;
  dev_t device_ = 0;
  CopiedTree copied_;
};

// Opens a directory, also one whose owner took away the right to read or to change it.
FileDescriptor open_to_change(int at, const std::string& name) {
  const FileDescriptor found(
      ::openat(at, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!found) return {};
  // By way of /proc: what is open with O_PATH has no mode of its own.
  ::chmod(("/proc/self/fd/" + std::to_string(found.get())).c_str(), 0700);
  return open_directory(found.get(), ".");
}

// Removes what is in the directory. What lies too deep for the descriptors that there are is moved
// up to `top` first, where it is no deeper than that.
void remove_contents(const FileDescriptor& directory, const FileDescriptor& top,
                     std::size_t depth) {
  const auto names = names_in(directory, ".");
  if (!names) return;
  for (const std::string& name : *names) {
    if (::unlinkat(directory.get(), name.c_str(), 0) == 0) continue;
    const FileDescriptor inside = open_to_change(directory.get(), name);
    if (!inside) continue;
    if (depth == kDepthMax) {
      ::renameat(directory.get(), name.c_str(), top.get(), ("deep-" + random_hex(8)).c_str());
      continue;
    }
    remove_contents(inside, top, depth + 1);
    ::unlinkat(directory.get(), name.c_str(), AT_REMOVEDIR);
  }
}

bool move_entry(const FileDescriptor& from, const FileDescriptor& to, const std::string& name) {
  if (::renameat(from.get(), name.c_str(), to.get(), name.c_str()) == 0) return true;
  if (errno != EACCES) return false;
  // To move a directory is to change it: one that is read-only is not for as long.
  struct stat info {};
  if (::fstatat(from.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  const FileDescriptor opened = open_to_change(from.get(), name);
  if (!opened) return false;
  const bool moved = ::renameat(from.get(), name.c_str(), to.get(), name.c_str()) == 0;
  const int reason = errno;
  ::fchmod(opened.get(), info.st_mode & 0777);
  errno = reason;
  return moved;
}

}  // namespace

Result<CopiedTree> blocking_copy_tree(const FileDescriptor& from, const FileDescriptor& to,
                                      const CopyBounds& bounds, const std::atomic<bool>& stopped) {
  return TreeCopy(bounds, stopped).run(from, to);
}

Result<std::uint64_t> blocking_copy_file(const FileDescriptor& from, const FileDescriptor& to,
                                         std::uint64_t bytes_max, Sha256& digest,
                                         const std::atomic<bool>& stopped) {
  std::string buffer(kPieceBytes, '\0');
  std::uint64_t done = 0;
  while (true) {
    if (stopped) return stopped_error();
    const ssize_t got = ::pread(from.get(), buffer.data(), buffer.size(), static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot("read", "a file of variables", errno);
    if (got == 0) return done;
    const ByteView bytes(buffer.data(), static_cast<std::size_t>(got));
    done += bytes.size();
    if (done > bytes_max) {
      return Error{Code::resource_exhausted, "the variables take more than the " +
                                                 std::to_string(bytes_max) +
                                                 " bytes that are left for them"};
    }
    digest.update(bytes);
    if (!write_all(to.get(), bytes)) return cannot("write", "a file of variables", errno);
  }
}

Result<void> move_entries(const FileDescriptor& from, const FileDescriptor& to) {
  const auto names = names_in(from, ".");
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (is_own(name)) continue;
    if (!move_entry(from, to, name)) return cannot("move", name, errno);
  }
  return {};
}

void blocking_remove_tree(const FileDescriptor& parent, const std::string& name) {
  const FileDescriptor directory = open_to_change(parent.get(), name);
  if (!directory) return;
  std::vector<std::string> before;
  while (true) {
    remove_contents(directory, directory, 0);
    auto left = names_in(directory, name);
    if (!left || left->empty() || *left == before) break;
    before = *std::move(left);  // moved up, under new names, unless they cannot be removed at all
  }
  ::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
}

}  // namespace perijove
