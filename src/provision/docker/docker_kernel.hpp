#pragma once

#include <memory>

#include "provision/docker/container_design.hpp"
#include "provision/provisioner.hpp"

namespace perijove::docker {

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
