#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "perijove/result.hpp"

namespace perijove {

/// What a process and each of its children may take. nullopt: what this process may.
struct ProcessLimits {
  /// Writable memory of its own (RLIMIT_DATA): what it asked for, not address space that it merely
  /// set aside, which threads and allocators do by the gigabyte.
  std::optional<std::uint64_t> memory_bytes_max = {};
  /// Processor time from its start (RLIMIT_CPU); then it is ended by SIGXCPU.
  std::optional<std::chrono::seconds> cpu_time_max = {};
  /// Processors that it may use at a time; a fraction is for those who can hold one (cgroups), a
  /// bare process gets the next whole number.
  std::optional<double> processors_max = {};
  /// Longest file that it may write (RLIMIT_FSIZE).
  std::optional<std::uint64_t> file_bytes_max = {};
  /// Files that it may have open (RLIMIT_NOFILE).
  std::optional<std::uint64_t> open_files_max = {};
  /// Processes and threads. Of a bare process all those of its user count (RLIMIT_NPROC), and those
  /// of root never.
  std::optional<std::uint64_t> processes_max = {};

  bool operator==(const ProcessLimits&) const = default;
};

/// A directory or file that a process finds under a path of its own, whoever may pass the
/// directories above the original.
struct StagedMount {
  int source = -1;   ///< Opened with O_PATH.
  std::string name;  ///< One component, below kStageDirectory.
};

/// Where staged mounts are: a file system of their own that covers it for that process alone.
inline constexpr char kStageDirectory[] = "/tmp";

/// What only root can do for a process that is about to be somebody else.
struct ProcessIdentity {
  uid_t uid = 0;  ///< Real, effective and saved; without supplementary groups.
  gid_t gid = 0;
  std::vector<StagedMount> mounts = {};
};

/// One process, whole. Strings and descriptors must outlive the call.
struct ProcessStart {
  std::string program;  ///< Path.
  std::vector<std::string> argv;
  std::vector<std::string> env;  ///< NAME=value
  std::string work_dir;
  int input = -1;  ///< -1: /dev/null
  int output = -1;
  int error_output = -1;
  std::vector<int>
      descriptors;  ///< Of ours; the process has them as 3, 4 and so on, and no others.
  ProcessLimits limits = {};
  std::optional<std::uint64_t> open_files_soft = {};  ///< Lowers the soft limit alone.
  std::vector<std::string> cgroups = {};  ///< Directories of the cgroups that it is born in.
  std::optional<ProcessIdentity> identity = {};
  /// An open one that it is in, -1: ours. Users of `identity` are those of it.
  int user_namespace = -1;
};

/// Starts it as the leader of a session of its own, with default signals, and returns when its
/// program runs. posix_spawn() with what that lacks: limits, cgroups and another user from the
/// first instruction on. Errors: not_found, resource_exhausted, permission_denied, internal; each
/// names the step and the system's reason.
Result<pid_t> start_process(const ProcessStart& start);

}  // namespace perijove
