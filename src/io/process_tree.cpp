#include "io/process_tree.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

namespace perijove {
namespace {

// Not by iterators: those throw when a process ends between opening and reading.
std::string read_proc(pid_t pid, const char* name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Field 3 of /proc/<pid>/stat, behind the name in parentheses, which may hold anything.
bool is_zombie(pid_t pid) {
  const std::string stat = read_proc(pid, "stat");
  const std::size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || name_end + 2 >= stat.size() ||
         stat[name_end + 2] == 'Z' || stat[name_end + 2] == 'X';
}

bool has_marker(pid_t pid, const std::string& marker) {
  const std::string environ_text = read_proc(pid, "environ");
  for (std::string_view rest = environ_text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    if (rest.substr(0, end) == marker) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

void add_descendants(pid_t pid, std::set<pid_t>& found) {
  for (const pid_t child : children_of(pid)) {
    if (found.insert(child).second) add_descendants(child, found);
  }
}

}  // namespace

// Field 22 of /proc/<pid>/stat, counted behind the name.
std::string process_start_time(pid_t pid) {
  const std::string stat = read_proc(pid, "stat");
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  constexpr int kFieldsToStartTime = 20;
  for (int i = 0; i < kFieldsToStartTime; ++i) fields >> field;
  return fields ? field : std::string();
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code error;
  const auto tasks = "/proc/" + std::to_string(pid) + "/task";
  for (std::filesystem::directory_iterator task(tasks, error), end; !error && task != end;
       task.increment(error)) {
    std::ifstream file(task->path() / "children");
    for (pid_t child = 0; file >> child;) children.push_back(child);
  }
  return children;
}

void kill_descendants(pid_t leader, const std::string& marker,
                      const std::set<pid_t>& direct_children) {
  constexpr int kSweepsMax = 20;  // each halves what a fork bomb can have added since the last
  for (int sweep = 0; sweep < kSweepsMax; ++sweep) {
    std::set<pid_t> found;
    add_descendants(leader, found);
    for (const pid_t orphan : children_of(getpid())) {
      if (direct_children.contains(orphan)) continue;
      if (getsid(orphan) == leader || has_marker(orphan, marker)) {
        found.insert(orphan);
        add_descendants(orphan, found);
      }
    }
    bool alive = false;
    for (const pid_t pid : found) {
      if (!is_zombie(pid) && ::kill(pid, SIGKILL) == 0) alive = true;
    }
    if (!alive) return;
  }
}

void kill_marked(const std::string& marker) {
  if (marker.empty()) return;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec == std::errc() && pid > 1 && has_marker(pid, marker)) ::kill(pid, SIGKILL);
  }
}

}  // namespace perijove
