#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "io/runtime_dir.hpp"
#include "provision/docker/container_body.hpp"
#include "provision/docker/container_options.hpp"
#include "provision/docker/containers.hpp"
#include "provision/docker/engine.hpp"
#include "provision/docker/events.hpp"
#include "provision/provisioner.hpp"

namespace perijove::docker {

/// What all kernels of a gateway share.
struct DockerSetting {
  RuntimeDir& runtime_dir;
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Containers> containers;
  std::shared_ptr<ContainerEvents> events;
  std::string gateway_label;  ///< The value of kGatewayLabel.
  std::string default_image;
  uid_t kernel_uid;  ///< Whom kernels run as, and whose sockets theirs must be.
  gid_t kernel_gid;
  /// Makes the work directory writable for a kernel behind gVisor; null: it is.
  std::function<Result<void>()> open_to_gvisor;
};

/// Begins a launch, as Provisioner::launch.
///
/// The kernel is the main process of its container, below an init process. Its connection file and
/// sockets are in a directory that both sides see; where the daemon is on another machine (a TCP
/// address), or the kernel can do no ipc, the file is put into the container and the channels are
/// TCP to its address, for which it needs a network.
std::unique_ptr<LaunchedKernel> launch_docker_kernel(Shard& shard, const DockerSetting& setting,
                                                     LaunchRequest request,
                                                     ContainerOptions options, LaunchEvents events);

}  // namespace perijove::docker
