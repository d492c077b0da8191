#pragma once

#include <optional>
#include <string>

namespace perijove {

/// How a kernel's process ended, as far as the provisioner knows.
struct ProcessExit {
  std::optional<int> code;    ///< Exit code, when it exited by itself.
  std::optional<int> signal;  ///< Signal number, when a signal ended it.

  /// Whether it ran out of memory, by evidence (a counter of its cgroup, the container engine's
  /// word). nullopt when nobody looked: exit code 137 or SIGKILL alone is no proof.
  std::optional<bool> out_of_memory;

  static ProcessExit exited(int code) { return {code, std::nullopt, std::nullopt}; }
  static ProcessExit killed_by(int signal) { return {std::nullopt, signal, std::nullopt}; }
};

/// What to tell people, to follow "the kernel's process": "exited with code 7", "was killed by
/// signal 11 (SIGSEGV)", "was killed because it ran out of memory".
std::string describe(const ProcessExit& exit);

}  // namespace perijove
