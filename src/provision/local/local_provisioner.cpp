#include "provision/local/local_provisioner.hpp"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.hpp"
#include "provision/fork_server.hpp"
#include "provision/process_kernel.hpp"

namespace perijove {
namespace {

class LocalHousing final : public KernelHousing {
 public:
  /// `fork_servers` null: every kernel starts by itself.
  explicit LocalHousing(std::shared_ptr<ForkServers> fork_servers)
      : fork_servers_(std::move(fork_servers)) {}

  Result<Transport> transport(const LaunchRequest& request) override {
    return transport_of(request.spec).value_or(request.transport);
  }
  Result<SpawnRequest> prepare(const LaunchRequest& request, std::vector<std::string> argv,
                               const std::string&, const std::string&) override {
    report_process_limits(request.limits, report_);
    if (!report_.limits.empty()) {
      report_.notes.emplace_back("limits hold for each process, not for all of a kernel together");
    }
    spec_ = request.spec;
    branch_ = request.branch;
    has_own_python_ = !request.virtual_env.empty();
    SpawnRequest spawn;
    spawn.argv = std::move(argv);
    spawn.env = request.env;
    spawn.work_dir = request.work_dir;
    spawn.limits = request.limits;
    return spawn;
  }
  void start(Shard& shard, const SpawnRequest& spawn, const std::string& connection_file,
             ChildProcess::OnOutput on_output, ChildProcess::OnExit on_exit,
             Started started) override {
    if (branch_) {
      start_branch(shard, spawn, connection_file, on_output, on_exit, std::move(started));
      return;
    }
    const auto server = find_fork_server(shard, spawn);
    if (!server) {
      if (server.error().code != Code::unimplemented) say_why(server.error());
      KernelHousing::start(shard, spawn, connection_file, std::move(on_output), std::move(on_exit),
                           std::move(started));
      return;
    }
    (*server)->start_kernel(
        {connection_file, spawn.work_dir, spawn.env, spawn.limits}, on_output, on_exit,
        [&shard, spawn, on_output, on_exit,
         started = std::move(started)](Result<std::unique_ptr<ChildProcess>> forked) {
          if (!forked) {
            say_why(forked.error());
            forked = ChildProcess::spawn(shard, spawn, on_output, on_exit);
          }
          started(std::move(forked));
        });
  }
  IsolationReport isolation() const override { return report_; }

 private:
  void start_branch(Shard& shard, const SpawnRequest& spawn, const std::string& connection_file,
                    const ChildProcess::OnOutput& on_output, const ChildProcess::OnExit& on_exit,
                    Started started) {
    auto prepared = ChildProcess::Adoption::prepare(shard);
    if (!prepared) {
      started(prepared.error());
      return;
    }
    const auto adoption = std::make_shared<ChildProcess::Adoption>(*std::move(prepared));
    BranchRequest request{connection_file, spawn.work_dir, spawn.env, {}};
    add_variable(request.env, adoption->marker());
    request.output =
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(adoption->output());
    branch_(request, [adoption, on_output, on_exit,
                      started = std::move(started)](const Result<pid_t>& forked) {
      if (forked) {
        started(std::move(*adoption).take(*forked, on_output, on_exit));
      } else {
        started(forked.error());
      }
    });
  }
  Result<std::shared_ptr<ForkServer>> find_fork_server(Shard& shard, const SpawnRequest& spawn) {
    if (!fork_servers_) return Error{Code::unimplemented, "there are no fork servers"};
    // An affinity is set before a program runs; a fork server has its own.
    if (spawn.limits.processors_max) {
      return Error{Code::unavailable, "it cannot limit processors"};
    }
    if (has_own_python_) {
      return Error{Code::unavailable, "a server for its environment would outlive all use of it"};
    }
    return fork_servers_->find(spec_, spawn.env, [&shard](SpawnRequest command) {
      return Result<std::shared_ptr<ForkServer>>(ForkServer::start(shard, std::move(command)));
    });
  }
  static void say_why(const Error& error) {
    log::info("kernel_starts_cold", {{"why", error.message}});
  }

  std::shared_ptr<ForkServers> fork_servers_;
  Kernelspec spec_;
  bool has_own_python_ = false;  // of an environment that the caller named
  Branch branch_;
  IsolationReport report_{
      .kind = "none",
      .network = "host",
      .limits = {},
      .notes = {"the kernel is a process of the gateway's user and may do what that user may"}};
};

class LocalProvisioner final : public Provisioner {
 public:
  LocalProvisioner(RuntimeDir& runtime_dir, bool fork_servers)
      : runtime_dir_(runtime_dir),
        fork_servers_(fork_servers ? std::make_shared<ForkServers>() : nullptr) {}
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
                                 std::make_unique<LocalHousing>(fork_servers_));
  }

 private:
  RuntimeDir& runtime_dir_;
  std::shared_ptr<ForkServers> fork_servers_;
};

}  // namespace

std::unique_ptr<Provisioner> make_local_provisioner(RuntimeDir& runtime_dir, bool fork_servers) {
  return std::make_unique<LocalProvisioner>(runtime_dir, fork_servers);
}

}  // namespace perijove
