#include "io/work_dir.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/ids.hpp"
#include "base/scope.hpp"
#include "io/write_all.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

Error cannot(const std::string& what, const std::string& path, int reason) {
  const Code code = reason == EACCES || reason == EPERM || reason == EROFS ? Code::permission_denied
                    : reason == ENOTDIR || reason == EEXIST || reason == EISDIR
                        ? Code::already_exists
                    : reason == ENOTEMPTY                  ? Code::failed_precondition
                    : reason == ENOSPC || reason == EDQUOT ? Code::resource_exhausted
                                                           : Code::unavailable;
  return {code, "cannot " + what + " " + path + ": " + std::strerror(reason)};
}

// Of a path beneath a work directory.
Error cannot_reach(const std::string& what, std::string_view path, int reason) {
  const std::string shown(path);
  if (reason == ENOENT)
    return {Code::not_found, "there is no '" + shown + "' in the work directory"};
  if (reason == EXDEV || reason == ELOOP) {
    return {Code::permission_denied, "'" + shown + "' leads out of the work directory"};
  }
  return cannot(what, shown, reason);
}

// The components of a path that stays inside as far as its text goes; nullopt for any other.
std::optional<std::vector<std::string>> components_of(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.back() == '/' ||
      path.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::vector<std::string> components;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view component = path.substr(0, end);
    if (component == "..") return std::nullopt;
    if (!component.empty() && component != ".") components.emplace_back(component);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  if (components.empty()) return std::nullopt;
  return components;
}

Error no_path(std::string_view path) {
  return {Code::invalid_argument, "not a path inside the work directory: '" + std::string(path) +
                                      "'; it must be relative and have no '..'"};
}

enum class Links { never, inside };

// Opens what `path` leads to beneath `directory`.
FileDescriptor open_beneath(int directory, const std::string& path, int flags, mode_t mode,
                            Links links) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (links == Links::never) how.resolve |= RESOLVE_NO_SYMLINKS;
  const long opened = syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
  if (opened >= 0) return FileDescriptor(static_cast<int>(opened));
  if (errno != ENOSYS && errno != EPERM) return {};
  // gVisor, systems before Linux 5.6, and container runtimes that forbid what they do not know:
  // component by component, and no link at all.
  if (path == ".") return FileDescriptor(::openat(directory, ".", flags | O_CLOEXEC));
  const auto components = components_of(path);
  if (!components) {
    errno = EXDEV;
    return {};
  }
  FileDescriptor at(::fcntl(directory, F_DUPFD_CLOEXEC, 0));
  for (std::size_t i = 0; at && i + 1 < components->size(); ++i) {
    at = FileDescriptor(::openat(at.get(), (*components)[i].c_str(),
                                 O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  if (!at) return {};
  return FileDescriptor(
      ::openat(at.get(), components->back().c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode));
}

WorkDirEntry to_entry(std::string path, const struct stat& info) {
  WorkDirEntry entry;
  entry.path = std::move(path);
  entry.kind = S_ISREG(info.st_mode)   ? WorkDirEntry::Kind::file
               : S_ISDIR(info.st_mode) ? WorkDirEntry::Kind::directory
                                       : WorkDirEntry::Kind::other;
  entry.size_bytes = static_cast<std::uint64_t>(info.st_size);
  entry.modified_ns = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  entry.inode = info.st_ino;
  entry.mode = info.st_mode & 07777;
  return entry;
}

// The names in an open directory, sorted.
std::vector<std::string> names_in(const FileDescriptor& directory) {
  std::vector<std::string> names;
  DIR* const stream =
      ::fdopendir(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (stream == nullptr) return names;
  const ScopeExit close([&] { ::closedir(stream); });
  while (const dirent* const each = ::readdir(stream)) {
    const std::string_view name = each->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
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

Result<std::pair<FileDescriptor, std::string>> WorkDir::open_parent(std::string_view path,
                                                                    bool make) const {
  const auto components = components_of(path);
  if (!components) return no_path(path);
  FileDescriptor at(::fcntl(directory_.get(), F_DUPFD_CLOEXEC, 0));
  constexpr int kFlags = O_PATH | O_DIRECTORY;
  for (std::size_t i = 0; at && i + 1 < components->size(); ++i) {
    const std::string& name = (*components)[i];
    FileDescriptor next = open_beneath(at.get(), name, kFlags, 0, Links::never);
    if (!next && errno == ENOENT && make) {
      if (::mkdirat(at.get(), name.c_str(), 0777) != 0 && errno != EEXIST) {
        return cannot_reach("make the directory", path, errno);
      }
      next = open_beneath(at.get(), name, kFlags, 0, Links::never);
    }
    at = std::move(next);
  }
  if (!at) return cannot_reach("open", path, errno);
  return std::pair(std::move(at), components->back());
}

Result<std::string> WorkDir::write(std::string_view path, ByteView bytes, mode_t mode) const {
  auto parent = open_parent(path, true);
  if (!parent) return parent.error();
  const auto& [directory, name] = *parent;
  const std::string absolute = path_ + "/" + std::string(path);
  const std::string temporary = ".perijove-" + random_hex(8);
  const FileDescriptor file = open_beneath(
      directory.get(), temporary, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, mode, Links::never);
  if (!file) return cannot("write in", path_, errno);
  bool renamed = false;
  const ScopeExit remove([&, held = directory.get()] {
    if (!renamed) ::unlinkat(held, temporary.c_str(), 0);
  });
  if (!write_all(file.get(), bytes)) return cannot("write", absolute, errno);
  renamed = ::renameat(directory.get(), temporary.c_str(), directory.get(), name.c_str()) == 0;
  if (!renamed) return cannot("write", absolute, errno);
  return absolute;
}

Result<FileDescriptor> WorkDir::open_file(std::string_view path) const {
  if (!components_of(path)) return no_path(path);
  // Not blocking: a pipe that code put there would wait for its writer for ever.
  FileDescriptor file =
      open_beneath(directory_.get(), std::string(path), O_RDONLY | O_NONBLOCK, 0, Links::inside);
  if (!file) return cannot_reach("open", path, errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Error{Code::permission_denied, "'" + std::string(path) + "' is not a regular file"};
  }
  return file;
}

Result<FileDescriptor> WorkDir::create_file(std::string_view path, mode_t mode) const {
  auto parent = open_parent(path, true);
  if (!parent) return parent.error();
  FileDescriptor file = open_beneath(parent->first.get(), parent->second,
                                     O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, mode, Links::never);
  if (!file) return cannot_reach("make", path, errno);
  return file;
}

Result<std::string> WorkDir::read(std::string_view path, std::uint64_t offset,
                                  std::uint64_t length) const {
  const auto file = open_file(path);
  if (!file) return file.error();
  return read_at(*file, offset, length);
}

Result<WorkDirEntry> WorkDir::stat(std::string_view path) const {
  if (!components_of(path)) return no_path(path);
  const FileDescriptor found =
      open_beneath(directory_.get(), std::string(path), O_PATH, 0, Links::inside);
  struct stat info {};
  if (!found || ::fstat(found.get(), &info) != 0) return cannot_reach("look at", path, errno);
  return to_entry(std::string(path), info);
}

Result<std::vector<WorkDirEntry>> WorkDir::list(std::string_view path, bool recursive,
                                                std::size_t entries_max) const {
  if (!path.empty() && !components_of(path)) return no_path(path);
  std::vector<WorkDirEntry> entries;
  std::vector<std::string> waiting = {std::string(path)};
  while (!waiting.empty()) {
    const std::string at = std::move(waiting.back());
    waiting.pop_back();
    const FileDescriptor directory = open_beneath(directory_.get(), at.empty() ? "." : at,
                                                  O_RDONLY | O_DIRECTORY, 0, Links::inside);
    if (!directory) {
      if (at == path) return cannot_reach("list", path, errno);
      continue;  // it went away meanwhile
    }
    for (const std::string& name : names_in(directory)) {
      struct stat info {};
      if (::fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (name.starts_with(".perijove")) continue;
      if (entries.size() == entries_max) {
        return Error{
            Code::resource_exhausted,
            "there are more than " + std::to_string(entries_max) + " files in the work directory"};
      }
      entries.push_back(to_entry(at.empty() ? name : at + "/" + name, info));
      if (recursive && S_ISDIR(info.st_mode)) waiting.push_back(entries.back().path);
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return entries;
}

Result<FileDescriptor> WorkDir::open_itself() const {
  FileDescriptor opened(::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return cannot("open the directory", path_, errno);
  return opened;
}

Result<FileDescriptor> WorkDir::make_directory(const std::string& name) const {
  if (::mkdirat(directory_.get(), name.c_str(), 0777) != 0) {
    return cannot_reach("make the directory", name, errno);
  }
  return open_directory(name);
}

Result<FileDescriptor> WorkDir::open_directory(const std::string& name) const {
  FileDescriptor opened =
      open_beneath(directory_.get(), name, O_RDONLY | O_DIRECTORY, 0, Links::never);
  if (!opened) return cannot_reach("open the directory", name, errno);
  return opened;
}

Result<void> WorkDir::remove(std::string_view path, bool recursive) const {
  // Nobody else can name what lies deeper either, and every level takes a piece of the stack.
  if (path.size() > PATH_MAX) return cannot_reach("remove", path.substr(0, 100), ENAMETOOLONG);
  std::vector<std::string> names;
  {
    const auto parent = open_parent(path, false);
    if (!parent) return parent.error();
    const auto& [directory, name] = *parent;
    if (::unlinkat(directory.get(), name.c_str(), 0) == 0) return {};
    if (errno != EISDIR && errno != EPERM) return cannot_reach("remove", path, errno);
    if (recursive) {
      const FileDescriptor inside =
          open_beneath(directory.get(), name, O_RDONLY | O_DIRECTORY, 0, Links::never);
      if (!inside) return cannot_reach("remove", path, errno);
      names = names_in(inside);
    }
  }  // no descriptor is held on the way down: the directories may be nested more deeply than those
  for (const std::string& each : names) {
    const auto removed = remove(std::string(path) + "/" + each, true);
    if (!removed) return removed;
  }
  const auto parent = open_parent(path, false);
  if (!parent) return parent.error();
  if (::unlinkat(parent->first.get(), parent->second.c_str(), AT_REMOVEDIR) == 0) return {};
  return cannot_reach("remove", path, errno);
}

Result<std::string> read_at(const FileDescriptor& file, std::uint64_t offset,
                            std::uint64_t length) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return cannot("read", "a file", errno);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  std::string bytes(std::min(length, size > offset ? size - offset : 0), '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::pread(file.get(), bytes.data() + have, bytes.size() - have,
                                static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot("read", "a file", errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
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
