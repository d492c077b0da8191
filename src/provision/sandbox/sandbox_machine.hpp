#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/runtime_dir.hpp"
#include "provision/sandbox/cgroup.hpp"
#include "provision/sandbox/mount_policy.hpp"
#include "provision/sandbox/sandbox_provisioner.hpp"
#include "provision/sandbox/uid_pool.hpp"

namespace perijove {

/// What this machine has for sandboxes, found out once and used by every launch.
struct SandboxMachine {
  SandboxMachine(RuntimeDir& runtime_dir, SandboxOptions wanted);

  SandboxOptions options;
  std::string bwrap;  ///< Path; empty: there is none.
  bool knows_disable_userns = false;
  Result<std::string> filter;  ///< make_seccomp_filter()
  std::vector<CgroupPlace> cgroups;
  std::optional<UidPool> uids;  ///< Where the gateway is root.
  MountPolicy policy;
  /// As in SandboxPlan.
  std::vector<std::pair<std::string, std::string>> system_links;
  std::vector<std::string> system_directories;
};

/// Where the user who runs this lives, whatever the environment says; empty: nowhere.
std::string home_of_this_user();

}  // namespace perijove
