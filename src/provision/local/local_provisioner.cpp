#include "provision/local/local_provisioner.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "provision/process_kernel.hpp"

namespace perijove {
namespace {

class LocalHousing final : public KernelHousing {
 public:
  Result<Transport> transport(const LaunchRequest& request) override {
    return transport_of(request.spec).value_or(request.transport);
  }
  Result<SpawnRequest> prepare(const LaunchRequest& request, std::vector<std::string> argv,
                               const std::string&, const std::string&) override {
    report_process_limits(request.limits, report_);
    if (!report_.limits.empty()) {
      report_.notes.emplace_back("limits hold for each process, not for all of a kernel together");
    }
    SpawnRequest spawn;
    spawn.argv = std::move(argv);
    spawn.env = request.env;
    spawn.work_dir = request.work_dir;
    spawn.limits = request.limits;
    return spawn;
  }
  IsolationReport isolation() const override { return report_; }

 private:
  IsolationReport report_{
      .kind = "none",
      .network = "host",
      .limits = {},
      .notes = {"the kernel is a process of the gateway's user and may do what that user may"}};
};

class LocalProvisioner final : public Provisioner {
 public:
  explicit LocalProvisioner(RuntimeDir& runtime_dir) : runtime_dir_(runtime_dir) {}
  std::string_view kind() const override { return "none"; }
  Result<void> check(const IsolationRequest& request) const override {
    const auto refuse = [](std::string_view what) {
      return Error{Code::invalid_argument,
                   std::string(what) + "; ask for isolation 'sandbox' or 'docker'"};
    };
    if (!request.network.empty() && request.network != "host") {
      return refuse("without isolation a kernel has this machine's network, not '" +
                    request.network + "'");
    }
    if (!request.mounts.empty()) return refuse("without isolation there is nothing to mount");
    return {};
  }
  void probe(Shard& shard, std::function<void(Result<std::vector<std::string>>)> done) override {
    boost::asio::post(shard.loop(), [done = std::move(done)] {
      done(std::vector<std::string>{
          "processes of the gateway's own user; nothing keeps them apart"});
    });
  }
  std::unique_ptr<LaunchedKernel> launch(Shard& shard, LaunchRequest request,
                                         LaunchEvents events) override {
    return launch_process_kernel(shard, runtime_dir_, request, std::move(events),
                                 std::make_unique<LocalHousing>());
  }

 private:
  RuntimeDir& runtime_dir_;
};

}  // namespace

std::unique_ptr<Provisioner> make_local_provisioner(RuntimeDir& runtime_dir) {
  return std::make_unique<LocalProvisioner>(runtime_dir);
}

}  // namespace perijove
