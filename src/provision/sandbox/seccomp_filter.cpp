#include "provision/sandbox/seccomp_filter.hpp"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>

#include "io/file_descriptor.hpp"

namespace perijove {
namespace {

struct DeniedCall {
  const char* name;
  const char* why;
};

// Capabilities that a kernel does not have refuse most of these as well. They are listed all the
// same: each is code of the machine's kernel that untrusted programs need not reach.
constexpr DeniedCall kDeniedCalls[] = {
    // Out of the namespaces, or into new ones in which one is root.
    {"unshare", "a user namespace of its own is where most privilege escalations begin"},
    {"setns", "enters the namespaces of others"},
    {"mount", "changes what is seen where"},
    {"umount", "uncovers what was covered"},
    {"umount2", "uncovers what was covered"},
    {"pivot_root", "leaves the root that it was given"},
    {"chroot", "leaves the root that it was given"},
    {"move_mount", "as mount"},
    {"open_tree", "as mount"},
    {"fsopen", "as mount"},
    {"fsconfig", "as mount; its parsers had overflows"},
    {"fsmount", "as mount"},
    {"fspick", "as mount"},
    {"mount_setattr", "makes read-only mounts writable"},
    {"open_by_handle_at", "opens files by number, past every directory (the Shocker escape)"},
    {"name_to_handle_at", "finds those numbers"},
    // At other processes.
    {"ptrace", "reads and writes other processes"},
    {"process_vm_readv", "reads other processes"},
    {"process_vm_writev", "writes other processes"},
    {"process_madvise", "changes the memory of other processes"},
    {"pidfd_getfd", "takes descriptors from other processes"},
    {"kcmp", "compares what other processes have open"},
    {"move_pages", "moves memory of other processes, and tells where it is"},
    {"migrate_pages", "moves memory of other processes"},
    // Large or young parts of the machine's kernel.
    {"bpf", "runs programs in the machine's kernel"},
    {"perf_event_open", "watches the machine; a long list of faults"},
    {"io_uring_setup", "does calls that this filter does not see"},
    {"io_uring_enter", "as io_uring_setup"},
    {"io_uring_register", "as io_uring_setup"},
    {"userfaultfd", "stops the machine's kernel where an exploit wants it"},
    {"add_key", "keyrings know no namespace"},
    {"request_key", "keyrings know no namespace, and it starts a program outside"},
    {"keyctl", "keyrings know no namespace"},
    {"vmsplice", "gifts pages to pipes; splice faults wrote to read-only files"},
    {"fanotify_init", "watches the files of others"},
    {"lookup_dcookie", "tells paths of others"},
    {"quotactl", "quotas are the machine's"},
    {"quotactl_fd", "quotas are the machine's"},
    {"modify_ldt", "old segments; a list of faults"},
    {"uselib", "old loader of libraries"},
    {"ustat", "obsolete"},
    {"sysfs", "obsolete"},
    {"_sysctl", "obsolete"},
    {"vm86", "runs 16 bit code"},
    {"vm86old", "runs 16 bit code"},
    // The machine itself.
    {"kexec_load", "replaces the machine's kernel"},
    {"kexec_file_load", "replaces the machine's kernel"},
    {"init_module", "loads into the machine's kernel"},
    {"finit_module", "loads into the machine's kernel"},
    {"delete_module", "unloads from the machine's kernel"},
    {"create_module", "loads into the machine's kernel"},
    {"reboot", "ends the machine"},
    {"swapon", "the machine's swap"},
    {"swapoff", "the machine's swap"},
    {"acct", "writes accounts of all processes to a file"},
    {"syslog", "reads the machine's log, with addresses"},
    {"settimeofday", "the machine's clock"},
    {"clock_settime", "the machine's clock"},
    {"stime", "the machine's clock"},
    {"iopl", "ports of the hardware"},
    {"ioperm", "ports of the hardware"},
    {"vhangup", "hangs up the terminal of others"},
    {"nfsservctl", "obsolete"},
};

struct FreeFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FreeFilter>;

// Adds rules and remembers the first failure.
class Rules {
 public:
  explicit Rules(void* filter) : filter_(filter) {}

  template <typename... Compare>
  void deny(int error, const char* name, Compare... compare) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) return;  // younger than the library, or of another architecture
    const int result = seccomp_rule_add(filter_, SCMP_ACT_ERRNO(static_cast<unsigned>(error)),
                                        number, sizeof...(compare), compare...);
    if (result != 0 && failed_ == 0) {
      failed_ = -result;
      failed_name_ = name;
    }
  }

  Result<void> result() const {
    if (failed_ == 0) return {};
    return Error{Code::internal, std::string("cannot make the filter of system calls (") +
                                     failed_name_ + "): " + std::strerror(failed_)};
  }

 private:
  void* filter_;
  int failed_ = 0;
  const char* failed_name_ = "";
};

scmp_arg_cmp argument(unsigned index, scmp_compare compare, std::uint64_t a, std::uint64_t b = 0) {
  return {index, compare, a, b};
}

void deny_namespaces(Rules& rules) {
#if defined(__s390__) || defined(__s390x__)
  constexpr unsigned kFlags = 1;
#else
  constexpr unsigned kFlags = 0;
#endif
  for (const std::uint64_t flag :
       {std::uint64_t{CLONE_NEWNS}, std::uint64_t{CLONE_NEWCGROUP}, std::uint64_t{CLONE_NEWUTS},
        std::uint64_t{CLONE_NEWIPC}, std::uint64_t{CLONE_NEWUSER}, std::uint64_t{CLONE_NEWPID},
        std::uint64_t{CLONE_NEWNET}}) {
    rules.deny(EPERM, "clone", argument(kFlags, SCMP_CMP_MASKED_EQ, flag, flag));
  }
  rules.deny(ENOSYS, "clone3");  // its flags are behind a pointer
}

// All but unix, inet, inet6 and netlink: vsock reaches the machine's hypervisor, alg and packet
// were ways to root, the rest are protocols that nobody uses and drivers that nobody audits.
void deny_socket_families(Rules& rules) {
  int next = 0;
  for (const int allowed : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
    for (; next < allowed; ++next) {
      const auto family = argument(0, SCMP_CMP_EQ, static_cast<std::uint64_t>(next));
      rules.deny(EAFNOSUPPORT, "socket", family);
    }
    next = allowed + 1;
  }
  rules.deny(EAFNOSUPPORT, "socket", argument(0, SCMP_CMP_GE, static_cast<std::uint64_t>(next)));
}

// Typing into somebody else's terminal.
void deny_terminal_input(Rules& rules) {
  constexpr std::uint64_t kRequestBits = 0xffffffff;
  constexpr std::uint64_t kTioclinux = 0x541C;
  for (const std::uint64_t request : {std::uint64_t{TIOCSTI}, kTioclinux}) {
    rules.deny(EPERM, "ioctl", argument(1, SCMP_CMP_MASKED_EQ, kRequestBits, request));
  }
}

}  // namespace

Result<std::string> make_seccomp_filter() {
  const Filter filter(seccomp_init(SCMP_ACT_ALLOW));
  if (!filter) return Error{Code::internal, "libseccomp gave no filter"};
  seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
  Rules rules(filter.get());
  for (const DeniedCall& call : kDeniedCalls) rules.deny(EPERM, call.name);
  deny_namespaces(rules);
  deny_socket_families(rules);
  deny_terminal_input(rules);
  if (const auto complete = rules.result(); !complete) return complete.error();

  const FileDescriptor file(memfd_create("perijove-seccomp", MFD_CLOEXEC));
  struct stat status {};
  if (!file || seccomp_export_bpf(filter.get(), file.get()) != 0 ||
      fstat(file.get(), &status) != 0) {
    return Error{Code::internal, "libseccomp could not write the filter"};
  }
  std::string program(static_cast<std::size_t>(status.st_size), '\0');
  if (pread(file.get(), program.data(), program.size(), 0) != status.st_size) {
    return Error{Code::internal, "the filter could not be read back"};
  }
  return program;
}

}  // namespace perijove
