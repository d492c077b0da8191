#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"
#include "protocol/sha256.hpp"

namespace perijove {

/// How much a copy may take; resource_exhausted beyond it.
struct CopyBounds {
  std::uint64_t bytes_max = UINT64_MAX;
  std::size_t entries_max = SIZE_MAX;
};

struct CopiedTree {
  std::uint64_t bytes = 0;  ///< Of regular files.
  std::size_t entries = 0;  ///< Files, links and directories.
  /// What was no file, link or directory, or on another file system: its path and why.
  std::vector<std::string> left_out;
};

/// Copies what is in the open directory `from` into the open directory `to`, which is empty. Code
/// that nobody trusts may change `from` meanwhile: each name is opened beneath its own directory
/// and no link is ever followed, so that nothing from elsewhere gets into the copy. Links are
/// copied as links, a file with several names becomes several files; where the file system can,
/// both share their blocks until one is written to. Permissions (without setuid and the like) and
/// times stay, and owners where this process may give files away. Names at the top that begin with
/// `.perijove` are the gateway's own, and are passed over.
///
/// Blocks for as long as the disks take; any thread. Errors: resource_exhausted (a bound, a full
/// disk), permission_denied (a file that cannot be read), aborted (`stopped` was set), unavailable.
/// Then `to` holds a part.
Result<CopiedTree> blocking_copy_tree(const FileDescriptor& from, const FileDescriptor& to,
                                      const CopyBounds& bounds, const std::atomic<bool>& stopped);

/// Copies an open regular file from its beginning, and adds what was copied to `digest`: whoever
/// still writes to `from` does not change what the digest is of. Returns how many bytes. Otherwise
/// as above.
Result<std::uint64_t> blocking_copy_file(const FileDescriptor& from, const FileDescriptor& to,
                                         std::uint64_t bytes_max, Sha256& digest,
                                         const std::atomic<bool>& stopped);

/// Moves everything in the open directory `from` into the open directory `to` of the same file
/// system, but names that begin with `.perijove`. What cannot be moved ends it: unavailable; what
/// was moved by then has been moved.
Result<void> move_entries(const FileDescriptor& from, const FileDescriptor& to);

/// Removes an open directory's contents, whatever they are; what cannot be removed stays. `parent`
/// holds it under `name`, which goes as well. No link is followed.
void blocking_remove_tree(const FileDescriptor& parent, const std::string& name);

}  // namespace perijove
