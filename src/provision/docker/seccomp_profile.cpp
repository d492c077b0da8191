#include <nlohmann/json.hpp>

#include "protocol/json.hpp"
#include "provision/docker/container_body.hpp"

namespace perijove::docker {
namespace {

using nlohmann::json;

constexpr int kNotPermitted = 1;                      // EPERM
constexpr int kNotImplemented = 38;                   // ENOSYS
constexpr int kNoSuchFamily = 97;                     // EAFNOSUPPORT
constexpr std::uint64_t kNewNamespaces = 0x7E020000;  // CLONE_NEWNS, NEWCGROUP ... NEWNET

json errno_rule(int number, json names) {
  return {{"names", std::move(names)}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", number}};
}

json with_argument(json rule, int index, std::uint64_t value, const char* comparison,
                   std::uint64_t second = 0) {
  rule["args"] =
      json::array({{{"index", index}, {"value", value}, {"valueTwo", second}, {"op", comparison}}});
  return rule;
}

}  // namespace

// What is denied is what a kernel never needs and what containers were broken out of with, also
// where the daemon's own profile of its version lets it pass: io_uring, ptrace, AF_VSOCK, AF_ALG.
// Only native programs: the 32-bit calls would come by other numbers.
std::string seccomp_profile() {
  json calls = json::array();
  calls.push_back(errno_rule(kNotPermitted, {"mount",
                                             "umount",
                                             "umount2",
                                             "pivot_root",
                                             "move_mount",
                                             "open_tree",
                                             "fsopen",
                                             "fsconfig",
                                             "fsmount",
                                             "fspick",
                                             "mount_setattr",
                                             "unshare",
                                             "setns",
                                             "chroot",
                                             "ptrace",
                                             "process_vm_readv",
                                             "process_vm_writev",
                                             "process_madvise",
                                             "pidfd_getfd",
                                             "kcmp",
                                             "bpf",
                                             "perf_event_open",
                                             "userfaultfd",
                                             "io_uring_setup",
                                             "io_uring_enter",
                                             "io_uring_register",
                                             "keyctl",
                                             "add_key",
                                             "request_key",
                                             "open_by_handle_at",
                                             "name_to_handle_at",
                                             "fanotify_init",
                                             "kexec_load",
                                             "kexec_file_load",
                                             "init_module",
                                             "finit_module",
                                             "delete_module",
                                             "create_module",
                                             "query_module",
                                             "get_kernel_syms",
                                             "reboot",
                                             "swapon",
                                             "swapoff",
                                             "acct",
                                             "quotactl",
                                             "quotactl_fd",
                                             "iopl",
                                             "ioperm",
                                             "settimeofday",
                                             "clock_settime",
                                             "clock_adjtime",
                                             "adjtimex",
                                             "stime",
                                             "syslog",
                                             "vhangup",
                                             "sethostname",
                                             "setdomainname",
                                             "lookup_dcookie",
                                             "nfsservctl",
                                             "uselib",
                                             "ustat",
                                             "sysfs",
                                             "_sysctl",
                                             "vm86",
                                             "vm86old",
                                             "modify_ldt",
                                             "get_mempolicy",
                                             "mbind",
                                             "set_mempolicy",
                                             "set_mempolicy_home_node",
                                             "move_pages",
                                             "migrate_pages"}));
  // Its arguments are in memory, where no filter looks: libc falls back to clone.
  calls.push_back(errno_rule(kNotImplemented, {"clone3"}));
  for (std::uint64_t bit = 1; bit != 0 && bit <= kNewNamespaces; bit <<= 1) {
    if ((kNewNamespaces & bit) == 0) continue;
    calls.push_back(
        with_argument(errno_rule(kNotPermitted, {"clone"}), 0, bit, "SCMP_CMP_MASKED_EQ", bit));
  }
  // Families: only unix (1), IPv4 (2), IPv6 (10) and netlink (16).
  constexpr std::uint64_t kFamilies[] = {1, 2, 10, 16};
  std::uint64_t next = 0;
  for (const std::uint64_t family : kFamilies) {
    for (; next < family; ++next) {
      calls.push_back(with_argument(errno_rule(kNoSuchFamily, {"socket"}), 0, next, "SCMP_CMP_EQ"));
    }
    next = family + 1;
  }
  calls.push_back(with_argument(errno_rule(kNoSuchFamily, {"socket"}), 0, next, "SCMP_CMP_GE"));
  // TIOCSTI and TIOCLINUX put input into a terminal.
  for (const std::uint64_t request : {0x5412u, 0x541Cu}) {
    calls.push_back(with_argument(errno_rule(kNotPermitted, {"ioctl"}), 1, request, "SCMP_CMP_EQ"));
  }
  return dump_json({{"defaultAction", "SCMP_ACT_ALLOW"},
                    {"architectures", {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"}},
                    {"syscalls", std::move(calls)}});
}

}  // namespace perijove::docker
