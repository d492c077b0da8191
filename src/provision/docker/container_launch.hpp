#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "provision/docker/container_body.hpp"
#include "provision/docker/container_options.hpp"
#include "provision/docker/containers.hpp"
#include "provision/docker/engine.hpp"

namespace perijove::docker {

/// What a container that is about to run is made of.
struct ContainerMake {
  std::string name;
  ContainerOptions options;
  ContainerPlan plan;
  ContainerLimits limits;
  /// A tar archive to unpack in a directory of it before it starts.
  struct Put {
    std::string directory;
    std::string tar;
  };
  std::vector<Put> puts;
};

/// What is told on the way, from the loop.
struct ContainerLaunchEvents {
  std::function<void(std::string_view line)> on_progress;  ///< Of a pull or a build.
  /// The runtime is gVisor's. What cannot be made ready for that is the launch's failure.
  std::function<Result<void>()> on_gvisor;
  /// The daemon does not see a directory that is to be mounted, as the error says. What is made
  /// instead, or why nothing is. May be null.
  std::function<Result<ContainerMake>(const Error&)> on_unseen;
  /// It was created; events about it may come from here on.
  std::function<void(const std::string& id)> on_created;
  std::function<void()> on_started;
  std::function<void(Error)> on_failed;  ///< Instead of the ones still missing.
};

/// The way to a running container: its image (built or pulled when it must be), creation, start; or
/// the start of the one that is there, with `reuse_container`.
/// Dropping it early leaves nothing: what was created is ended by way of `containers`.
class ContainerLaunch : public std::enable_shared_from_this<ContainerLaunch> {
 public:
  ContainerLaunch(Shard& shard, std::shared_ptr<Engine> engine,
                  std::shared_ptr<Containers> containers, ContainerMake make,
                  ContainerLaunchEvents events)
      : shard_(shard),
        engine_(std::move(engine)),
        containers_(std::move(containers)),
        make_(std::move(make)),
        events_(std::move(events)),
        timer_(shard.loop()) {}

  /// Tells nothing during this call.
  void start();
  /// Instead: starts container `id`, which such a launch has made before, once more; where it is
  /// gone another is made in its place.
  void start_again(std::string id);
  /// Tells nothing any more, and ends the container when there is one or will be.
  void abandon();

 private:
  void build();
  void pull();
  void check_runtime();
  void create();
  Farewell farewell() const;
  void created(const Result<std::string>& answer);
  void not_created(const Error& error);
  bool wait_for_the_name();
  void reuse();
  void check_reused(const std::string& answer);
  void put_files(std::size_t next);
  void make_unseen(const Error& error);
  void start_container();
  void restart_container();
  void fail(const Error& error);
  void send(EngineCall call, std::function<void(const std::string&)> next);

  Shard& shard_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Containers> containers_;
  ContainerMake make_;
  ContainerLaunchEvents events_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<void> work_;  // a pull or a build
  std::string id_;
  bool pulled_ = false;
  bool creating_ = false;
  bool again_ = false;  // in a container that should still be there
  bool abandoned_ = false;
  std::optional<TimePoint> first_conflict_;
};

}  // namespace perijove::docker
