#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "provision/docker/engine.hpp"
#include "provision/kernel_place.hpp"

namespace perijove::docker {

/// A running container, and where in it a kernel works.
struct ContainerSite {
  std::string container_id;
  std::string work_dir;  ///< Inside.
  bool shares_files = true;
  FileOwner owner;
};

/// Commands by `docker exec`, as the container's user and with its limits; files by the archive
/// calls, which need nothing of the image.
std::shared_ptr<KernelPlace> make_container_place(Shard& shard, std::shared_ptr<Engine> engine,
                                                  ContainerSite site);

}  // namespace perijove::docker
