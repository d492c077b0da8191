#include "engine/own_share.hpp"

#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "protocol/data_path.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

// In a build tree share is beside the program; installed, beside bin, lib or lib/ARCHITECTURE. It
// must belong to whom the program belongs: beside a program in /tmp, say, anybody can make one.
std::optional<std::string> share_near(const fs::path& file) {
  const fs::path directory = file.parent_path();
  const fs::path above = directory.parent_path();
  std::vector<fs::path> prefixes = {directory};
  if (directory.filename() == "bin" || directory.filename() == "lib") prefixes.push_back(above);
  if (above.filename() == "lib") prefixes.push_back(above.parent_path());
  struct stat program {};
  struct stat share {};
  if (stat(file.c_str(), &program) != 0) return std::nullopt;
  for (const fs::path& prefix : prefixes) {
    const fs::path found = prefix / "share";
    std::error_code ignored;
    if (!fs::is_directory(found / "perijove/languages", ignored)) continue;
    if (stat(found.c_str(), &share) != 0) continue;
    if (share.st_uid == program.st_uid || share.st_uid == 0) return found.string();
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_own_share_directory() {
  std::error_code ignored;
  if (auto share = share_near(fs::read_symlink("/proc/self/exe", ignored))) return share;
  Dl_info library{};
  if (dladdr(reinterpret_cast<const void*>(&share_near), &library) == 0) return std::nullopt;
  const fs::path file = library.dli_fname;
  return file.is_absolute() ? share_near(file) : std::nullopt;
}

KernelspecPath kernelspec_path(const Environment& environment) {
  KernelspecPath path{.directories = kernelspec_directories(environment)};
  const auto share = find_own_share_directory();
  if (!share) return path;
  const std::string own = *share + "/jupyter/kernels";
  const auto& known = path.directories;
  if (std::find(known.begin(), known.end(), own) != known.end()) return path;
  path.own = own;
  path.directories.push_back(own);
  return path;
}

}  // namespace perijove
