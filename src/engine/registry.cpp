#include "engine/registry.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"

namespace perijove {

namespace fs = std::filesystem;

KernelRegistry::KernelRegistry(Shard& shard, Provisioners& provisioners, Kernelspecs& kernelspecs,
                               RegistryOptions options)
    : shard_(shard),
      provisioners_(provisioners),
      kernelspecs_(kernelspecs),
      options_(std::move(options)) {}

KernelRegistry::~KernelRegistry() = default;

std::string KernelRegistry::default_kernelspec() const {
  return options_.default_kernelspec.empty() ? kernelspecs_.current()->default_name()
                                             : options_.default_kernelspec;
}

// A notebook's kernel runs beside the notebook. What leads out of the root, or is not there, is the
// root: paths of a front end may mean nothing on this machine.
std::string KernelRegistry::work_dir_for(const StartKernel& request) const {
  const fs::path root = fs::path(options_.work_root).lexically_normal();
  const auto beneath = [&root](const fs::path& wanted) -> std::optional<std::string> {
    const fs::path path = (root / wanted).lexically_normal();
    const auto [end, ignored] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
    std::error_code error;
    if (end != root.end() || !fs::is_directory(path, error)) return std::nullopt;
    return path.string();
  };
  if (const auto asked = request.env.find("KERNEL_WORKING_DIR"); asked != request.env.end()) {
    if (const auto found = beneath(asked->second)) return *found;
  }
  if (!request.path.empty()) {
    fs::path path(request.path);
    if (path.is_absolute()) path = path.relative_path();
    if (const auto found = beneath(path)) return *found;
    if (const auto found = beneath(path.parent_path())) return *found;
  }
  return root;
}

Result<std::shared_ptr<Kernel>> KernelRegistry::start(const StartKernel& request, Done ready) {
  if (request.id) {
    if (auto existing = find(*request.id)) {
      if (ready) existing->start(std::move(ready));
      return existing;
    }
  }
  if (draining_) return Error{Code::unavailable, "the gateway is shutting down"};
  const auto living = static_cast<std::size_t>(std::count_if(
      kernels_.begin(), kernels_.end(),
      [](const auto& entry) { return entry.second->state() != lifecycle::State::dead; }));
  if (options_.kernels_max != 0 && living >= options_.kernels_max) {
    return Error{Code::resource_exhausted, "Resource Limit: " + std::to_string(living) +
                                               " kernels are running and "
                                               "--max-kernels is " +
                                               std::to_string(options_.kernels_max)};
  }
  auto planned = plan(request);
  if (!planned) return planned.error();
  std::shared_ptr<Kernel> kernel = take_warm(request, planned->launch);
  if (!kernel) kernel = make_kernel(*std::move(planned));
  kernels_.emplace(kernel->id(), kernel);
  order_.push_back(kernel->id());
  emit(*kernel, "start", "");
  kernel->hand_out();
  kernel->start(ready ? std::move(ready) : [](const Result<void>&) {});
  return kernel;
}

Result<KernelRegistry::Plan> KernelRegistry::plan(const StartKernel& request) const {
  const std::string name = request.name.empty() ? default_kernelspec() : request.name;
  if (name.empty() && !request.spec) {
    return Error{Code::not_found,
                 "no kernelspec is installed; `perijove kernelspec list` says where was searched"};
  }
  Plan made;
  LaunchRequest& launch = made.launch;
  launch.kernel_id = request.id.value_or(KernelId(make_uuid()));
  if (request.spec) {
    launch.spec = *request.spec;
    launch.is_clients_spec = true;
  } else {
    const auto catalogue = kernelspecs_.blocking_refresh();
    const auto found = catalogue->find(name);
    if (!found) return found.error();
    launch.spec = (*found)->spec;
  }
  launch.limits = request.limits;
  launch.isolation = request.isolation;
  const auto provisioner = provisioners_.choose(launch.isolation, launch.spec);
  if (!provisioner) return provisioner.error();
  made.provisioner = *provisioner;
  if (!request.interpreter.empty() && begins_with_python(launch.spec)) {
    launch.spec.interpreter = request.interpreter;
  }
  launch.transport = options_.kernel_transport;
  launch.branch = request.branch;
  launch.work_dir = request.work_dir.empty() ? work_dir_for(request) : request.work_dir;
  auto environment = make_kernel_environment({.gateway = options_.gateway_env,
                                              .spec = launch.spec,
                                              .client = request.env,
                                              .inherited = options_.inherited_env,
                                              .client_allowed = options_.client_env,
                                              .kernel_id = launch.kernel_id.str(),
                                              .session_name = request.session_name,
                                              .parent_pid = std::to_string(::getpid())});
  launch.env = std::move(environment.variables);
  for (const auto& [variable, value] : request.session_env) launch.env[variable] = value;
  if (!request.virtual_env.empty()) {
    launch.virtual_env = request.virtual_env;
    launch.env["VIRTUAL_ENV"] = request.virtual_env;
    prepend_directory(launch.env, "PATH", request.virtual_env + "/bin");
  }
  for (const std::string& ignored : environment.ignored) {
    log::warning("client_env_ignored", {{"name", ignored}});
  }
  return made;
}

std::shared_ptr<Kernel> KernelRegistry::make_kernel(Plan plan) {
  const KernelId id = plan.launch.kernel_id;
  Kernel::Hooks hooks;
  hooks.on_ended = [this, id](bool deleted) { ended(id, deleted); };
  hooks.on_event = [this, id](std::string_view action, const std::string& message) {
    if (const auto kernel = find(id)) emit(*kernel, action, message);
  };
  return std::make_shared<Kernel>(shard_, *plan.provisioner, std::move(plan.launch),
                                  options_.kernel, std::move(hooks));
}

Result<void> KernelRegistry::keep_warm(const std::string& name, std::size_t count) {
  StartKernel request;
  request.name = name;
  const auto possible = plan(request);
  if (!possible) return possible.error();
  const std::string& spec = possible->launch.spec.name;
  KernelPool::Hooks hooks;
  hooks.plan = [this, request]() -> Result<LaunchRequest> {
    auto made = plan(request);
    if (!made) return made.error();
    return std::move(made->launch);
  };
  hooks.make = [this, request]() -> Result<std::shared_ptr<Kernel>> {
    auto made = plan(request);
    if (!made) return made.error();
    auto kernel = make_kernel(*std::move(made));
    kernel->reserve();
    warm_.emplace(kernel->id(), kernel);
    return kernel;
  };
  auto& pool = pools_[spec];
  if (pool) pool->stop();
  pool = std::make_unique<KernelPool>(shard_, spec, count, std::move(hooks));
  pool->fill();
  return {};
}

std::shared_ptr<Kernel> KernelRegistry::take_warm(const StartKernel& request,
                                                  const LaunchRequest& launch) {
  const auto pool = pools_.find(launch.spec.name);
  if (pool == pools_.end() || request.id) return nullptr;
  auto kernel = pool->second->take(launch);
  if (kernel) {
    warm_.erase(kernel->id());
  } else {
    // Perhaps those that wait are of a kernelspec that has been changed since.
    pool->second->fill();
  }
  return kernel;
}

std::shared_ptr<Kernel> KernelRegistry::find(const KernelId& id) const {
  const auto found = kernels_.find(id);
  return found == kernels_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Kernel>> KernelRegistry::list() const {
  std::vector<std::shared_ptr<Kernel>> all;
  all.reserve(order_.size());
  for (const KernelId& id : order_) all.push_back(kernels_.at(id));
  return all;
}

std::optional<std::string> KernelRegistry::epitaph(const KernelId& id) const {
  const auto found = std::find_if(epitaphs_.rbegin(), epitaphs_.rend(),
                                  [&](const auto& entry) { return entry.first == id; });
  return found == epitaphs_.rend() ? std::nullopt : std::optional(found->second);
}

// Called from within the kernel, which therefore is let go of on the next turn.
void KernelRegistry::ended(const KernelId& id, bool deleted) {
  if (const auto waiting = warm_.find(id); waiting != warm_.end()) {
    if (deleted) {
      boost::asio::post(shard_.loop(), [kernel = waiting->second] {});
      warm_.erase(waiting);
    }
    for (const auto& [name, pool] : pools_) pool->replace_dead();
    return;
  }
  const auto kernel = find(id);
  if (!kernel) return;
  if (!deleted) {
    dead_.push_back(id);
    if (dead_.size() > limits::kDeadKernelsMax) {
      const KernelId oldest = dead_.front();
      dead_.pop_front();
      if (const auto old = find(oldest); old && old->state() == lifecycle::State::dead) {
        old->stop(nullptr);
      }
    }
    return;
  }
  emit(*kernel, "shutdown", "");
  constexpr std::size_t kEpitaphsMax = 1'000;
  epitaphs_.emplace_back(
      id, kernel->summary().reason.empty() ? "it was shut down" : kernel->summary().reason);
  if (epitaphs_.size() > kEpitaphsMax) epitaphs_.pop_front();
  std::erase(order_, id);
  std::erase(dead_, id);
  boost::asio::post(shard_.loop(), [kernel] {});
  kernels_.erase(id);
}

void KernelRegistry::drain() {
  draining_ = true;
  for (const auto& [name, pool] : pools_) pool->stop();
}

void KernelRegistry::stop_all(std::function<void()> done) {
  drain();
  auto all = list();
  for (const auto& [id, kernel] : warm_) all.push_back(kernel);
  auto left = std::make_shared<std::size_t>(all.size());
  if (*left == 0) {
    boost::asio::post(shard_.loop(), std::move(done));
    return;
  }
  for (const auto& kernel : all) {
    kernel->stop([left, done](const Result<void>&) {
      if (--*left == 0) done();
    });
  }
}

std::shared_ptr<void> KernelRegistry::listen(EventListener listener) {
  auto share = std::make_shared<EventListener>(std::move(listener));
  listeners_.push_back(share);
  return share;
}

void KernelRegistry::emit(const Kernel& kernel, std::string_view action,
                          const std::string& message) {
  log::info("kernel_" + std::string(action),
            {{"kernel", kernel.id().str()}, {"name", kernel.spec().name}, {"why", message}});
  std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
  const KernelEvent event{kernel.id(), kernel.spec().name, std::string(action), message};
  for (const auto& weak : std::vector(listeners_)) {
    if (const auto listener = weak.lock()) (*listener)(event);
  }
}

}  // namespace perijove
