#include "provision/sandbox/cgroup.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/log.hpp"
#include "io/file_descriptor.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

constexpr const char* kControllers[] = {"memory", "pids", "cpu"};
constexpr std::string_view kNamePrefix = "perijove-";
constexpr std::string_view kGatewayLeaf = "perijove-gateway";
// bubblewrap's own: the one that waits outside and the first inside.
constexpr std::uint64_t kSandboxProcesses = 2;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool write_file(const std::string& path, const std::string& text) {
  const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool contains(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

struct CgroupMount {
  std::string root;
  std::string point;
  bool unified = false;
  std::vector<std::string> options;  // v1: its controllers are among them
};

// "36 35 98:0 /root /point options... - type source super-options" (proc(5)).
std::vector<CgroupMount> parse_mounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  for (const std::string& line : split(mountinfo, '\n')) {
    const std::vector<std::string> fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    const std::string& type = *(dash + 1);
    if (type != "cgroup" && type != "cgroup2") continue;
    mounts.push_back({fields[3], fields[4], type == "cgroup2", split(*(dash + 3), ',')});
  }
  return mounts;
}

// A mount shows its hierarchy from `root` down. Where our own path does not begin there, we see the
// hierarchy from inside a container, whose top is ours.
std::string directory_in(const CgroupMount& mount, const std::string& path) {
  std::string below = path;
  if (mount.root != "/") below = path.starts_with(mount.root) ? path.substr(mount.root.size()) : "";
  const std::string directory = mount.point + below;
  return directory.size() > 1 && directory.ends_with('/')
             ? directory.substr(0, directory.size() - 1)
             : directory;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

bool switch_on(const std::string& directory, const std::vector<std::string>& controllers) {
  for (const std::string& each : controllers) {
    if (!write_file(directory + "/cgroup.subtree_control", "+" + each)) return false;
  }
  return true;
}

// The controllers of a v2 cgroup that cgroups below it have.
std::vector<std::string> enable_controllers(const std::string& directory) {
  std::vector<std::string> wanted;
  for (const std::string& each : words(read_file(directory + "/cgroup.controllers"))) {
    if (std::find(std::begin(kControllers), std::end(kControllers), each) !=
        std::end(kControllers)) {
      wanted.push_back(each);
    }
  }
  if (wanted.empty() || switch_on(directory, wanted)) return wanted;
  const bool alone =
      words(read_file(directory + "/cgroup.procs")) == std::vector{std::to_string(getpid())};
  const std::string leaf = directory + "/" + std::string(kGatewayLeaf);
  if (alone && (mkdir(leaf.c_str(), 0755) == 0 || errno == EEXIST) &&
      write_file(leaf + "/cgroup.procs", "0") && switch_on(directory, wanted)) {
    return wanted;
  }
  const auto on = words(read_file(directory + "/cgroup.subtree_control"));
  std::erase_if(wanted, [&on](const std::string& each) { return !contains(on, each); });
  return wanted;
}

// perijove-PID-N of a gateway that is gone. rmdir() leaves those alone that have processes.
void sweep(const std::string& directory) {
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!name.starts_with(kNamePrefix)) continue;
    pid_t pid = 0;
    const char* const digits = name.data() + kNamePrefix.size();
    const auto parsed = std::from_chars(digits, name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || pid == getpid()) continue;
    if (kill(pid, 0) != 0 && errno == ESRCH) rmdir(entry->path().c_str());
  }
}

std::string new_name() {
  static std::atomic<unsigned> made = 0;
  return std::string(kNamePrefix) + std::to_string(getpid()) + "-" + std::to_string(++made);
}

}  // namespace

std::vector<CgroupPlace> parse_cgroup_places(std::string_view self_cgroup,
                                             std::string_view mountinfo) {
  std::vector<CgroupPlace> places;
  const std::vector<CgroupMount> mounts = parse_mounts(mountinfo);
  // "4:memory:/path"; v2 is "0::/path".
  for (const std::string& line : split(self_cgroup, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string path = line.substr(second + 1);
    const auto named = split(line.substr(first + 1, second - first - 1), ',');
    CgroupPlace place;
    place.version = named.empty() ? 2 : 1;
    for (const char* each : kControllers) {
      if (contains(named, each)) place.controllers.emplace_back(each);
    }
    if (place.version == 1 && place.controllers.empty()) continue;
    const auto mount = std::find_if(mounts.begin(), mounts.end(), [&](const CgroupMount& each) {
      return place.version == 2 ? each.unified
                                : !each.unified && contains(each.options, place.controllers[0]);
    });
    if (mount == mounts.end()) continue;
    place.directory = directory_in(*mount, path);
    // Where enable_controllers() has put this process before.
    if (place.version == 2 && place.directory.ends_with("/" + std::string(kGatewayLeaf))) {
      place.directory.resize(place.directory.size() - kGatewayLeaf.size() - 1);
    }
    places.push_back(std::move(place));
  }
  return places;
}

std::vector<CgroupPlace> usable_cgroups() {
  std::vector<CgroupPlace> places =
      parse_cgroup_places(read_file("/proc/self/cgroup"), read_file("/proc/self/mountinfo"));
  std::erase_if(places, [](CgroupPlace& place) {
    sweep(place.directory);
    const std::string tried = place.directory + "/" + new_name();
    if (mkdir(tried.c_str(), 0755) != 0) return true;
    rmdir(tried.c_str());
    if (place.version == 2) place.controllers = enable_controllers(place.directory);
    return place.controllers.empty();
  });
  return places;
}

std::unique_ptr<KernelCgroups> KernelCgroups::make(const std::vector<CgroupPlace>& places,
                                                   ProcessLimits& limits, IsolationReport& report) {
  std::unique_ptr<KernelCgroups> made(new KernelCgroups);
  const std::string name = new_name();
  for (const CgroupPlace& place : places) {
    const bool v2 = place.version == 2;
    const auto has = [&place](const char* controller) {
      return contains(place.controllers, controller);
    };
    const bool memory = has("memory") && limits.memory_bytes_max;
    const bool processes = has("pids") && limits.processes_max;
    const bool processors = has("cpu") && limits.processors_max;
    if (!memory && !processes && !processors) continue;
    const std::string directory = place.directory + "/" + name;
    if (mkdir(directory.c_str(), 0755) != 0) continue;
    const auto set = [&directory](const char* file, const std::string& value) {
      return write_file(directory + "/" + file, value);
    };
    bool used = false;
    const auto held = [&](const char* limit, std::uint64_t value, const char* unit) {
      report.limits.push_back({limit, value, unit, v2 ? "cgroup v2" : "cgroup v1"});
      used = true;
    };
    if (memory) {
      const std::string bytes = std::to_string(*limits.memory_bytes_max);
      if (set(v2 ? "memory.max" : "memory.limit_in_bytes", bytes)) {
        // Swap is no way around it. Where there are no such files, there is no swap accounting.
        set(v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes", v2 ? "0" : bytes);
        made->oom_file_ = directory + (v2 ? "/memory.events" : "/memory.oom_control");
        held("memory", *limits.memory_bytes_max, "bytes");
        limits.memory_bytes_max.reset();
      }
    }
    if (processes && set("pids.max", std::to_string(*limits.processes_max + kSandboxProcesses))) {
      held("processes", *limits.processes_max, "processes");
      limits.processes_max.reset();
    }
    if (processors) {
      constexpr double kPeriodUs = 100'000;
      const std::string quota =
          std::to_string(std::lround(std::max(*limits.processors_max, 0.01) * kPeriodUs));
      if (v2 ? set("cpu.max", quota + " 100000")
             : set("cpu.cfs_period_us", "100000") && set("cpu.cfs_quota_us", quota)) {
        held("cpus", static_cast<std::uint64_t>(std::lround(*limits.processors_max * 1000)),
             "milli-cpus");
        limits.processors_max.reset();
      }
    }
    if (used) {
      made->directories_.push_back(directory);
    } else {
      rmdir(directory.c_str());
    }
  }
  return made;
}

KernelCgroups::~KernelCgroups() {
  for (const std::string& each : directories_) {
    if (rmdir(each.c_str()) != 0) {
      log::warning("cgroup_not_removed", {{"directory", each}, {"error", std::to_string(errno)}});
    }
  }
}

std::optional<std::uint64_t> KernelCgroups::oom_kills() const {
  if (oom_file_.empty()) return std::nullopt;
  std::ifstream file(oom_file_);
  std::string name;
  for (std::uint64_t value = 0; file >> name >> value;) {
    if (name == "oom_kill") return value;
  }
  return std::nullopt;
}

}  // namespace perijove
