#include "engine/own_share.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>

#include "protocol/data_path.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

// In a build tree share is beside the program; installed, above bin and lib/ARCHITECTURE.
std::optional<std::string> share_near(const fs::path& file) {
  fs::path directory = file.parent_path();
  for (int level = 0; level < 3 && directory.has_relative_path(); ++level) {
    std::error_code ignored;
    if (fs::is_directory(directory / "share/perijove/languages", ignored)) {
      return (directory / "share").string();
    }
    directory = directory.parent_path();
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
