#pragma once

#include <string>
#include <vector>

#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// Where checkpoints lie on disk: directories of mode 0700 below a base that several gateways of
/// one user share. Those that go with their session are in a directory of this gateway, whose lock
/// dies with it; those to be kept are in `kept`. A checkpoint is made under another name and then
/// renamed, so that none is ever seen half made. Any thread, one at a time; every call takes as
/// long as the disk does.
class CheckpointShelf {
 public:
  /// `$XDG_STATE_HOME/perijove`, else `~/.local/state/perijove`, else `/var/tmp/perijove-UID`.
  static std::string default_base();

  /// Makes `base` and this gateway's directory in it, and removes what gateways that are gone have
  /// left but not kept. Errors: permission_denied when `base` is not this user's own directory that
  /// nobody else may write to; unavailable.
  static Result<CheckpointShelf> open(const std::string& base);

  CheckpointShelf(CheckpointShelf&&) noexcept = default;
  CheckpointShelf& operator=(CheckpointShelf&&) = delete;
  /// Removes this gateway's directory; kept checkpoints stay.
  ~CheckpointShelf();

  const std::string& base() const { return base_; }

  /// A new empty directory that nobody sees as a checkpoint yet.
  Result<std::string> begin(const std::string& id);
  /// Its contents reach the disk, and from now on it is the checkpoint `id`: returns its directory.
  Result<std::string> commit(const std::string& made, const std::string& id, bool keep);
  /// From now on it is none; the directory that is left is to be removed with discard().
  static Result<std::string> withdraw(const std::string& directory);
  /// Removes a directory with all that is in it.
  static void discard(const std::string& directory);

  /// Directories of the checkpoints that are kept, whichever gateway made them.
  std::vector<std::string> kept() const;

 private:
  CheckpointShelf(std::string base, std::string own, FileDescriptor lock)
      : base_(std::move(base)), own_(std::move(own)), lock_(std::move(lock)) {}

  std::string base_;
  std::string own_;  // empty when moved from
  FileDescriptor lock_;
};

}  // namespace perijove
