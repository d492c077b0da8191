#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/environment.hpp"

namespace perijove {

/// A directory or file that the sandbox shows.
struct SandboxBind {
  std::string source;  ///< As bubblewrap reaches it.
  std::string target;
  bool read_only = true;
};

/// A file of the sandbox whose contents bubblewrap reads from a descriptor.
struct SandboxFile {
  int descriptor = -1;
  std::string target;
};

/// Everything that makes one sandbox.
struct SandboxPlan {
  /// What is in it.
  enum class Forks {
    none,              ///< A kernel.
    for_its_own_user,  ///< A fork server, which is root of a user namespace already.
    for_other_users,   ///< The same, whose forks become others of that namespace.
  };

  Forks forks = Forks::none;
  /// Of the system: (what it points to, its path), and paths that look the same inside.
  std::vector<std::pair<std::string, std::string>> system_links;
  std::vector<std::string> system_directories;
  /// Below /etc, shown where they exist.
  std::vector<std::string> system_files;
  std::vector<SandboxFile> files;
  /// In any order; one whose target is in another's is put on top of it.
  std::vector<SandboxBind> binds;
  int seccomp_descriptor = -1;
  Environment env;
  std::string work_dir;
  bool host_network = false;
  bool disable_userns = true;  ///< Left out for a bubblewrap that does not know it.
  std::uint64_t tmp_bytes = 0;
};

/// Where HOME is in every sandbox.
inline constexpr char kSandboxHome[] = "/home/kernel";
/// Whom a kernel believes to be.
inline constexpr unsigned kSandboxUid = 1000;

/// bubblewrap's options, for `--args`: they go through a descriptor, not a command line that
/// everybody can read, because the environment is among them. bubblewrap itself gets none of it:
/// LD_PRELOAD in the kernel's environment would be run outside.
std::vector<std::string> bwrap_options(const SandboxPlan& plan);

/// The environment of the kernel: `env` with what differs in a sandbox.
Environment sandbox_environment(Environment env);

}  // namespace perijove
