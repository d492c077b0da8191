#include "process_stats.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace bench {

namespace {

namespace fs = std::filesystem;

fs::path proc(pid_t pid) { return fs::path("/proc") / std::to_string(pid); }

bool is_number(const std::string& text) {
  return text.find_first_not_of("0123456789") == std::string::npos;
}

/// Inode of the socket that listens on `port` in /proc/net/tcp or tcp6.
std::optional<std::string> listening_inode(const char* table, std::uint16_t port) {
  constexpr const char* kListenState = "0A";
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
    fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >>
        timeout >> inode;
    const auto colon = local.rfind(':');
    if (state != kListenState || colon == std::string::npos) continue;
    if (std::stoul(local.substr(colon + 1), nullptr, 16) == port) return inode;
  }
  return std::nullopt;
}

}  // namespace

double ProcessStats::cpu_microseconds() const {
  clockid_t clock = 0;
  timespec time{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

double ProcessStats::status_mib(const char* file, const char* key) const {
  std::ifstream status(proc(pid_) / file);
  std::string line;
  const std::string prefix = std::string(key) + ":";
  while (std::getline(status, line)) {
    if (line.starts_with(prefix)) return std::stod(line.substr(prefix.size())) / 1024;
  }
  return 0;
}

double ProcessStats::rss_mib() const { return status_mib("status", "VmRSS"); }
double ProcessStats::pss_mib() const { return status_mib("smaps_rollup", "Pss"); }
double ProcessStats::peak_rss_mib() const { return status_mib("status", "VmHWM"); }

double ProcessStats::descendants_pss_mib() const {
  std::multimap<pid_t, pid_t> children;
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc", error)) {
    const std::string name = process.path().filename();
    if (!is_number(name)) continue;
    std::ifstream file(process.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    const auto name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;  // it has ended meanwhile
    std::istringstream fields(stat.substr(name_end + 1));
    char state = 0;
    pid_t parent = 0;
    fields >> state >> parent;
    children.emplace(parent, std::stoi(name));
  }
  double sum = 0;
  std::vector<pid_t> parents = {pid_};
  while (!parents.empty()) {
    const auto [first, last] = children.equal_range(parents.back());
    parents.pop_back();
    for (auto child = first; child != last; ++child) {
      sum += ProcessStats(child->second).pss_mib();
      parents.push_back(child->second);
    }
  }
  return sum;
}

bool ProcessStats::reset_peak() const {
  std::ofstream file(proc(pid_) / "clear_refs");
  file << "5" << std::flush;
  return file.good();
}

std::size_t ProcessStats::open_descriptors() const {
  std::error_code error;
  const fs::directory_iterator entries(proc(pid_) / "fd", error);
  return error ? 0 : static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

std::optional<pid_t> process_listening_on(std::uint16_t port) {
  auto inode = listening_inode("/proc/net/tcp", port);
  if (!inode) inode = listening_inode("/proc/net/tcp6", port);
  if (!inode) return std::nullopt;
  const fs::path wanted = "socket:[" + *inode + "]";
  std::optional<pid_t> owner;
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc")) {
    const std::string name = process.path().filename();
    if (!is_number(name)) continue;
    for (fs::directory_iterator entry(process.path() / "fd", error), end; !error && entry != end;
         entry.increment(error)) {
      std::error_code gone;
      if (fs::read_symlink(entry->path(), gone) != wanted) continue;
      // A child may have inherited the descriptor: the oldest process is the server.
      const pid_t pid = std::stoi(name);
      owner = owner ? std::min(*owner, pid) : pid;
    }
  }
  return owner;
}

double machine_busy_share(double seconds) {
  const auto read = [] {
    std::ifstream file("/proc/stat");
    std::string label;
    file >> label;
    double total = 0;
    double idle = 0;
    double value = 0;
    for (int field = 0; field < 8 && file >> value; ++field) {
      total += value;
      if (field == 3 || field == 4) idle += value;  // idle, iowait
    }
    return std::pair(total, idle);
  };
  const auto [total_before, idle_before] = read();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const auto [total_after, idle_after] = read();
  const double total = total_after - total_before;
  return total <= 0 ? 0 : 1 - (idle_after - idle_before) / total;
}

}  // namespace bench
