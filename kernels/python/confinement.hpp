#pragma once

#include <sys/types.h>

#include <optional>
#include <span>

namespace perijove::kernels::python {

/// What the system has refused.
struct Refusal {
  const char* step;
  int error;  ///< errno
};

/// A fork on its way into a sandbox that somebody else has made. Calls the system and nothing else,
/// in this order: joins the cgroups (open cgroup.procs), becomes `user` for good, with the group of
/// that number and no others, and enters the namespaces. A pid namespace counts for its next
/// children only. The process must have one thread. nullopt: all of it is done.
std::optional<Refusal> enter_sandbox(std::span<const int> cgroups, std::optional<uid_t> user,
                                     std::span<const int> namespaces);

/// In a child of such a process: gives up every capability and every way to get one, and filters
/// system calls by the program in the file `filter`, from here on and for all that it starts. Other
/// processes of its user may look into it only from then on. nullopt: all of it is done.
std::optional<Refusal> confine(int filter);

}  // namespace perijove::kernels::python
