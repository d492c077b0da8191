#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// A file or directory beneath a work directory.
struct WorkDirEntry {
  enum class Kind { file, directory, other };
  std::string path;  ///< Relative to the work directory, with `/` between components.
  Kind kind = Kind::file;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_ns = 0;  ///< Since 1970.
  std::uint64_t inode = 0;
  mode_t mode = 0;  ///< Permission bits.
};

/// A directory that receives files made of what code put out, and the files of code that runs in
/// it. The code may have it as its current directory and plant links in it, so nothing here leaves
/// it: the directory is held open from the first moment, and the system resolves every path beneath
/// it (openat2 with RESOLVE_BENEATH). Writing follows no link at all: a file comes about under a
/// name of its own (O_EXCL) and is then renamed. Reading follows links that stay inside.
///
/// Paths are relative; invalid_argument for an empty or absolute one, or one with `..` or NUL in
/// it. Every call blocks for as long as the disk takes.
class WorkDir {
 public:
  /// Opens `path`, and makes it and what is missing above it. Errors: permission_denied,
  /// already_exists (a file is in the way), unavailable.
  static Result<WorkDir> open(const std::string& path);

  /// Absolute, as it was when opened.
  const std::string& path() const { return path_; }

  /// Writes a file whole or not at all, in place of what has that name (a link is replaced, never
  /// followed), and returns its absolute path. Makes the directories above it. Readers see the old
  /// file or the new one; after a crash of the machine it may be either. `mode` is what the umask
  /// takes from. resource_exhausted: the disk is full.
  Result<std::string> write(std::string_view path, ByteView bytes, mode_t mode = 0666) const;

  /// Opens a regular file to read. not_found; permission_denied for a path that leaves the
  /// directory and for what is no regular file.
  Result<FileDescriptor> open_file(std::string_view path) const;
  /// Makes a file that did not exist and opens it to read and write; already_exists otherwise.
  Result<FileDescriptor> create_file(std::string_view path, mode_t mode = 0666) const;
  /// At most `length` bytes of a file from `offset`.
  Result<std::string> read(std::string_view path, std::uint64_t offset = 0,
                           std::uint64_t length = UINT64_MAX) const;
  Result<WorkDirEntry> stat(std::string_view path) const;
  /// What is in a directory (empty path: this one), by path; with `recursive` also what is below.
  /// Directories whose name begins with `.perijove` are left out. resource_exhausted when there are
  /// more than `entries_max`.
  Result<std::vector<WorkDirEntry>> list(std::string_view path, bool recursive,
                                         std::size_t entries_max) const;
  /// The directory itself, to be read and to have things moved in it.
  Result<FileDescriptor> open_itself() const;
  /// Makes a directory at the top and opens it, or opens one that is there; no link is followed.
  Result<FileDescriptor> make_directory(const std::string& name) const;
  Result<FileDescriptor> open_directory(const std::string& name) const;
  /// Removes a file, a link or an empty directory; with `recursive` a directory with all below it.
  /// failed_precondition: the directory is not empty.
  Result<void> remove(std::string_view path, bool recursive = false) const;

 private:
  /// The directory that `path` is in, made where missing if `make`, and the last component.
  Result<std::pair<FileDescriptor, std::string>> open_parent(std::string_view path,
                                                             bool make) const;

  WorkDir(std::string path, FileDescriptor directory)
      : path_(std::move(path)), directory_(std::move(directory)) {}

  std::string path_;
  FileDescriptor directory_;
};

/// At most `length` bytes of an open regular file from `offset`.
Result<std::string> read_at(const FileDescriptor& file, std::uint64_t offset, std::uint64_t length);

/// WorkDir::write for a file that the user named; makes the directories above it.
Result<void> write_file_atomically(const std::string& path, ByteView bytes);

}  // namespace perijove
