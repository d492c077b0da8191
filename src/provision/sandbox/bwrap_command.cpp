#include "provision/sandbox/bwrap_command.hpp"

#include <algorithm>
#include <cstddef>

namespace perijove {
namespace {

// Files of shared memory are few and large; more than this is what /tmp is for.
constexpr std::uint64_t kSharedMemoryBytes = std::uint64_t{64} << 20;

class Options {
 public:
  template <typename... Text>
  void add(Text&&... text) {
    (all_.emplace_back(std::forward<Text>(text)), ...);
  }
  std::vector<std::string> take() { return std::move(all_); }

 private:
  std::vector<std::string> all_;
};

}  // namespace

std::vector<std::string> bwrap_options(const SandboxPlan& plan) {
  Options options;
  options.add("--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "kernel");
  if (!plan.host_network) options.add("--unshare-net");
  const bool is_kernel = plan.forks == SandboxPlan::Forks::none;
  if (is_kernel) {
    const std::string uid = std::to_string(kSandboxUid);
    options.add("--unshare-user", "--unshare-pid", "--uid", uid, "--gid", uid);
    if (plan.disable_userns) options.add("--disable-userns");
  }
  // Without a session of its own, it could type into the gateway's terminal (TIOCSTI).
  options.add("--new-session", "--die-with-parent", "--cap-drop", "ALL");
  if (plan.forks == SandboxPlan::Forks::for_other_users) {
    options.add("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID");
  }
  if (plan.seccomp_descriptor >= 0) {
    options.add("--seccomp", std::to_string(plan.seccomp_descriptor));
  }

  for (const std::string& each : plan.system_directories) options.add("--ro-bind", each, each);
  for (const auto& [target, path] : plan.system_links) options.add("--symlink", target, path);
  options.add("--dir", "/etc");
  for (const std::string& each : plan.system_files) options.add("--ro-bind-try", each, each);
  for (const SandboxFile& file : plan.files) {
    options.add("--ro-bind-data", std::to_string(file.descriptor), file.target);
  }
  if (is_kernel) {
    options.add("--proc", "/proc");
  } else {  // of a pid namespace that is not its own no other can be mounted
    options.add("--ro-bind", "/proc", "/proc");
  }
  options.add("--dev", "/dev");
  // bubblewrap gives it the half of the memory otherwise, and lets it be written to.
  options.add("--size", std::to_string(kSharedMemoryBytes), "--perms", "1777", "--tmpfs",
              "/dev/shm", "--remount-ro", "/dev");
  const std::string size = std::to_string(plan.tmp_bytes);
  options.add("--size", size, "--perms", "1777", "--tmpfs", "/tmp");
  options.add("--size", size, "--perms", "0700", "--tmpfs", kSandboxHome);

  std::vector<SandboxBind> binds = plan.binds;
  std::stable_sort(binds.begin(), binds.end(), [](const SandboxBind& a, const SandboxBind& b) {
    return a.target.size() < b.target.size();
  });
  for (const SandboxBind& bind : binds) {
    options.add(bind.read_only ? "--ro-bind" : "--bind", bind.source, bind.target);
  }
  options.add("--remount-ro", "/", "--chdir", plan.work_dir);
  options.add("--clearenv");
  for (const auto& [name, value] : plan.env) options.add("--setenv", name, value);
  return options.take();
}

Environment sandbox_environment(Environment env) {
  env["HOME"] = kSandboxHome;
  env["IPYTHONDIR"] = std::string(kSandboxHome) + "/.ipython";
  env["USER"] = env["LOGNAME"] = "kernel";
  env["TMPDIR"] = "/tmp";
  // With it ipykernel ends when its parent is process 1, as it always is in here.
  env.erase("JPY_PARENT_PID");
  // Each names a directory or socket outside.
  for (const char* name : {"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME",
                           "JUPYTER_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK"}) {
    env.erase(name);
  }
  return env;
}

}  // namespace perijove
