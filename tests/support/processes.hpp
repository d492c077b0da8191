#pragma once

#include <dirent.h>
#include <signal.h>
#include <sys/types.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace perijove::testing {

/// Whether a process runs: it is there and no zombie.
inline bool is_running(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(file, stat);  // not by iterators: those throw when the process ends meanwhile
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && name_end + 2 < stat.size() && stat[name_end + 2] != 'Z' &&
         stat[name_end + 2] != 'X';
}

/// The open descriptors of this process.
inline std::set<int> open_descriptors() {
  std::set<int> found;
  DIR* const directory = opendir("/proc/self/fd");
  if (directory == nullptr) return found;
  const int own = dirfd(directory);
  while (const dirent* const entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const int fd = std::stoi(entry->d_name);
    if (fd != own) found.insert(fd);
  }
  closedir(directory);
  return found;
}

}  // namespace perijove::testing
