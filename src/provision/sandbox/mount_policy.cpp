#include "provision/sandbox/mount_policy.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace perijove {
namespace {

// What the sandbox puts there itself.
const std::vector<std::string> kOwnTargets = {"/usr",   "/bin",   "/sbin",   "/lib",
                                              "/lib32", "/lib64", "/libx32", "/etc",
                                              "/proc",  "/sys",   "/dev"};
const std::vector<std::string> kOwnDirectories = {"/tmp", "/home/kernel"};

bool is_normal(const std::string& path) {
  return path.starts_with('/') && path.find('\0') == path.npos &&
         std::filesystem::path(path).lexically_normal().string() == path &&
         (path == "/" || !path.ends_with('/'));
}

// The first of `paths` that `path` would bring along, or is part of.
const std::string* touched(const std::vector<std::string>& paths, const std::string& path) {
  const auto found = std::find_if(paths.begin(), paths.end(), [&path](const std::string& each) {
    return is_within(path, each) || is_within(each, path);
  });
  return found == paths.end() ? nullptr : &*found;
}

Error denied(const std::string& what, const std::string& path, const std::string& why) {
  return {Code::permission_denied, what + " '" + path + "' is not lent to a sandbox: " + why};
}

Result<void> check_source(const std::string& what, const std::string& path, bool read_only,
                          const MountPolicy& policy) {
  if (const auto* const found = touched(policy.never, path)) {
    return denied(what, path, "with '" + *found + "' code could leave it");
  }
  if (read_only) return {};
  if (const auto* const found = touched(policy.read_only, path)) {
    return denied(what, path, "'" + *found + "' belongs to the system; read-only it may be had");
  }
  if (!policy.home.empty() && is_within(policy.home, path)) {
    return denied(what, path,
                  "what is written to a home directory is run at the next login; name a directory "
                  "below it");
  }
  return {};
}

Error not_normal(const std::string& what, const std::string& path) {
  return {Code::invalid_argument,
          what + " '" + path + "' must be an absolute path without '.', '..' or '//'"};
}

}  // namespace

bool is_within(const std::string& path, const std::string& directory) {
  return directory == "/" || path == directory || path.starts_with(directory + "/");
}

MountPolicy make_mount_policy(const std::string& runtime_base, const std::string& home,
                              const std::string& docker_socket) {
  MountPolicy policy;
  policy.never = {runtime_base,  "/proc",           "/sys",      "/dev",        "/run/docker.sock",
                  "/run/docker", "/run/containerd", "/run/crio", "/run/podman", "/run/user",
                  "/run/dbus",   "/run/systemd"};
  if (!docker_socket.empty()) policy.never.push_back(docker_socket);
  policy.read_only = {"/usr",    "/bin", "/sbin", "/lib",     "/lib32",     "/lib64",
                      "/libx32", "/etc", "/boot", "/var/lib", "/var/spool", "/var/cache"};
  policy.home = home;
  return policy;
}

Result<void> check_mount(const Mount& mount, const MountPolicy& policy) {
  if (!is_normal(mount.source)) return not_normal("the mount's source", mount.source);
  if (!is_normal(mount.target)) return not_normal("the mount's target", mount.target);
  const bool hides =
      touched(kOwnTargets, mount.target) != nullptr ||
      is_within(mount.target, policy.never.front()) ||
      std::any_of(kOwnDirectories.begin(), kOwnDirectories.end(),
                  [&mount](const std::string& own) { return is_within(own, mount.target); });
  if (hides) {
    return Error{Code::invalid_argument, "the mount's target '" + mount.target +
                                             "' would hide files of the sandbox itself; choose "
                                             "another, such as /data"};
  }
  return check_source("mount", mount.source, mount.read_only, policy);
}

Result<void> check_work_dir(const std::string& path, const MountPolicy& policy) {
  if (!is_normal(path)) return not_normal("the work directory", path);
  if (std::find(kOwnDirectories.begin(), kOwnDirectories.end(), path) != kOwnDirectories.end()) {
    return denied("work directory", path, "it has one of its own; name a directory below it");
  }
  return check_source("work directory", path, false, policy);
}

bool may_be_shown(const std::string& path, const MountPolicy& policy) {
  return touched(policy.never, path) == nullptr &&
         (policy.home.empty() || !is_within(policy.home, path));
}

Result<FileDescriptor> open_mount_source(const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  FileDescriptor source(
      static_cast<int>(syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (!source && errno == ENOSYS) {  // Linux before 5.6: the last component at least
    source.reset(open(path.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
  }
  if (!source) {
    if (errno == ENOENT) return Error{Code::not_found, "mount '" + path + "' does not exist"};
    if (errno == ELOOP) {
      return Error{Code::permission_denied, "mount '" + path +
                                                "' has a symbolic link in it; name the directory "
                                                "that it leads to"};
    }
    return Error{Code::permission_denied, "mount '" + path + "': " + std::strerror(errno)};
  }
  struct stat status {};
  if (fstat(source.get(), &status) != 0 || !(S_ISDIR(status.st_mode) || S_ISREG(status.st_mode))) {
    return Error{Code::invalid_argument,
                 "mount '" + path + "' is neither a directory nor a regular file"};
  }
  return source;
}

}  // namespace perijove
