#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/kernel.hpp"
#include "engine/warm_stock.hpp"

namespace perijove {

/// Kernels of one kernelspec that run before anybody asks. A process cannot be given another
/// environment or directory later, so whoever wants the very same launch gets one of them, and
/// everybody else a kernel of his own. Shard thread only.
class KernelPool {
 public:
  struct Hooks {
    /// What a kernel of the pool is launched with, as things are now; its id is not looked at.
    std::function<Result<LaunchRequest>()> plan;
    /// Makes one, reserved and not started.
    std::function<Result<std::shared_ptr<Kernel>>()> make;
  };

  /// `spec`: the kernelspec's name, for the log.
  KernelPool(Shard& shard, std::string spec, std::size_t size, Hooks hooks);

  std::size_t ready() const { return stock_->ready(); }
  std::size_t starting() const { return stock_->starting(); }

  /// Sees to it that there are enough, of what plan() says now.
  void fill();
  /// One that was launched as `wanted`, but for its id; nullptr when there is none.
  std::shared_ptr<Kernel> take(const LaunchRequest& wanted);
  /// Replaces, on the loop's next turn, what has died meanwhile.
  void replace_dead() { stock_->fill_soon(); }
  /// Makes no more. Those that wait are stopped.
  void stop() { stock_->stop(); }

 private:
  std::string spec_;
  Hooks hooks_;
  const std::shared_ptr<WarmStock<Kernel>> stock_;
};

}  // namespace perijove
