#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/start_process.hpp"
#include "perijove/result.hpp"
#include "provision/isolation.hpp"

namespace perijove {

/// A cgroup that this process is in, where one of its own may be made for a kernel.
struct CgroupPlace {
  int version = 1;
  std::vector<std::string>
      controllers;  ///< Of memory, pids and cpu. v2: filled by usable_cgroups().
  std::string directory;
};

/// The places that /proc/self/cgroup and /proc/self/mountinfo tell of, v1, v2 or both (hybrid).
std::vector<CgroupPlace> parse_cgroup_places(std::string_view self_cgroup,
                                             std::string_view mountinfo);

/// Those of this process in which it may make cgroups, tried by making one. On v2 the controllers
/// are switched on for them, for which a process that has its cgroup to itself moves into a leaf of
/// it, `perijove-gateway`: v2 allows no processes beside cgroups. Also removes what gateways that
/// have ended left there.
std::vector<CgroupPlace> usable_cgroups();

/// The cgroups of one kernel, one in each place that a limit needs. Removed with this object; by
/// then its processes must be gone.
class KernelCgroups {
 public:
  /// Holds what of `limits` can be held, and resets it there; says so in `report`. Nothing to hold,
  /// or nothing that can: an object without directories.
  static std::unique_ptr<KernelCgroups> make(const std::vector<CgroupPlace>& places,
                                             ProcessLimits& limits, IsolationReport& report);
  ~KernelCgroups();

  const std::vector<std::string>& directories() const { return directories_; }
  /// Processes in them that were killed because the memory limit was reached; nullopt where memory
  /// is not limited by them.
  std::optional<std::uint64_t> oom_kills() const;

 private:
  KernelCgroups() = default;

  std::vector<std::string> directories_;
  std::string oom_file_;
};

}  // namespace perijove
