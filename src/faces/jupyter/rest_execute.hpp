#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/registry.hpp"
#include "faces/call.hpp"

namespace perijove {

/// Code that clients have run in kernels over REST alone, in the shape of jupyter-server-nbmodel
/// 0.2.8 (handlers.py): POST .../execute queues it, GET .../requests/{uid} tells of it, and POST
/// .../input answers what it asks. Beyond that, `timeout` (seconds) limits it, DELETE of a request
/// cancels it, and results are kept after they were read. Shard thread only.
class RestExecutions {
 public:
  RestExecutions(Shard& shard, KernelRegistry& registry);
  ~RestExecutions();

  /// Answers a call below /api/kernels/{id}; false when the path is none of its own.
  bool handle(const CallPtr& call, const PathParts& path);

 private:
  struct Request;
  class Queue;

  Queue& queue_of(const std::shared_ptr<Kernel>& kernel);

  Shard& shard_;
  KernelRegistry& registry_;
  std::map<std::string, std::shared_ptr<Queue>> queues_;  // by kernel
  std::shared_ptr<void> registry_events_;
};

}  // namespace perijove
