#pragma once

#include <map>
#include <string>
#include <vector>

#include "io/child_process.hpp"
#include "provision/docker/container_options.hpp"
#include "provision/isolation.hpp"

namespace perijove::docker {

/// Where a kernel's connection file and sockets are inside its container.
inline constexpr const char* kKernelDirInside = "/run/perijove";
/// Where the files of its kernelspec are, when the kernel's command names them.
inline constexpr const char* kKernelspecDirInside = "/run/perijove-kernelspec";

/// What the gateway decides about one container, beside what its caller asked for.
struct ContainerPlan {
  std::string image;
  std::vector<std::string> command;
  Environment env;
  std::string user;        ///< `UID:GID`; empty: the image's.
  std::string work_dir;    ///< As the daemon sees it; empty: a volume that goes with the container.
  std::string kernel_dir;  ///< The same for what is at kKernelDirInside.
  std::string kernelspec_dir;  ///< For kKernelspecDirInside, read-only; empty: nothing is there.
  std::map<std::string, std::string> labels;
};

/// What a container may take: the tighter of what the gateway and the options say.
struct ContainerLimits {
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> memory_swap_bytes;
  std::optional<double> cpus;
  std::uint64_t pids = 0;
  std::map<std::string, Ulimit> ulimits;
};
ContainerLimits combine_limits(const ContainerOptions& options, const ProcessLimits& limits);

/// The same, as a kernel's report has it.
std::vector<HeldLimit> report_limits(const ContainerLimits& limits,
                                     const ContainerOptions& options);

/// The body of POST /containers/create (Engine API 1.41). The container has no capabilities, cannot
/// gain privileges, and has an init process that passes signals on to all that the kernel started.
std::string container_body(const ContainerOptions& options, const ContainerPlan& plan,
                           const ContainerLimits& limits);

/// The variables of `env` that mean something inside a container: what describes the gateway's
/// machine (PATH, HOME ...) is left to the image.
Environment environment_inside(const Environment& env);

/// The command line that runs `init_command` first, and the kernel only when that has succeeded. A
/// failure is told on standard error with kInitFailed.
std::vector<std::string> with_init_command(const std::string& init_command,
                                           const std::vector<std::string>& command);
inline constexpr const char* kInitFailed = "perijove: init_command exited with code ";

/// A filter of system calls for SecurityOpt (the seccomp format of the Engine).
std::string seccomp_profile();

}  // namespace perijove::docker
