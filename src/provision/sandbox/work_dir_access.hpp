#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// A POSIX access control list, as the extended attributes system.posix_acl_* hold it
/// (include/uapi/linux/posix_acl_xattr.h).
class AccessList {
 public:
  /// What the permission bits of `mode` say.
  static AccessList from_mode(mode_t mode);
  /// nullopt for bytes that are none.
  static std::optional<AccessList> parse(std::string_view bytes);
  std::string bytes() const;

  /// Users that are named beside the owner.
  std::vector<uid_t> named_users() const;
  /// Gives `uid` these permissions (4 read, 2 write, 1 execute or search), and leaves what all
  /// others may do as it is.
  void allow(uid_t uid, std::uint16_t permissions);
  void remove(uid_t uid);
  /// For a file that gets another group, which may then do nothing: what its group might do, group
  /// `to` may (nullopt: nobody).
  void move_group(std::optional<gid_t> to);

 private:
  struct Entry {
    std::uint16_t tag = 0;
    std::uint16_t permissions = 0;
    std::uint32_t id = 0;
  };
  void sort();

  std::vector<Entry> entries_;
};

/// The first user whom the access list of an open directory names and `of` accepts.
std::optional<uid_t> user_with_access(const FileDescriptor& directory,
                                      const std::function<bool(uid_t)>& of);

/// Lets `uid` read and write what is in an open directory (O_PATH is enough), now and later,
/// however it comes there: by entries in the access lists of the directories and regular files
/// below it, and in the default lists that new ones inherit. Owners and modes stay; the directory's
/// owner gets the same entry, so that what `uid` makes is not lost to it. Entries of users whom
/// `is_stale` accepts are removed. Goes through the tree only when the directory itself lacks the
/// entry; a file with further names (hard links) and other file systems below are left as they are.
///
/// Errors: failed_precondition when the file system has no such lists, resource_exhausted beyond
/// `entries_max`, permission_denied.
Result<void> grant_access(const FileDescriptor& directory, const std::string& name, uid_t uid,
                          const std::function<bool(uid_t)>& is_stale,
                          std::size_t entries_max = 100'000);

/// Makes `gid` the group of what is in an open directory, now and later, for a kernel of that group
/// behind gVisor: that knows owner, group and permission bits, but no access lists. The bits of a
/// group show what everybody named in a list may do at most, so behind gVisor the kernel may what
/// grant_access() gave its user, which must have been called before; outside, the group by itself
/// may nothing. The group that a file had keeps its rights by an entry, unless `is_stale` accepts
/// it. Otherwise, and in its errors, as grant_access().
Result<void> hand_to_group(const FileDescriptor& directory, const std::string& name, gid_t gid,
                           const std::function<bool(gid_t)>& is_stale,
                           std::size_t entries_max = 100'000);

}  // namespace perijove
