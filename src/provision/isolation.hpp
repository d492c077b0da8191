#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace perijove {

/// A directory or file of this machine that a kernel sees.
struct Mount {
  std::string source;  ///< Absolute path on this machine.
  std::string target;  ///< Absolute path as the kernel sees it.
  bool read_only = true;

  bool operator==(const Mount&) const = default;
};

/// What a caller wants a kernel kept from, beside its ProcessLimits.
struct IsolationRequest {
  /// none, sandbox, docker; empty: the gateway's or the kernelspec's.
  std::string kind;
  /// none, host, or a name that the provisioner knows; empty: the provisioner's own default.
  std::string network;
  std::vector<Mount> mounts = {};
  /// The JSON text of an object: what only one provisioner knows (image, tmpfs size ...).
  std::string options = "{}";

  bool operator==(const IsolationRequest&) const = default;
};

/// A limit and what holds it, for those who must rely on it.
struct HeldLimit {
  std::string name;  ///< memory, processes, cpus, file_size, open_files, tmp_size ...
  std::uint64_t value = 0;
  std::string unit;     ///< bytes, processes, milli-cpus, seconds, files.
  std::string held_by;  ///< "cgroup v1", "RLIMIT_DATA", "docker" ...
};

/// What keeps one kernel from the machine and from other kernels, as it really is.
struct IsolationReport {
  std::string kind;     ///< none, sandbox, docker, docker+gvisor. Never more than is true.
  std::string network;  ///< none, host, or a name: what it can reach.
  std::vector<HeldLimit> limits = {};
  /// What a reader would believe wrongly without being told, one sentence each.
  std::vector<std::string> notes = {};
};

}  // namespace perijove
