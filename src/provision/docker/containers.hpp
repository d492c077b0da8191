#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "perijove/result.hpp"
#include "provision/docker/engine.hpp"
#include "provision/docker/gateway_identity.hpp"

namespace perijove::docker {

/// Labels of our containers.
inline constexpr const char* kGatewayLabel = "org.perijove.gateway";
inline constexpr const char* kKernelLabel = "org.perijove.kernel";
inline constexpr const char* kKeepLabel = "org.perijove.keep";  ///< `files` or `running`.

/// What becomes of a container when its kernel is over.
enum class Farewell {
  remove,   ///< With its volumes.
  stop,     ///< It stays, with its files.
  nothing,  ///< It runs on.
};

/// The containers that this gateway has made and not yet seen the end of. Its own end waits for
/// theirs: no container is left because a loop had stopped.
class Containers {
 public:
  explicit Containers(HttpAddress address) : address_(std::move(address)) {}
  /// Ends what is left, blocking for at most a few seconds altogether.
  ~Containers();
  Containers(const Containers&) = delete;
  Containers& operator=(const Containers&) = delete;

  /// `name`, which nobody else uses, is about to be created: at our end it may exist or not, or
  /// come about a moment later. add() or forget() follow.
  void expect(const std::string& name, Farewell farewell, std::shared_ptr<Engine> engine);
  void forget(const std::string& name) { made_.erase(name); }
  /// `name` was created by way of `engine`, which is kept as long as it is known here.
  void add(const std::string& name, Farewell farewell, std::shared_ptr<Engine> engine);
  /// Ends it, trying again for a while when the daemon is away. `self` is this object.
  static void end(const std::shared_ptr<Containers>& self, const std::string& name);
  /// Whether `name` was made here and is on its way out.
  bool is_ending(const std::string& name) const;

 private:
  struct Made {
    Farewell farewell;
    std::shared_ptr<Engine> engine;
    bool ending = false;
    bool expected = false;
  };

  HttpAddress address_;
  std::map<std::string, Made> made_;
};

/// Ends the containers of gateways that are dead for certain, never others, and removes kept
/// directories whose container is gone. `done` gets how many containers were ended,
/// unless `engine` is destroyed before.
void sweep_strays(const std::shared_ptr<Engine>& engine, const GatewayIdentity& own,
                  std::function<void(Result<std::size_t>)> done);

}  // namespace perijove::docker
