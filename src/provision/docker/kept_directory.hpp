#pragma once

#include <string>
#include <vector>

#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"

namespace perijove::docker {

/// The kernel directory of a container that outlives its kernels. A container has its mounts for
/// life, so the directory must be there whenever the container is started or copied from: it lies
/// beside the gateways' runtime directories, empty while nobody uses it. A lock that dies with the
/// process keeps two gateways or kernels from using one container at a time.
class KeptDirectory {
 public:
  /// Makes or finds that of container `name` of `daemon` below `base`, empty. Errors:
  /// already_exists while another kernel has it, unavailable.
  static Result<KeptDirectory> take(const std::string& base, const std::string& daemon,
                                    const std::string& name);
  KeptDirectory(KeptDirectory&&) noexcept = default;
  KeptDirectory& operator=(KeptDirectory&&) = delete;
  /// Empties it.
  ~KeptDirectory();

  const std::string& path() const { return path_; }

  static bool is_taken(const std::string& base, const std::string& name);
  /// Removes those of `daemon` below `base` whose container is not among `names`, which are all
  /// that it has, and which nobody has taken.
  static void remove_orphans(const std::string& base, const std::string& daemon,
                             const std::vector<std::string>& names);

 private:
  KeptDirectory(std::string path, FileDescriptor lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  FileDescriptor lock_;
};

}  // namespace perijove::docker
