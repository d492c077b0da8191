#include "provision/sandbox/program_files.hpp"

#include <algorithm>
#include <filesystem>

namespace perijove {
namespace {

namespace fs = std::filesystem;

class Found {
 public:
  Found(const std::vector<std::string>& already_there, const MountPolicy& policy)
      : covered_(already_there), policy_(policy) {}

  void add(const fs::path& path) {
    std::error_code error;
    const std::string name = path.lexically_normal();
    if (!path.is_absolute() || !fs::exists(path, error) || !may_be_shown(name, policy_)) return;
    const auto covers = [&name](const std::string& each) { return is_within(name, each); };
    if (std::any_of(covered_.begin(), covered_.end(), covers) ||
        std::any_of(paths_.begin(), paths_.end(), covers)) {
      return;
    }
    paths_.push_back(name);
  }
  std::vector<std::string> take() { return std::move(paths_); }

 private:
  const std::vector<std::string>& covered_;
  const MountPolicy& policy_;
  std::vector<std::string> paths_;
};

bool is_prefix(const fs::path& directory) {
  std::error_code error;
  return fs::exists(directory / "pyvenv.cfg", error) || fs::is_directory(directory / "lib", error);
}

// What everybody may write to, or a whole machine or home.
bool is_shared(const fs::path& directory, const MountPolicy& policy) {
  std::error_code error;
  return directory == "/" || !may_be_shown(directory, policy) ||
         (fs::status(directory, error).permissions() & fs::perms::others_write) != fs::perms::none;
}

void add_program(const fs::path& program, const MountPolicy& policy, Found& found) {
  const fs::path directory = program.parent_path();
  const fs::path prefix = directory.parent_path();
  if (directory.filename() == "bin" && is_prefix(prefix)) {
    for (const char* part : {"bin", "lib", "lib64", "libexec", "include", "share/jupyter",
                             "share/R", "etc/jupyter", "etc/ipython", "pyvenv.cfg"}) {
      found.add(prefix / part);
    }
  }
  found.add(is_shared(directory, policy) ? program : directory);
}

}  // namespace

std::vector<std::string> program_files(const std::string& program,
                                       const std::vector<std::string>& argv,
                                       const std::string& resource_dir, const MountPolicy& policy,
                                       const std::vector<std::string>& already_there) {
  Found found(already_there, policy);
  fs::path hop = program;
  constexpr int kLinksMax = 16;
  for (int i = 0; i < kLinksMax; ++i) {
    add_program(hop, policy, found);
    std::error_code error;
    if (!fs::is_symlink(hop, error)) break;
    hop = (hop.parent_path() / fs::read_symlink(hop, error)).lexically_normal();
  }
  for (std::size_t i = 1; i < argv.size(); ++i) {
    std::error_code error;
    if (fs::is_regular_file(argv[i], error)) found.add(argv[i]);
  }
  if (!resource_dir.empty()) found.add(resource_dir);
  return found.take();
}

}  // namespace perijove
