#include "provision/sandbox/work_dir_access.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace perijove {
namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kNoId = 0xffffffff;
constexpr std::uint16_t kOwner = 0x01, kUser = 0x02, kGroupOwner = 0x04, kGroup = 0x08,
                        kMask = 0x10, kOther = 0x20;
constexpr std::uint16_t kAll = 07, kReadWrite = 06;
constexpr int kDepthMax = 100;  // each holds a descriptor
constexpr std::size_t kNameShown = 200;
constexpr char kAccess[] = "system.posix_acl_access";
constexpr char kDefault[] = "system.posix_acl_default";
constexpr std::size_t kHeaderBytes = 4;
constexpr std::size_t kEntryBytes = 8;

// Little-endian, whatever the machine is.
void put(std::string& bytes, std::uint32_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
}
std::uint32_t get(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = size; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

// By way of /proc: what is open with O_PATH has attributes, too, but not by its descriptor.
std::string by_descriptor(const FileDescriptor& file) {
  return "/proc/self/fd/" + std::to_string(file.get());
}

std::optional<AccessList> read_list(const FileDescriptor& file, const char* which) {
  std::string bytes(64 * 1024, '\0');
  const ssize_t size = getxattr(by_descriptor(file).c_str(), which, bytes.data(), bytes.size());
  if (size < 0) return std::nullopt;
  return AccessList::parse(std::string_view(bytes).substr(0, static_cast<std::size_t>(size)));
}

Result<void> write_list(const FileDescriptor& file, const std::string& name, const char* which,
                        const AccessList& list) {
  const std::string bytes = list.bytes();
  if (setxattr(by_descriptor(file).c_str(), which, bytes.data(), bytes.size(), 0) == 0) return {};
  if (errno == ENOTSUP) {
    return Error{Code::failed_precondition,
                 "the file system of " + name +
                     " has no access control lists, so that a sandboxed kernel of a gateway that "
                     "is root cannot write there; run the gateway as another user, or name another "
                     "work directory"};
  }
  return Error{errno == EPERM || errno == EACCES || errno == EROFS ? Code::permission_denied
                                                                   : Code::unavailable,
               "cannot let a sandboxed kernel write to " + name + ": " + std::strerror(errno)};
}

Error cannot(const std::string& what, const std::string& name) {
  return {Code::unavailable, "cannot " + what + " " + name + ": " + std::strerror(errno)};
}

// Goes through the directories and regular files of a tree, from the inside out: who finds the
// outermost done may rely on the rest.
class TreeWalk {
 public:
  using Visit = std::function<Result<void>(const FileDescriptor& file, const std::string& name,
                                           const struct stat& status)>;
  TreeWalk(Visit visit, std::size_t entries_max)
      : visit_(std::move(visit)), entries_left_(entries_max) {}

  Result<void> start(const FileDescriptor& directory, const std::string& name) {
    struct stat status {};
    if (fstat(directory.get(), &status) != 0) return cannot("look at", name);
    device_ = status.st_dev;
    return to_directory(directory, name, status);
  }

 private:
  Result<void> to_directory(const FileDescriptor& directory, const std::string& name,
                            const struct stat& status) {
    if (depth_ > kDepthMax) {
      return Error{Code::resource_exhausted,
                   "directories below " + name.substr(0, kNameShown) + "... are nested too deeply"};
    }
    if (status.st_dev != device_) return {};
    ++depth_;
    const auto below = to_contents(directory, name);
    --depth_;
    if (!below) return below;
    return visit_(directory, name, status);
  }

  Result<void> to_contents(const FileDescriptor& directory, const std::string& name) {
    const int readable =
        openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(readable < 0 ? nullptr : fdopendir(readable),
                                                     closedir);
    if (!stream) return cannot("read", name);
    while (const dirent* const entry = readdir(stream.get())) {
      const std::string_view part = entry->d_name;
      if (part == "." || part == "..") continue;
      if (entries_left_-- == 0) {
        return Error{Code::resource_exhausted,
                     "too many files below " + name +
                         " to let a sandboxed kernel write to them all; name a smaller work "
                         "directory"};
      }
      // O_PATH: looking at a device or pipe must not open it.
      const FileDescriptor below(
          openat(directory.get(), entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
      struct stat status {};
      if (!below || fstat(below.get(), &status) != 0) continue;  // gone meanwhile
      const std::string path = name + "/" + entry->d_name;
      Result<void> done;
      if (S_ISDIR(status.st_mode)) {
        done = to_directory(below, path, status);
      } else if (S_ISREG(status.st_mode) && status.st_nlink == 1) {
        done = visit_(below, path, status);
      }
      if (!done) return done;
    }
    return {};
  }

  Visit visit_;
  std::size_t entries_left_;
  int depth_ = 0;
  dev_t device_ = 0;
};

AccessList access_of(const FileDescriptor& file, const struct stat& status) {
  return read_list(file, kAccess).value_or(AccessList::from_mode(status.st_mode));
}
AccessList inherited_of(const FileDescriptor& directory, const struct stat& status) {
  return read_list(directory, kDefault)
      .value_or(AccessList::from_mode(status.st_mode & ~mode_t{07000}));
}

// grant_access() for one file.
class Grant {
 public:
  Grant(uid_t uid, const std::function<bool(uid_t)>& is_stale) : uid_(uid), is_stale_(is_stale) {}

  Result<void> operator()(const FileDescriptor& file, const std::string& name,
                          const struct stat& status) const {
    const bool directory = S_ISDIR(status.st_mode);
    if (directory) {
      AccessList inherited = inherited_of(file, status);
      change(inherited, kAll);
      if (!is_stale_(status.st_uid)) inherited.allow(status.st_uid, kAll);
      if (auto set = write_list(file, name, kDefault, inherited); !set) return set;
    }
    AccessList list = access_of(file, status);
    change(list, directory || (status.st_mode & S_IXUSR) != 0 ? kAll : kReadWrite);
    return write_list(file, name, kAccess, list);
  }

 private:
  void change(AccessList& list, std::uint16_t permissions) const {
    for (const uid_t named : list.named_users()) {
      if (named != uid_ && is_stale_(named)) list.remove(named);
    }
    list.allow(uid_, permissions);
  }

  uid_t uid_;
  const std::function<bool(uid_t)>& is_stale_;
};

// hand_to_group() for one file.
class HandOver {
 public:
  HandOver(gid_t gid, const std::function<bool(gid_t)>& is_stale)
      : gid_(gid), is_stale_(is_stale) {}

  Result<void> operator()(const FileDescriptor& file, const std::string& name,
                          const struct stat& status) const {
    if (status.st_gid == gid_) return {};
    const bool directory = S_ISDIR(status.st_mode);
    const auto change = [&](AccessList list, const char* which) {
      list.move_group(is_stale_(status.st_gid) ? std::nullopt : std::optional(status.st_gid));
      return write_list(file, name, which, list);
    };
    if (directory) {
      if (auto set = change(inherited_of(file, status), kDefault); !set) return set;
    }
    if (auto set = change(access_of(file, status), kAccess); !set) return set;
    constexpr uid_t kSameOwner = static_cast<uid_t>(-1);
    if (fchownat(file.get(), "", kSameOwner, gid_, AT_EMPTY_PATH) != 0 ||
        (directory &&
         chmod(by_descriptor(file).c_str(), (status.st_mode & mode_t{07777}) | S_ISGID) != 0)) {
      return cannot("change the group of", name);
    }
    return {};
  }

 private:
  gid_t gid_;
  const std::function<bool(gid_t)>& is_stale_;
};

}  // namespace

AccessList AccessList::from_mode(mode_t mode) {
  const auto bits = [mode](int shift) { return static_cast<std::uint16_t>(mode >> shift & 07); };
  AccessList list;
  list.entries_ = {
      {kOwner, bits(6), kNoId}, {kGroupOwner, bits(3), kNoId}, {kOther, bits(0), kNoId}};
  return list;
}

std::optional<AccessList> AccessList::parse(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || (bytes.size() - kHeaderBytes) % kEntryBytes != 0 ||
      get(bytes, 0, 4) != kVersion) {
    return std::nullopt;
  }
  AccessList list;
  for (std::size_t at = kHeaderBytes; at < bytes.size(); at += kEntryBytes) {
    list.entries_.push_back({static_cast<std::uint16_t>(get(bytes, at, 2)),
                             static_cast<std::uint16_t>(get(bytes, at + 2, 2)),
                             get(bytes, at + 4, 4)});
  }
  return list;
}

std::string AccessList::bytes() const {
  std::string bytes;
  put(bytes, kVersion, 4);
  for (const Entry& entry : entries_) {
    put(bytes, entry.tag, 2);
    put(bytes, entry.permissions, 2);
    put(bytes, entry.id, 4);
  }
  return bytes;
}

std::vector<uid_t> AccessList::named_users() const {
  std::vector<uid_t> users;
  for (const Entry& entry : entries_) {
    if (entry.tag == kUser) users.push_back(entry.id);
  }
  return users;
}

// The mask bounds every named entry and the group. It may have to be widened for the new one, so
// what it kept from the others is first taken from them.
void AccessList::allow(uid_t uid, std::uint16_t permissions) {
  std::uint16_t bound = kAll;
  for (const Entry& entry : entries_) {
    if (entry.tag == kMask) bound = entry.permissions;
  }
  std::erase_if(entries_, [uid](const Entry& entry) {
    return entry.tag == kMask || (entry.tag == kUser && entry.id == uid);
  });
  entries_.push_back({kUser, permissions, uid});
  std::uint16_t mask = permissions;
  for (Entry& entry : entries_) {
    if (entry.tag != kUser && entry.tag != kGroupOwner && entry.tag != kGroup) continue;
    if (entry.tag != kUser || entry.id != uid) entry.permissions &= bound;
    mask |= entry.permissions;
  }
  entries_.push_back({kMask, mask, kNoId});
  sort();
}

void AccessList::remove(uid_t uid) {
  std::erase_if(entries_,
                [uid](const Entry& entry) { return entry.tag == kUser && entry.id == uid; });
}

void AccessList::move_group(std::optional<gid_t> to) {
  std::uint16_t moved = 0;
  bool bounded = false;
  bool listed = false;
  for (Entry& entry : entries_) {
    if (entry.tag == kGroupOwner) moved = std::exchange(entry.permissions, std::uint16_t{0});
    bounded = bounded || entry.tag == kMask;
    listed = listed || (entry.tag == kGroup && entry.id == to);
  }
  if (!to || listed) return;
  entries_.push_back({kGroup, moved, *to});
  if (!bounded) entries_.push_back({kMask, moved, kNoId});
  sort();
}

void AccessList::sort() {
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.tag, a.id) < std::pair(b.tag, b.id);
  });
}

std::optional<uid_t> user_with_access(const FileDescriptor& directory,
                                      const std::function<bool(uid_t)>& of) {
  const auto list = read_list(directory, kAccess);
  if (!list) return std::nullopt;
  const auto users = list->named_users();
  const auto found = std::find_if(users.begin(), users.end(), of);
  return found == users.end() ? std::nullopt : std::optional(*found);
}

Result<void> grant_access(const FileDescriptor& directory, const std::string& name, uid_t uid,
                          const std::function<bool(uid_t)>& is_stale, std::size_t entries_max) {
  if (user_with_access(directory, [uid](uid_t named) { return named == uid; })) return {};
  return TreeWalk(Grant(uid, is_stale), entries_max).start(directory, name);
}

Result<void> hand_to_group(const FileDescriptor& directory, const std::string& name, gid_t gid,
                           const std::function<bool(gid_t)>& is_stale, std::size_t entries_max) {
  struct stat status {};
  if (fstat(directory.get(), &status) != 0) return cannot("look at", name);
  if (status.st_gid == gid) return {};
  return TreeWalk(HandOver(gid, is_stale), entries_max).start(directory, name);
}

}  // namespace perijove
