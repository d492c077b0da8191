#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/work_dir.hpp"
#include "provision/kernel_place.hpp"

namespace perijove {

/// Keeps a session's work directory and that of a kernel which sees another one alike: what the
/// gateway's side has new goes there before a block, what the kernel's side has new comes here
/// after it. Of a change on both sides the one that is carried last wins. Links and special files
/// stay where they are, as do files beyond kFileBytesMax.
class RemoteFiles {
 public:
  static constexpr std::uint64_t kFileBytesMax = std::uint64_t{64} * 1024 * 1024;
  static constexpr std::uint64_t kAllBytesMax = std::uint64_t{512} * 1024 * 1024;
  using Done = std::function<void(Result<void>)>;

  /// `directory` must outlive this object.
  RemoteFiles(const WorkDir& directory, std::shared_ptr<KernelPlace> place)
      : directory_(directory), place_(std::move(place)) {}

  const std::shared_ptr<KernelPlace>& place() const { return place_; }

  /// `done` may be called during the call, and is not called any more when this object is gone.
  /// Errors: those of the place; resource_exhausted beyond kAllBytesMax, when what has come until
  /// then is kept.
  void push(Done done);
  void pull(Done done);

 private:
  struct Seen {
    std::uint64_t size_bytes = 0;
    std::int64_t modified_ns = 0;
    std::uint64_t inode = 0;
    bool operator==(const Seen&) const = default;
  };
  class Unpacking;

  static Seen seen(const WorkDirEntry& entry);
  void forget_removed(const std::vector<WorkDirEntry>& entries);
  void remove_gone(const std::map<std::string, bool>& there);

  const WorkDir& directory_;
  std::shared_ptr<KernelPlace> place_;
  std::map<std::string, Seen> here_;          // files as both sides have them: on this side,
  std::map<std::string, std::string> there_;  // and the digests of what the other has
  std::shared_ptr<void> pulling_;
  std::unique_ptr<RunningCommand> removing_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace perijove
