#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/runtime_dir.hpp"
#include "provision/provisioner.hpp"

namespace perijove {

struct DockerOptions {
  /// Where the daemon is, as in DOCKER_HOST: unix:///PATH or tcp://HOST:PORT.
  std::string host = "unix:///var/run/docker.sock";
  /// Where ca.pem, cert.pem and key.pem are, for a daemon behind TCP that wants TLS; empty:
  /// without.
  std::string tls_directory;
  /// Of kernels whose session names none. Never pulled: it is one that was made here.
  std::string image = "perijove-kernels:latest";
  /// Directories and names of volumes below which a caller may name volumes, bind_dir and
  /// build_path; nullopt: any, as for callers who may run anything here anyway.
  std::optional<std::vector<std::string>> mount_roots;
  /// Networks that a caller may name besides none; nullopt: any.
  std::optional<std::vector<std::string>> networks;
  /// Kernels whose kernelspec names a fork server (metadata {"perijove": {"fork_server": ...}}) are
  /// forks of one in their container, so that a restart takes milliseconds.
  bool fork_servers = false;
  /// Users that kernels run as when the gateway is root, one for each work directory that is in
  /// use; see uid_pool.hpp.
  uid_t uid_first = 1'900'000'000;
  uid_t uid_count = 4'096;
};

/// Kernels in containers of a Docker daemon: isolation `docker`, or `docker+gvisor` where the
/// runtime is runsc.
///
/// A kernel's container has no network (unless one is named), no capabilities and no way to gain
/// any, a filter of system calls, a user that is never root, and sees of this machine the work
/// directory, the directory of its own sockets, and the mounts of the request. Its other options
/// are in container_options.hpp. The environment is that of the request without what describes this
/// machine; the image's python3 runs kernels written in Python.
///
/// While the daemon is away kernels run on and are not declared dead. Containers have labels that
/// say which gateway made them: those of a gateway that was killed are ended by the next one, at
/// begin() or at the first launch() after it that finds the daemon. Destroying this object ends all
/// that are left, and blocks for at most a few seconds when the daemon does not answer.
///
/// Everything happens on the shard of the first begin(), probe() or launch(). `runtime_dir` must
/// outlive this object and every kernel it launched.
std::unique_ptr<Provisioner> make_docker_provisioner(RuntimeDir& runtime_dir,
                                                     DockerOptions options = {});

}  // namespace perijove
