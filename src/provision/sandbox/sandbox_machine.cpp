#include "provision/sandbox/sandbox_machine.hpp"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include "provision/sandbox/seccomp_filter.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

std::string find_bwrap(const std::string& name) {
  if (name.find('/') != name.npos) return access(name.c_str(), X_OK) == 0 ? name : std::string();
  // Not PATH: what runs here sees the whole machine.
  for (const char* directory : {"/usr/local/bin/", "/usr/bin/", "/bin/"}) {
    const std::string path = directory + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

// An option that a program knows stands in it; asking would take a process.
bool knows_option(const std::string& program, std::string_view option) {
  std::ifstream file(program, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str().find(option) != std::string::npos;
}

std::string docker_socket() {
  const char* const host = std::getenv("DOCKER_HOST");
  constexpr std::string_view kUnix = "unix://";
  const std::string_view text = host == nullptr ? "" : host;
  return text.starts_with(kUnix) ? std::string(text.substr(kUnix.size())) : std::string();
}

}  // namespace

std::string home_of_this_user() {
  std::array<char, 16 * 1024> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr || found->pw_dir == std::string_view("/")) {
    return {};
  }
  return found->pw_dir;
}

SandboxMachine::SandboxMachine(RuntimeDir& runtime_dir, SandboxOptions wanted)
    : options(std::move(wanted)),
      bwrap(find_bwrap(options.bwrap)),
      knows_disable_userns(knows_option(bwrap, "--disable-userns")),
      filter(make_seccomp_filter()),
      cgroups(usable_cgroups()),
      policy(make_mount_policy(fs::path(runtime_dir.path()).parent_path(), home_of_this_user(),
                               docker_socket())) {
  if (geteuid() == 0) uids.emplace(options.uid_first, options.uid_count);
  system_directories = {"/usr"};
  for (const char* each : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    std::error_code error;
    const fs::path path = each;
    if (fs::is_symlink(path, error)) {  // of a merged /usr
      system_links.emplace_back(fs::read_symlink(path, error), path);
    } else if (fs::is_directory(path, error)) {
      system_directories.emplace_back(path);
    }
  }
}

}  // namespace perijove
