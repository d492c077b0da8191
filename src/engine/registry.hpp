#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/kernel.hpp"
#include "engine/kernel_pool.hpp"
#include "engine/kernelspecs.hpp"
#include "engine/provisioners.hpp"
#include "protocol/environment.hpp"

namespace perijove {

struct RegistryOptions {
  KernelOptions kernel;
  std::string work_root;           ///< Absolute. Kernels run here or below.
  std::string default_kernelspec;  ///< Empty: python3, or the first there is.
  std::size_t kernels_max = 0;  ///< Live kernels but for waiting ones; 0: no limit. Beyond it: 403.
  std::vector<std::string> inherited_env;  ///< Patterns; see EnvironmentRequest.
  std::vector<std::string> client_env;
  Environment gateway_env;
  Transport kernel_transport = Transport::ipc;
};

/// What a caller wants started.
struct StartKernel {
  std::string name;  ///< Kernelspec; empty: the default.
  /// Instead of an installed one, brought along by the caller; `name` is not looked for then.
  std::optional<Kernelspec> spec = {};
  std::optional<KernelId> id;  ///< Of the caller's choice; that of a living kernel returns it.
  Environment env;             ///< From read_client_environment().
  Environment session_env;     ///< Set on top, whatever clients may set: for a session's own code.
  std::string path;            ///< Of a notebook or directory below work_root; may not exist.
  std::string session_name;    ///< JPY_SESSION_NAME.
  std::string work_dir;  ///< Absolute and there, of the gateway's own choice; empty: by `path`.
  ProcessLimits limits = {};  ///< Of its process.
  IsolationRequest isolation = {};
  /// A Python environment whose programs come first, as the kernel sees it; absolute.
  std::string virtual_env = {};
  /// Instead of the kernelspec's own, when its command begins with a Python; empty: that one.
  std::string interpreter = {};
  /// See LaunchRequest; for its first start. Whoever gives it has seen that the kernel can do it.
  Branch branch = {};
};

/// A step in a kernel's life, for /api/events and the metrics.
struct KernelEvent {
  KernelId id;
  std::string kernel_name;
  std::string action;  ///< start, ready, interrupt, restart, died, cull, shutdown.
  std::string message;
};

/// All kernels of the gateway. Shard thread only.
class KernelRegistry {
 public:
  using Done = std::function<void(Result<void>)>;

  KernelRegistry(Shard& shard, Provisioners& provisioners, Kernelspecs& kernelspecs,
                 RegistryOptions options);
  ~KernelRegistry();

  /// Begins to start a kernel and returns it at once, in state starting: a failure shows as dead
  /// with its reason, and goes to `ready`, which may be null. Errors before anything is started:
  /// not_found (kernelspec; the message helps), resource_exhausted (kernels_max), unavailable
  /// (draining), and those of Provisioners::choose.
  Result<std::shared_ptr<Kernel>> start(const StartKernel& request, Done ready = nullptr);

  /// Keeps `count` kernels of a kernelspec (empty: the default) running for those who will start
  /// one without wishes of their own; no list shows them before. Why none gets ready is logged.
  /// Errors: those of start() but for kernels_max.
  Result<void> keep_warm(const std::string& name, std::size_t count);
  /// Those that wait, by kernelspec.
  const std::map<std::string, std::unique_ptr<KernelPool>>& pools() const { return pools_; }

  /// nullptr when there is none of that id.
  std::shared_ptr<Kernel> find(const KernelId& id) const;
  /// In the order in which they were started.
  std::vector<std::shared_ptr<Kernel>> list() const;
  std::size_t size() const { return kernels_.size(); }

  /// Why a kernel that is not there any more ended: "shut down", "culled"; nullopt when it never
  /// was or was long ago.
  std::optional<std::string> epitaph(const KernelId& id) const;

  /// No kernel starts from now on.
  void drain();
  bool draining() const { return draining_; }
  /// Ends all kernels; `done` when the last has ended.
  void stop_all(std::function<void()> done);

  const Provisioners& provisioners() const { return provisioners_; }

  /// The default kernelspec's name; empty when there is none at all.
  std::string default_kernelspec() const;
  const RegistryOptions& options() const { return options_; }
  Kernelspecs& kernelspecs() { return kernelspecs_; }

  /// Calls `listener` for every step until the returned share is dropped.
  using EventListener = std::function<void(const KernelEvent&)>;
  std::shared_ptr<void> listen(EventListener listener);

 private:
  struct Plan {
    LaunchRequest launch;
    Provisioner* provisioner;
  };
  Result<Plan> plan(const StartKernel& request) const;
  std::shared_ptr<Kernel> make_kernel(Plan plan);
  std::shared_ptr<Kernel> take_warm(const StartKernel& request, const LaunchRequest& launch);
  void ended(const KernelId& id, bool deleted);
  void emit(const Kernel& kernel, std::string_view action, const std::string& message);
  std::string work_dir_for(const StartKernel& request) const;

  Shard& shard_;
  Provisioners& provisioners_;
  Kernelspecs& kernelspecs_;
  RegistryOptions options_;
  std::unordered_map<KernelId, std::shared_ptr<Kernel>> kernels_;
  std::unordered_map<KernelId, std::shared_ptr<Kernel>> warm_;  // handed out to nobody yet
  std::map<std::string, std::unique_ptr<KernelPool>> pools_;
  std::vector<KernelId> order_;
  std::deque<std::pair<KernelId, std::string>> epitaphs_;
  std::deque<KernelId> dead_;  // kept to be seen, oldest first
  std::vector<std::weak_ptr<EventListener>> listeners_;
  bool draining_ = false;
};

}  // namespace perijove
