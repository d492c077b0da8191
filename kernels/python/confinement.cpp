#include "python/confinement.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace perijove::kernels::python {
namespace {

Refusal refusal(const char* step) { return {step, errno}; }

/// Those of this process, of what it may pass on to programs, and of what any program may give it.
bool drop_capabilities() {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return false;
  for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
       ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return false;
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return syscall(SYS_capset, &header, none) == 0;
}

bool filter_calls(int file) {
  std::array<sock_filter, BPF_MAXINSNS> instructions;
  const ssize_t size = pread(file, instructions.data(), sizeof instructions, 0);
  if (size <= 0 || static_cast<std::size_t>(size) % sizeof(sock_filter) != 0) {
    if (size >= 0) errno = EINVAL;
    return false;
  }
  const sock_fprog program{
      static_cast<unsigned short>(static_cast<std::size_t>(size) / sizeof(sock_filter)),
      instructions.data()};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

}  // namespace

std::optional<Refusal> enter_sandbox(std::span<const int> cgroups, std::optional<uid_t> user,
                                     std::span<const int> namespaces) {
  for (const int cgroup : cgroups) {
    if (write(cgroup, "0", 1) != 1) return refusal("join its cgroup");
  }
  if (user) {
    if (setgroups(0, nullptr) != 0 || setresgid(*user, *user, *user) != 0 ||
        setresuid(*user, *user, *user) != 0) {
      return refusal("become its user");
    }
  }
  for (const int each : namespaces) {
    if (setns(each, 0) != 0) return refusal("enter its namespaces");
  }
  return std::nullopt;
}

std::optional<Refusal> confine(int filter) {
  if (!drop_capabilities()) return refusal("drop its capabilities");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refusal("give up new privileges");
  // A change of user or namespace has closed it to them; a program that is started would open it.
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return refusal("be as other processes");
  if (!filter_calls(filter)) return refusal("filter its system calls");
  return std::nullopt;
}

}  // namespace perijove::kernels::python
