#include "provision/sandbox/sandbox_provisioner.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <fstream>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "io/run_process.hpp"
#include "provision/sandbox/sandbox_housing.hpp"
#include "provision/sandbox/sandbox_machine.hpp"

namespace perijove {
namespace {

using ProbeDone = std::function<void(Result<std::vector<std::string>>)>;

std::string setting(const std::string& path) {
  std::ifstream file(path);
  std::string value;
  std::getline(file, value);
  return value;
}

// What of this machine's settings forbids user namespaces; empty: none that is known.
std::string forbidding_setting() {
  if (setting("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
    return "the system forbids user namespaces; allow them with sysctl "
           "kernel.unprivileged_userns_clone=1";
  }
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
    return "AppArmor forbids user namespaces; install an AppArmor profile for bwrap "
           "(apparmor-profiles has one), or allow them with sysctl "
           "kernel.apparmor_restrict_unprivileged_userns=0";
  }
  if (setting("/proc/sys/user/max_user_namespaces") == "0") {
    return "the system allows no user namespaces; raise sysctl user.max_user_namespaces";
  }
  return {};
}

// What holds limits here, for people.
std::string describe_cgroups(const std::vector<CgroupPlace>& places) {
  std::string held;
  std::set<std::string> missing = {"memory", "pids", "cpu"};
  for (const CgroupPlace& place : places) {
    for (const std::string& controller : place.controllers) {
      held += (held.empty() ? "" : ", ") + controller + " (v" + std::to_string(place.version) + ")";
      missing.erase(controller);
    }
  }
  if (missing.empty()) return "limits are held by cgroups: " + held;
  return held.empty()
             ? "no cgroup can be made here: limits hold for each process (RLIMIT), those of "
               "processes for a whole kernel"
             : "limits are held by cgroups: " + held + "; the others hold for each process";
}

class SandboxProvisioner final : public Provisioner {
 public:
  SandboxProvisioner(RuntimeDir& runtime_dir, SandboxOptions options)
      : runtime_dir_(runtime_dir),
        machine_(runtime_dir, std::move(options)),
        fork_servers_(machine_, runtime_dir, machine_.options.fork_servers) {}

  std::string_view kind() const override { return "sandbox"; }

  Result<void> check(const IsolationRequest& request) const override {
    if (const auto parsed = parse_sandbox_request(request); !parsed) return parsed.error();
    for (const Mount& mount : request.mounts) {
      if (auto allowed = check_mount(mount, machine_.policy); !allowed) return allowed;
      if (const auto source = open_mount_source(mount.source); !source) return source.error();
    }
    return {};
  }

  void probe(Shard& shard, ProbeDone done) override;

  std::unique_ptr<LaunchedKernel> launch(Shard& shard, LaunchRequest request,
                                         LaunchEvents events) override {
    return launch_process_kernel(shard, runtime_dir_, request, std::move(events),
                                 std::make_unique<SandboxHousing>(machine_, fork_servers_));
  }

 private:
  // A trial that is under way, as the user it is made by.
  struct Probe {
    std::shared_ptr<void> run;
    std::shared_ptr<UidPool::Lease> user;
  };

  std::vector<std::string> facts(std::string version) const;
  Result<SpawnRequest> trial(Probe& probe);

  RuntimeDir& runtime_dir_;
  SandboxMachine machine_;
  SandboxForkServers fork_servers_;
  std::set<std::shared_ptr<Probe>> probes_;  // under way
};

// A sandbox as a kernel gets it, without a kernel: it says its version and ends.
Result<SpawnRequest> SandboxProvisioner::trial(Probe& probe) {
  SpawnRequest spawn;
  spawn.env = {{"PATH", "/usr/bin:/bin"}};
  spawn.work_dir = "/";
  spawn.argv = {machine_.bwrap,  "--unshare-user",       "--unshare-pid", "--unshare-net",
                "--unshare-ipc", "--unshare-cgroup-try", "--unshare-uts", "--cap-drop",
                "ALL",           "--die-with-parent"};
  if (machine_.knows_disable_userns) spawn.argv.emplace_back("--disable-userns");
  for (const std::string& each : machine_.system_directories) {
    spawn.argv.insert(spawn.argv.end(), {"--ro-bind", each, each});
  }
  for (const auto& [target, path] : machine_.system_links) {
    spawn.argv.insert(spawn.argv.end(), {"--symlink", target, path});
  }
  spawn.argv.insert(spawn.argv.end(),
                    {"--proc", "/proc", "--dev", "/dev", "--", machine_.bwrap, "--version"});
  if (machine_.uids) {
    const FileDescriptor directory(open(runtime_dir_.path().c_str(), O_PATH | O_CLOEXEC));
    auto user = machine_.uids->lease(directory, std::nullopt);
    if (!user) return user.error();
    probe.user = std::move(*user);
    spawn.identity = ProcessIdentity{.uid = probe.user->uid, .gid = probe.user->uid};
  }
  return spawn;
}

std::vector<std::string> SandboxProvisioner::facts(std::string version) const {
  std::vector<std::string> facts = {std::move(version)};
  if (machine_.uids) {
    facts.push_back("the gateway is root: kernels run as users from " +
                    std::to_string(machine_.options.uid_first) + " on");
  }
  constexpr std::size_t kInstructionBytes = 8;
  facts.push_back("system calls are filtered by " +
                  std::to_string(machine_.filter->size() / kInstructionBytes) + " instructions");
  facts.push_back(describe_cgroups(machine_.cgroups));
  return facts;
}

void SandboxProvisioner::probe(Shard& shard, ProbeDone done) {
  const auto refuse = [&shard, &done](Error error) {
    boost::asio::post(shard.loop(),
                      [done = std::move(done), error = std::move(error)] { done(error); });
  };
  if (machine_.bwrap.empty()) {
    refuse({Code::failed_precondition, "there is no '" + machine_.options.bwrap +
                                           "'; install bubblewrap (apt install bubblewrap)"});
    return;
  }
  if (!machine_.filter) {
    refuse(machine_.filter.error());
    return;
  }
  const auto probe = std::make_shared<Probe>();
  const auto spawn = trial(*probe);
  if (!spawn) {
    refuse(spawn.error());
    return;
  }
  probes_.insert(probe);
  probe->run = run_process(
      shard, *spawn, {},
      [this, weak = std::weak_ptr(probe),
       done = std::move(done)](const Result<ProcessOutput>& run) {
        if (const auto ended = weak.lock()) probes_.erase(ended);
        if (!run) {
          done(run.error());
        } else if (run->exit.code != 0) {
          const std::string why(trim(run->error_output));
          const std::string setting = forbidding_setting();
          done(Error{Code::failed_precondition, "bubblewrap cannot make a sandbox here" +
                                                    (why.empty() ? "" : ": " + why) +
                                                    (setting.empty() ? "" : "; " + setting)});
        } else {
          done(facts(std::string(trim(run->output))));
        }
      });
}

}  // namespace

std::unique_ptr<Provisioner> make_sandbox_provisioner(RuntimeDir& runtime_dir,
                                                      SandboxOptions options) {
  return std::make_unique<SandboxProvisioner>(runtime_dir, std::move(options));
}

}  // namespace perijove
