#include "engine/kernel_pool.hpp"

#include <utility>

#include "base/log.hpp"

namespace perijove {
namespace {

// With all that a kernel can tell apart, but for its id.
bool same_launch(const LaunchRequest& one, const LaunchRequest& other) {
  Environment env = one.env;
  if (const auto id = other.env.find("KERNEL_ID"); id != other.env.end())
    env["KERNEL_ID"] = id->second;
  return env == other.env && one.spec == other.spec &&
         one.is_clients_spec == other.is_clients_spec && one.work_dir == other.work_dir &&
         one.virtual_env == other.virtual_env && one.limits == other.limits &&
         one.isolation == other.isolation && one.transport == other.transport && !one.branch &&
         !other.branch;
}

}  // namespace

KernelPool::KernelPool(Shard& shard, std::string spec, std::size_t size, Hooks hooks)
    : spec_(std::move(spec)),
      hooks_(std::move(hooks)),
      stock_(std::make_shared<WarmStock<Kernel>>(
          shard, size,
          WarmStock<Kernel>::Hooks{
              .make = hooks_.make,
              .prepare = [](const auto& kernel, auto ready) { kernel->start(std::move(ready)); },
              .usable =
                  [](const Kernel& kernel) { return kernel.state() == lifecycle::State::ready; },
              .discard =
                  [this](const auto& kernel, const char* why) {
                    if (why != nullptr) {
                      log::warning("warm_kernel_lost",
                                   {{"spec", spec_}, {"kernel", kernel->id().str()}, {"why", why}});
                    }
                    kernel->stop(nullptr);
                  },
              .failed =
                  [this](const Error& error) {
                    log::warning("warm_kernel_failed", {{"spec", spec_}, {"error", error.message}});
                  }})) {}

void KernelPool::fill() {
  if (const auto plan = hooks_.plan()) {
    stock_->keep_only([&](const Kernel& kernel) { return same_launch(kernel.request(), *plan); });
  }
  stock_->fill();
}

std::shared_ptr<Kernel> KernelPool::take(const LaunchRequest& wanted) {
  return stock_->take([&](const Kernel& kernel) { return same_launch(kernel.request(), wanted); });
}

}  // namespace perijove
