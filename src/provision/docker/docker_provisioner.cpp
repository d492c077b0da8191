#include "provision/docker/docker_provisioner.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/log.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "provision/docker/docker_kernel.hpp"
#include "provision/docker/docker_policy.hpp"
#include "provision/docker/images.hpp"
#include "provision/sandbox/uid_pool.hpp"
#include "provision/sandbox/work_dir_access.hpp"

namespace perijove {
namespace {

using namespace docker;

// A kernel that could not even be tried.
class FailedKernel final : public LaunchedKernel {
 public:
  FailedKernel(Shard& shard, const Error& error, std::function<void(Error)> on_failed)
      : on_failed_(std::make_shared<std::function<void(Error)>>(std::move(on_failed))) {
    boost::asio::post(shard.loop(), [weak = std::weak_ptr(on_failed_), error] {
      const auto told = weak.lock();
      if (told && *told) (*told)(error);
    });
  }
  void interrupt(std::function<void()> sent) override { sent(); }
  void terminate() override {}
  void kill() override {}
  std::string connection_file() const override { return {}; }
  std::string describe() const override { return "not running"; }
  IsolationReport isolation() const override {
    IsolationReport report;
    report.kind = "docker";
    return report;
  }

 private:
  std::shared_ptr<std::function<void(Error)>> on_failed_;
};

// Its user is held as long as it runs.
class LeasedKernel final : public LaunchedKernel {
 public:
  // `grant` gives it its work directory once more, with files that others have put there since.
  LeasedKernel(std::unique_ptr<LaunchedKernel> kernel, std::shared_ptr<UidPool::Lease> lease,
               std::function<Result<void>()> grant)
      : lease_(std::move(lease)), kernel_(std::move(kernel)), grant_(std::move(grant)) {}
  void interrupt(std::function<void()> sent) override { kernel_->interrupt(std::move(sent)); }
  void terminate() override { kernel_->terminate(); }
  void kill() override { kernel_->kill(); }
  std::string connection_file() const override { return kernel_->connection_file(); }
  std::string describe() const override { return kernel_->describe(); }
  IsolationReport isolation() const override { return kernel_->isolation(); }
  std::shared_ptr<KernelPlace> place() override { return kernel_->place(); }
  bool start_again(LaunchEvents& events) override {
    return grant_() && kernel_->start_again(events);
  }

 private:
  std::shared_ptr<UidPool::Lease> lease_;
  std::unique_ptr<LaunchedKernel> kernel_;
  std::function<Result<void>()> grant_;
};

std::vector<std::string> facts_of(const nlohmann::json& info) {
  std::vector<std::string> facts;
  facts.push_back("Docker " + json_text(info, "ServerVersion") + " on " +
                  json_text(info, "OperatingSystem"));
  facts.push_back("storage driver " + json_text(info, "Driver"));
  std::string runtimes;
  if (const auto found = info.find("Runtimes"); found != info.end() && found->is_object()) {
    for (const auto& [name, about] : found->items()) {
      const std::string path = about.is_object() ? json_text(about, "path") : "";
      runtimes += (runtimes.empty() ? "" : ", ") + name;
      if (path.substr(path.rfind('/') + 1) == "runsc") runtimes += " (gVisor)";
    }
  }
  facts.push_back("runtimes: " + runtimes);
  const std::string cgroups = json_text(info, "CgroupVersion");
  const auto holds = [&](const char* name) { return info.value(name, true); };
  std::string limits = "limits of memory, processes and processors: cgroup v" +
                       (cgroups.empty() ? std::string("1") : cgroups);
  for (const auto& [name, what] :
       {std::pair("MemoryLimit", "memory"), std::pair("PidsLimit", "processes"),
        std::pair("CpuCfsQuota", "processors")}) {
    if (!holds(name)) limits += std::string("; ") + what + " cannot be limited here";
  }
  facts.push_back(limits);
  std::string security;
  if (const auto found = info.find("SecurityOptions"); found != info.end() && found->is_array()) {
    for (const auto& each : *found) {
      if (each.is_string()) security += (security.empty() ? "" : "; ") + each.get<std::string>();
    }
  }
  facts.push_back("security options: " + (security.empty() ? "none" : security));
  return facts;
}

class DockerProvisioner final : public Provisioner {
 public:
  DockerProvisioner(RuntimeDir& runtime_dir, DockerOptions options)
      : runtime_dir_(runtime_dir),
        options_(std::move(options)),
        address_(parse_docker_host(options_.host, options_.tls_directory)),
        identity_(own_identity(runtime_dir.path())),
        uids_(options_.uid_first, options_.uid_count) {
    policy_.mount_roots = options_.mount_roots;
    policy_.networks = options_.networks;
    policy_.runtime_base = std::filesystem::path(runtime_dir.path()).parent_path();
    if (address_) policy_.docker_socket = address_->socket_path;
    policy_.gateway_uid = ::geteuid();
  }
  ~DockerProvisioner() override {
    if (engine_) engine_->close();
  }

  std::string_view kind() const override { return "docker"; }

  void begin(Shard& shard) override {
    if (!address_) return;
    std::error_code ignored;
    const std::string& socket = address_->socket_path;
    // Most machines have no daemon, and that needs no word.
    if (!socket.empty() && !std::filesystem::exists(socket, ignored)) return;
    prepare(shard);
    sweep();
  }

  Result<void> check(const IsolationRequest& request) const override {
    if (!address_) return address_.error();
    const auto options = read_request(request, policy_);
    if (!options) return options.error();
    return {};
  }

  void probe(Shard& shard, std::function<void(Result<std::vector<std::string>>)> done) override {
    if (!address_) {
      boost::asio::post(shard.loop(),
                        [done = std::move(done), error = address_.error()] { done(error); });
      return;
    }
    prepare(shard);
    EngineCall info;
    info.path = "/info";
    engine_->call(std::move(info), [done = std::move(done)](const Result<std::string>& answer) {
      if (!answer) {
        done(answer.error());
        return;
      }
      const auto document = parse_json(*answer);
      if (document && document->is_object()) {
        done(facts_of(*document));
      } else {
        done(Error{Code::data_loss, "Docker: what the daemon says about itself cannot be read"});
      }
    });
  }

  void probe_default(Shard& shard, std::function<void(Result<std::string>)> done) override {
    const auto refuse = [&shard, &done](Error error) {
      boost::asio::post(shard.loop(),
                        [done = std::move(done), error = std::move(error)] { done(error); });
    };
    if (!address_) return refuse(address_.error());
    if (address_->socket_path.empty()) {
      return refuse({Code::failed_precondition,
                     "the Docker daemon at " + address_->describe() +
                         " shares no files and no network with the gateway, so it must be asked "
                         "for (--isolation docker)"});
    }
    prepare(shard);
    find_image(engine_, options_.image, std::move(done));
  }

  std::unique_ptr<LaunchedKernel> launch(Shard& shard, LaunchRequest request,
                                         LaunchEvents events) override {
    const auto refuse = [&](const Error& error) {
      return std::make_unique<FailedKernel>(shard, error, std::move(events.on_failed));
    };
    if (!address_) return refuse(address_.error());
    auto all = with_kernelspec_options(request.spec, request.isolation.options);
    if (!all) return refuse(all.error());
    request.isolation.options = *std::move(all);
    auto options = read_request(request.isolation, policy_);
    if (!options) return refuse(options.error());
    prepare(shard);
    sweep();
    DockerSetting setting{.runtime_dir = runtime_dir_,
                          .engine = engine_,
                          .containers = containers_,
                          .events = events_,
                          .gateway_label = to_label(identity_),
                          .default_image = options_.image,
                          .is_blind = is_blind_,
                          .kernel_uid = ::geteuid(),
                          .kernel_gid = ::getegid(),
                          .fork_servers = options_.fork_servers,
                          .without_fork_server = without_fork_server_,
                          .open_to_gvisor = nullptr};
    std::shared_ptr<UidPool::Lease> lease;
    std::function<Result<void>()> grant;
    if (::geteuid() == 0) {
      auto leased = lend_work_dir(request.work_dir, *options);
      if (!leased) return refuse(leased.error());
      lease = leased->lease;
      setting.kernel_uid = leased->user.uid;
      setting.kernel_gid = leased->user.gid;
      setting.open_to_gvisor = [this, work_dir = request.work_dir, gid = leased->user.gid] {
        return open_to_gvisor(work_dir, gid);
      };
      grant = [this, work_dir = request.work_dir, uid = leased->user.uid]() -> Result<void> {
        const auto directory = open_work_dir(work_dir);
        return directory ? grant_work_dir(*directory, work_dir, uid) : directory.error();
      };
    }
    auto kernel = launch_docker_kernel(shard, setting, std::move(request), *std::move(options),
                                       std::move(events));
    if (!grant) return kernel;
    return std::make_unique<LeasedKernel>(std::move(kernel), std::move(lease), std::move(grant));
  }

 private:
  struct Lent {
    ContainerUser user;
    std::shared_ptr<UidPool::Lease> lease;
  };

  static Result<FileDescriptor> open_work_dir(const std::string& path) {
    FileDescriptor directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (directory) return directory;
    return Error{Code::not_found, "the work directory '" + path + "' cannot be opened"};
  }

  Result<void> grant_work_dir(const FileDescriptor& directory, const std::string& path, uid_t to) {
    return grant_access(directory, path, to, [this, to](uid_t uid) {
      return uid != to && uids_.contains(uid) && uids_.is_free(uid);
    });
  }

  // Where the gateway is root: who the kernel is, and that it may use the work directory.
  Result<Lent> lend_work_dir(const std::string& work_dir, const ContainerOptions& options) {
    const auto opened = open_work_dir(work_dir);
    if (!opened) return opened.error();
    const FileDescriptor& directory = *opened;
    Lent lent;
    if (const auto user = parse_user(options.user)) {
      lent.user = *user;
    } else {
      auto lease = uids_.lease(directory, user_with_access(directory, [this](uid_t uid) {
                                 return uids_.contains(uid);
                               }));
      if (!lease) return lease.error();
      lent.lease = *std::move(lease);
      lent.user = {lent.lease->uid, lent.lease->uid};
    }
    const auto granted = grant_work_dir(directory, work_dir, lent.user.uid);
    if (!granted) return granted.error();
    return lent;
  }

  Result<void> open_to_gvisor(const std::string& work_dir, gid_t gid) {
    const auto directory = open_work_dir(work_dir);
    if (!directory) return directory.error();
    return hand_to_group(*directory, work_dir, gid, [this](gid_t old) {
      return uids_.contains(old);  // groups have the numbers of their users
    });
  }

  // What needs a loop, at the first use.
  void prepare(Shard& shard) {
    if (engine_) return;
    engine_ = std::make_shared<Engine>(shard, *address_);
    containers_ = std::make_shared<Containers>(*address_);
    // Of every gateway: one may run kernels in a container that another has made.
    events_ = std::make_shared<ContainerEvents>(shard, engine_, kGatewayLabel);
  }

  // When the gateway begins, and where the daemon was away then, at a launch. Not by a probe: a
  // look at what the daemon can do must not end anything.
  void sweep() {
    if (std::exchange(swept_, true)) return;
    sweep_strays(engine_, identity_, [this](const Result<std::size_t>& swept) {
      swept_ = swept.has_value();
      if (!swept) log::info("docker_sweep_failed", {{"reason", swept.error().message}});
    });
  }

  RuntimeDir& runtime_dir_;
  DockerOptions options_;
  Result<HttpAddress> address_;
  GatewayIdentity identity_;
  DockerPolicy policy_;
  UidPool uids_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Containers> containers_;
  std::shared_ptr<ContainerEvents> events_;
  const std::shared_ptr<bool> is_blind_ = std::make_shared<bool>(false);
  const std::shared_ptr<std::map<std::string, TimePoint>> without_fork_server_ =
      std::make_shared<std::map<std::string, TimePoint>>();
  bool swept_ = false;
};

}  // namespace

std::unique_ptr<Provisioner> make_docker_provisioner(RuntimeDir& runtime_dir,
                                                     DockerOptions options) {
  return std::make_unique<DockerProvisioner>(runtime_dir, std::move(options));
}

}  // namespace perijove
