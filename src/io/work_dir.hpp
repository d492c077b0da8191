#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.hpp"
#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// A directory that receives files made of what code put out. The code may have it as its current
/// directory and plant links in it, so nothing here ever follows one: the directory is held open
/// from the first moment, names are single components, and a file comes about under a name of its
/// own (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, O_EXCL) and is then renamed.
class WorkDir {
 public:
  /// Opens `path`, and makes it and what is missing above it. Errors: permission_denied,
  /// already_exists (a file is in the way), unavailable.
  static Result<WorkDir> open(const std::string& path);

  /// Absolute, as it was when opened.
  const std::string& path() const { return path_; }

  /// Writes a file whole or not at all, in place of what has that name (a link is replaced, never
  /// followed), and returns its absolute path. `name` is one component; invalid_argument otherwise.
  /// Readers see the old file or the new one; after a crash of the machine it may be either.
  /// `mode` is what the umask takes from.
  Result<std::string> write(std::string_view name, ByteView bytes, mode_t mode = 0666) const;

 private:
  WorkDir(std::string path, FileDescriptor directory)
      : path_(std::move(path)), directory_(std::move(directory)) {}

  std::string path_;
  FileDescriptor directory_;
};

/// WorkDir::write for a file that the user named; makes the directories above it.
Result<void> write_file_atomically(const std::string& path, ByteView bytes);

}  // namespace perijove
