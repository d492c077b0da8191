#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "io/runtime_dir.hpp"
#include "provision/provisioner.hpp"

namespace perijove {

struct SandboxOptions {
  /// The bubblewrap program; a bare name is looked for in /usr/local/bin, /usr/bin and /bin.
  std::string bwrap = "bwrap";
  /// Users that kernels run as when the gateway is root, one for each work directory that is in
  /// use. They own nothing else and need no entry anywhere; the default lies where neither people,
  /// containers nor systemd have theirs.
  uid_t uid_first = 1'900'000'000;
  uid_t uid_count = 4'096;
  /// What a kernel may have when nobody says more exactly, so that a fork bomb ends somewhere.
  std::uint64_t processes_max = 512;
  std::uint64_t open_files_max = 4'096;
  /// As for make_local_provisioner(): kernels may be forks (sandbox_fork_servers.hpp).
  bool fork_servers = false;
};

/// Kernels under bubblewrap: isolation `sandbox`. No daemon, no root, no image: a kernel sees this
/// machine's programs, read-only, and of everything else nothing.
///
/// A kernel has user, pid, net, ipc, uts, cgroup and mount namespaces of its own, no capabilities,
/// no way to gain any, a filter of system calls (seccomp_filter.hpp), and these files: /usr and a
/// little of /etc, its kernelspec and interpreter (program_files.hpp), all read-only; the work
/// directory at its own path; a private HOME, /tmp and /dev/shm in memory; the directory of its
/// sockets. Its environment is that of the request but for HOME, IPYTHONDIR, USER, LOGNAME and
/// TMPDIR.
///
/// A kernel is never started by root, which would be root outside, too, for files like
/// /proc/sys/kernel/core_pattern. Where the gateway is root, each work directory in use gets a user
/// of its own (uid_pool.hpp), which the kernels of one session share, and an entry in its access
/// control list (work_dir_access.hpp): files of the gateway and of the kernel are so writable by
/// both, nobody else gains anything, and no file changes its owner. Otherwise kernels run as the
/// gateway's user, who inside can reach nothing but the above.
///
/// A kernel that is a fork has all of that as well; bubblewrap makes its sandbox, and what it would
/// do to a program last, the fork does to itself first (kernels/python/confinement.hpp).
///
/// IsolationRequest: `network` is none (a loopback of its own) or host; `options` as in
/// sandbox_request.hpp; mounts as in mount_policy.hpp.
///
/// `runtime_dir` must outlive this object and every kernel it launched.
std::unique_ptr<Provisioner> make_sandbox_provisioner(RuntimeDir& runtime_dir,
                                                      SandboxOptions options = {});

}  // namespace perijove
