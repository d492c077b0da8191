#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/own_share.hpp"
#include "perijove/result.hpp"
#include "protocol/kernelspec.hpp"

namespace perijove {

/// The kernelspecs of a search path as they were at one moment. Immutable, so that every request
/// works on one consistent picture; share it freely between threads.
class KernelspecCatalogue {
 public:
  struct Entry {
    Kernelspec spec;
    std::vector<std::string> files;  ///< Names of the regular files in the resource directory.
  };
  /// A directory that looks like a kernelspec and is not one.
  struct Fault {
    std::string path;  ///< Of the kernel.json or the directory.
    std::string reason;
  };

  /// Reads the directories, first one wins. What cannot be read becomes a Fault and hides nothing:
  /// not its neighbours, and not a sound kernelspec of the same name further down the path. Where
  /// nobody has a `python3`, not even a broken one, our Python kernel is that: clients ask for it
  /// by that name, and Jupyter has ipykernel for it. Blocks.
  static KernelspecCatalogue blocking_scan(KernelspecPath path);

  /// The kernelspec of that name in any case; else, for a language ("python", "R"), the kernelspec
  /// that speaks it: `python3` for Python, otherwise the first in the alphabet. (OpenHands asks for
  /// `python`.) not_found names the closest names, or why that kernelspec could not be read, and
  /// where was searched. The pointer lives as long as the catalogue.
  Result<const Entry*> find(std::string_view name) const;

  /// `python3`, else the first in the alphabet that speaks Python, else the first; empty when there
  /// is none.
  std::string default_name() const;

  /// The model of GET /api/kernelspecs: `default` and `kernelspecs`. `base_url` ends with a slash.
  std::string rest_model(std::string_view default_name, std::string_view base_url) const;

  const std::map<std::string, Entry>& entries() const { return entries_; }
  const std::vector<Fault>& faults() const { return faults_; }
  const std::vector<std::string>& directories() const { return path_.directories; }

 private:
  /// What is wrong with the kernelspec of that name, in lower case; nullptr: nothing is known.
  const Fault* fault_of(const std::string& name) const;

  KernelspecPath path_;
  std::map<std::string, Entry> entries_;
  std::vector<Fault> faults_;
};

/// Keeps the catalogue of one search path up to date. Thread-safe.
class Kernelspecs {
 public:
  /// Scans once. Blocks.
  explicit Kernelspecs(KernelspecPath path);

  /// The catalogue of the last scan; never touches the disk.
  std::shared_ptr<const KernelspecCatalogue> current() const;

  /// Looks whether a directory or a kernel.json of the search path has changed, scans again if so,
  /// and returns what is now current. A few stat calls per kernelspec when nothing changed. Blocks.
  std::shared_ptr<const KernelspecCatalogue> blocking_refresh();

 private:
  const KernelspecPath path_;
  mutable std::mutex mutex_;
  std::string fingerprint_;  // guarded by mutex_, as the next one
  std::shared_ptr<const KernelspecCatalogue> catalogue_;
};

/// Largest kernelspec resource that is served, in bytes: logos and small scripts.
inline constexpr std::size_t kKernelspecResourceBytesMax = std::size_t{8} * 1024 * 1024;

/// The contents of a file in a kernelspec's resource directory, for GET /kernelspecs/NAME/PATH.
/// permission_denied: a path that leaves the directory, by `..`, as an absolute path or through a
/// symbolic link. not_found: no regular file there. resource_exhausted: larger than the limit.
/// Blocks.
Result<std::string> blocking_read_resource(const Kernelspec& spec, std::string_view path);

}  // namespace perijove
