#pragma once

#include <string>
#include <vector>

#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"
#include "provision/isolation.hpp"

namespace perijove {

/// What of this machine a sandbox may be lent. Each path stands for itself, all below it, and, as
/// the source of a mount, all above it, for they would bring it along.
struct MountPolicy {
  std::vector<std::string> never;  ///< The ways out: /proc, container engines, the gateway's own.
  std::vector<std::string> read_only;  ///< What others run and read.
  std::string home;                    ///< Whole it is lent to nobody for writing: shells read it.
};

/// For a gateway whose runtime directories are below `runtime_base`, whose user lives in `home`
/// (empty: nowhere) and who speaks to a container engine on `docker_socket` (empty: none).
MountPolicy make_mount_policy(const std::string& runtime_base, const std::string& home,
                              const std::string& docker_socket);

/// Whether `mount` may be made, by its names alone. Errors: invalid_argument (not absolute, `..`, a
/// target that hides the sandbox's own files), permission_denied (by the policy).
Result<void> check_mount(const Mount& mount, const MountPolicy& policy);
/// The same for a work directory, which is writable under its own name.
Result<void> check_work_dir(const std::string& path, const MountPolicy& policy);

/// Whether code may read all below `path` for the sake of one program in it: not where it holds
/// what is lent to nobody, or a whole home.
bool may_be_shown(const std::string& path, const MountPolicy& policy);

/// Opens the source of a mount (O_PATH) as it is named: a symbolic link on the way is refused, for
/// it would lead past the policy. Errors: not_found, permission_denied, invalid_argument when it is
/// neither a directory nor a regular file.
Result<FileDescriptor> open_mount_source(const std::string& path);

/// Whether `path` is `directory` or below it; both normal and absolute.
bool is_within(const std::string& path, const std::string& directory);

}  // namespace perijove
