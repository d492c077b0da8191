#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/time.hpp"
#include "io/runtime_dir.hpp"
#include "provision/docker/container_body.hpp"
#include "provision/docker/container_channels.hpp"
#include "provision/docker/container_launch.hpp"
#include "provision/docker/container_options.hpp"
#include "provision/docker/container_place.hpp"
#include "provision/docker/containers.hpp"
#include "provision/docker/docker_policy.hpp"
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
  /// Whether the daemon is known not to see our directories; of all launches, for the first one
  /// finds out.
  std::shared_ptr<bool> is_blind;
  uid_t kernel_uid;  ///< Whom kernels run as, and whose sockets theirs must be.
  gid_t kernel_gid;
  bool fork_servers = false;  ///< See DockerOptions.
  /// Images, with what was to run in them, in which a fork server did not get ready, and until when
  /// none is tried.
  std::shared_ptr<std::map<std::string, TimePoint>> without_fork_server;
  /// Makes the work directory writable for a kernel behind gVisor; null: it is.
  std::function<Result<void>()> open_to_gvisor;
};

/// What the container of one kernel is to be, of what its caller asked for and what the gateway and
/// the daemon have. Nothing here speaks to the daemon.
class ContainerDesign {
 public:
  ContainerDesign(const DockerSetting& setting, LaunchRequest request, ContainerOptions options)
      : setting_(setting), request_(std::move(request)), options_(std::move(options)) {}

  /// What this machine contributes: name, limits, channels. Errors: failed_precondition for wishes
  /// that exclude one another, and those of ContainerChannels::make.
  Result<void> prepare();
  ContainerMake make() const;
  /// The same for a daemon that sees other files than we do, as `error`, its answer, says; it is
  /// the answer where the caller wants files shared all the same.
  Result<ContainerMake> make_blind(const Error& error);
  /// Whether a fork server is the container's main process, which is to be asked for the kernel.
  bool forks() const { return forks_; }
  /// The kernel is a program all the same, in another container, and so for a while in later
  /// launches like it.
  void give_up_fork_server();
  /// What can be done in the container once it runs.
  ContainerSite site(const std::string& container_id) const;

  const std::string& name() const { return name_; }
  const ContainerOptions& options() const { return options_; }
  ContainerChannels& channels() { return channels_; }
  const ContainerChannels& channels() const { return channels_; }
  /// The runtime is gVisor's.
  void note_gvisor();
  const IsolationReport& report() const { return report_; }

 private:
  Result<void> check_reach(const std::string& which) const;
  Result<void> check_copying() const;
  bool copies_work_dir() const;
  Result<void> bring_kernelspec();
  std::string own_name() const;
  bool may_fork() const;
  bool is_without_fork_server() const;
  std::string fork_identity() const;
  std::vector<std::string> command() const;
  void make_report();
  std::string work_dir_archive() const;
  ContainerUser user_inside() const;

  DockerSetting setting_;
  LaunchRequest request_;
  ContainerOptions options_;
  std::string name_;
  ContainerLimits limits_;
  ContainerChannels channels_;
  IsolationReport report_;
  bool forks_ = false;
  bool copies_files_ = false;  // between our work directory and the container's
  std::string kernelspec_dir_;  // on this machine, to be shown to the container
  std::string kernelspec_tar_;  // or what is in it, to be copied
};

}  // namespace perijove::docker
