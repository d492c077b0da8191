#include "provision/docker/container_body.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "protocol/json.hpp"

namespace perijove::docker {
namespace {

using nlohmann::json;

// Room for a kernel's threads and what it starts; gVisor needs more than a hundred for itself.
constexpr std::uint64_t kPidsDefault = 512;
constexpr const char* kTmpOptions = "rw,noexec,nosuid,nodev,size=64m,mode=1777";
constexpr double kNanoCpus = 1e9;

template <typename Number>
std::optional<Number> tighter(std::optional<Number> a, std::optional<Number> b) {
  if (a && b) return std::min(*a, *b);
  return a ? a : b;
}

json mount(const std::string& source, const std::string& target, bool read_only) {
  const bool bind = source.starts_with('/');
  json entry = {{"Type", bind ? "bind" : "volume"}, {"Target", target}, {"ReadOnly", read_only}};
  if (!source.empty()) entry["Source"] = source;  // else a new volume, removed with its container
  return entry;
}

json mounts(const ContainerOptions& options, const ContainerPlan& plan) {
  json list = json::array();
  list.push_back(mount(plan.kernel_dir, kKernelDirInside, false));
  if (!plan.kernelspec_dir.empty()) {
    list.push_back(mount(plan.kernelspec_dir, kKernelspecDirInside, true));
  }
  const bool replaced =
      std::any_of(options.volumes.begin(), options.volumes.end(),
                  [&](const Volume& volume) { return volume.target == options.work_dir_inside; });
  if (!replaced) list.push_back(mount(plan.work_dir, options.work_dir_inside, false));
  for (const Volume& volume : options.volumes) {
    list.push_back(mount(volume.source, volume.target, volume.read_only));
  }
  return list;
}

json device_requests(const ContainerOptions& options) {
  json list = json::array();
  for (const DeviceRequest& request : options.device_requests) {
    list.push_back({{"Driver", request.driver},
                    {"Count", request.count},
                    {"DeviceIDs", request.device_ids},
                    {"Capabilities", request.capabilities},
                    {"Options", request.options}});
  }
  return list;
}

json host_config(const ContainerOptions& options, const ContainerPlan& plan,
                 const ContainerLimits& limits) {
  json config = {
      {"Mounts", mounts(options, plan)},
      {"NetworkMode", options.network.empty() ? "none" : options.network},
      {"Init", true},
      {"ReadonlyRootfs", options.read_only},
      {"CapDrop", {"ALL"}},
      {"SecurityOpt", {"no-new-privileges", "seccomp=" + seccomp_profile()}},
      {"PidsLimit", limits.pids},
      {"LogConfig",
       {{"Type", "json-file"},
        {"Config", {{"max-size", std::to_string(options.log_bytes_max)}, {"max-file", "1"}}}}},
  };
  auto tmpfs = options.tmpfs;
  if (options.read_only) tmpfs.emplace("/tmp", kTmpOptions);
  if (!tmpfs.empty()) config["Tmpfs"] = tmpfs;
  if (limits.memory_bytes) config["Memory"] = *limits.memory_bytes;
  if (limits.memory_swap_bytes) config["MemorySwap"] = *limits.memory_swap_bytes;
  if (limits.cpus) config["NanoCpus"] = static_cast<std::int64_t>(*limits.cpus * kNanoCpus);
  if (options.shm_bytes) config["ShmSize"] = *options.shm_bytes;
  for (const auto& [name, limit] : limits.ulimits) {
    config["Ulimits"].push_back({{"Name", name}, {"Soft", limit.soft}, {"Hard", limit.hard}});
  }
  for (const auto& [name, address] : options.extra_hosts) {
    config["ExtraHosts"].push_back(name + ":" + address);
  }
  if (!options.dns.empty()) config["Dns"] = options.dns;
  if (!options.device_requests.empty()) config["DeviceRequests"] = device_requests(options);
  if (!options.runtime.empty()) config["Runtime"] = options.runtime;
  return config;
}

bool describes_the_machine(std::string_view name) {
  constexpr std::string_view kNames[] = {
      "PATH",       "HOME",        "USER",          "LOGNAME", "SHELL", "PWD",
      "OLDPWD",     "TMPDIR",      "HOSTNAME",      "TMP",     "TEMP",  "LD_LIBRARY_PATH",
      "PYTHONHOME", "VIRTUAL_ENV", "JPY_PARENT_PID"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         name.starts_with("XDG_") || name.starts_with("CONDA_");
}

}  // namespace

ContainerLimits combine_limits(const ContainerOptions& options, const ProcessLimits& limits) {
  ContainerLimits held;
  held.memory_bytes = tighter(options.memory_bytes, limits.memory_bytes_max);
  if (held.memory_bytes) {
    // Without a word about swap there is none: a limit that swaps is none on time.
    held.memory_swap_bytes =
        std::max(*held.memory_bytes, options.memory_swap_bytes.value_or(*held.memory_bytes));
    if (limits.memory_bytes_max) {
      held.memory_swap_bytes =
          std::min(*held.memory_swap_bytes, std::max(*limits.memory_bytes_max, *held.memory_bytes));
    }
  }
  held.cpus = tighter(options.cpus, limits.processors_max);
  held.pids = tighter(options.pids, limits.processes_max).value_or(kPidsDefault);
  held.ulimits = options.ulimits;
  const auto hold = [&](const char* name, std::optional<std::uint64_t> value) {
    if (!value) return;
    const auto most = static_cast<std::int64_t>(
        std::min<std::uint64_t>(*value, std::numeric_limits<std::int64_t>::max()));
    Ulimit& limit = held.ulimits.try_emplace(name, Ulimit{most, most}).first->second;
    limit.soft = std::min(limit.soft, most);
    limit.hard = std::min(limit.hard, most);
  };
  hold("fsize", limits.file_bytes_max);
  hold("nofile", limits.open_files_max);
  if (limits.cpu_time_max) hold("cpu", static_cast<std::uint64_t>(limits.cpu_time_max->count()));
  return held;
}

std::vector<HeldLimit> report_limits(const ContainerLimits& limits,
                                     const ContainerOptions& options) {
  std::vector<HeldLimit> report;
  if (limits.memory_bytes) report.push_back({"memory", *limits.memory_bytes, "bytes", "docker"});
  if (limits.memory_swap_bytes) {
    report.push_back({"swap", *limits.memory_swap_bytes - *limits.memory_bytes, "bytes", "docker"});
  }
  if (limits.cpus) {
    constexpr double kMilli = 1000;
    report.push_back({"cpus", static_cast<std::uint64_t>(std::lround(*limits.cpus * kMilli)),
                      "milli-cpus", "docker"});
  }
  report.push_back({"processes", limits.pids, "processes", "docker"});
  const std::pair<const char*, HeldLimit> known[] = {{"fsize", {"file_size", 0, "bytes", ""}},
                                                     {"nofile", {"open_files", 0, "files", ""}},
                                                     {"cpu", {"cpu_time", 0, "seconds", ""}}};
  for (const auto& [name, entry] : known) {
    const auto found = limits.ulimits.find(name);
    if (found == limits.ulimits.end()) continue;
    report.push_back({entry.name, static_cast<std::uint64_t>(found->second.hard), entry.unit,
                      "rlimit of each process"});
  }
  if (options.shm_bytes) report.push_back({"shm_size", *options.shm_bytes, "bytes", "docker"});
  return report;
}

std::string container_body(const ContainerOptions& options, const ContainerPlan& plan,
                           const ContainerLimits& limits) {
  Environment env = {
      {"HOME", "/tmp"},
      {"IPYTHONDIR", "/tmp/.ipython"},
      {"PYTHONDONTWRITEBYTECODE", "1"},
      // The init process sends signals to the kernel's group, not to the kernel alone.
      {"TINI_KILL_PROCESS_GROUP", "1"},
  };
  for (const auto& [name, value] : plan.env) env[name] = value;
  for (const auto& [name, value] : options.environment) env[name] = value;
  json body = {{"Image", plan.image},
               {"Cmd", plan.command},
               {"Entrypoint", json::array()},  // an image's own would stand before the kernel
               {"WorkingDir", options.work_dir_inside},
               {"Env", json::array()},
               {"NetworkDisabled", false},
               {"HostConfig", host_config(options, plan, limits)}};
  for (const auto& [name, value] : env) body["Env"].push_back(name + "=" + value);
  if (!plan.user.empty()) body["User"] = plan.user;
  auto labels = options.labels;
  for (const auto& [name, value] : plan.labels) labels[name] = value;
  body["Labels"] = labels;
  return dump_json(body);
}

Environment environment_inside(const Environment& env) {
  Environment inside;
  for (const auto& [name, value] : env) {
    if (!describes_the_machine(name)) inside.emplace(name, value);
  }
  return inside;
}

std::vector<std::string> with_init_command(const std::string& init_command,
                                           const std::vector<std::string>& command) {
  if (init_command.empty()) return command;
  const std::string script =
      "init=$1; shift; sh -c \"$init\"; code=$?; "
      "[ $code = 0 ] || { echo \"" +
      std::string(kInitFailed) + "$code\" >&2; exit 1; }; exec \"$@\"";
  std::vector<std::string> whole = {"sh", "-c", script, "sh", init_command};
  whole.insert(whole.end(), command.begin(), command.end());
  return whole;
}

}  // namespace perijove::docker
