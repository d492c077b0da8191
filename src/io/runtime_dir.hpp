#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// The directory of one running gateway, `<base>/<pid>` (`<pid>-2` and so on when that exists),
/// 0700: its kernels' sockets and connection files, and a record of every process it started.
/// Removed with this object. A lock that dies with the process tells a later gateway which
/// directories nobody owns any more.
class RuntimeDir {
 public:
  /// Where gateways of this user keep theirs: `$XDG_RUNTIME_DIR/perijove`, else
  /// `/tmp/perijove-<uid>`. Short on purpose: a socket's path has 107 bytes in all.
  static std::string default_base();

  /// Makes `base` and the instance's directory in it. Errors: permission_denied when `base` is not
  /// this user's own directory of mode 0700 (anybody else could then plant sockets in it).
  static Result<RuntimeDir> create(const std::string& base);

  RuntimeDir(RuntimeDir&&) noexcept = default;
  RuntimeDir& operator=(RuntimeDir&&) = delete;
  ~RuntimeDir();

  const std::string& path() const { return path_; }

  /// Makes a 0700 directory for one launch of a kernel, with a name that was never used before.
  Result<std::string> make_kernel_dir(const std::string& kernel_id);
  static void remove_kernel_dir(const std::string& directory);
  /// Removes what is in it. Links in there are removed, and not followed.
  static void clear_kernel_dir(const std::string& directory);

  /// Remembers on disk that this process is ours, and forgets it again.
  /// `marker` ("NAME=value") stands in its environment and so in that of what it starts.
  void record_process(pid_t pid, const std::string& marker = {});
  void forget_process(pid_t pid);

  /// What a gateway that was killed left behind.
  struct Stray {
    std::string directory;
    std::vector<pid_t> processes;  ///< Still running, the same process as was recorded.
  };
  static std::vector<Stray> find_strays(const std::string& base);
  /// Ends those processes with their groups and removes the directory.
  static void remove_stray(const Stray& stray);

 private:
  RuntimeDir(std::string path, FileDescriptor lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;  // empty when moved from
  FileDescriptor lock_;
  unsigned launches_ = 0;
};

}  // namespace perijove
