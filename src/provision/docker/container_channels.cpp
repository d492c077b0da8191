#include "provision/docker/container_channels.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "protocol/json_fields.hpp"
#include "protocol/tar.hpp"
#include "provision/docker/container_body.hpp"

namespace perijove::docker {
namespace {

constexpr int kTcpPortFirst = 40101;  // in a network namespace that nobody else binds in
constexpr const char* kFileName = "connection.json";
constexpr const char* kForkServerName = "fork-server";
// Of the file in a volume: ipykernel writes it anew, so its directory must be writable for the
// container's user, who may be any (nobody else is in there), and a volume is root's.
constexpr const char* kPutDirectory = "put";

}  // namespace

Result<void> ContainerChannels::make(RuntimeDir& runtime_dir, ChannelsPlan plan) {
  plan_ = std::move(plan);
  if (!plan_.keeps_container) {
    auto directory = runtime_dir.make_kernel_dir(plan_.kernel_id);
    if (!directory) return directory.error();
    directory_ = *directory;
  } else {
    auto kept = KeptDirectory::take(std::filesystem::path(runtime_dir.path()).parent_path(),
                                    plan_.daemon, plan_.container_name);
    if (!kept) return kept.error();
    directory_ = kept->path();
    kept_.emplace(*std::move(kept));
  }
  info_.kernel_name = plan_.kernel_name;
  connection_file_ = directory_ + "/" + kFileName;
  return write_first_file();
}

Result<void> ContainerChannels::write_first_file() {
  info_.key = random_hex(32);
  return write_file();
}

// The kernel could do in there whatever it liked.
Result<void> ContainerChannels::renew(bool mounted) {
  if (mounted || kept_) {
    RuntimeDir::clear_kernel_dir(directory_);
  } else {
    RuntimeDir::remove_kernel_dir(directory_);
    if (::mkdir(directory_.c_str(), 0700) != 0) {
      return Error{Code::unavailable, "cannot make " + directory_ + ": " + std::strerror(errno)};
    }
  }
  pinned_ = PinnedEndpoints();
  return write_first_file();
}

Result<void> ContainerChannels::move_to_tcp() {
  plan_.over_tcp = true;
  ::unlink(connection_file_.c_str());
  return write_file();
}

void ContainerChannels::remove() {
  if (!directory_.empty() && !kept_) RuntimeDir::remove_kernel_dir(directory_);
  directory_.clear();
  kept_.reset();
}

Result<void> ContainerChannels::write_file() {
  const bool tcp = plan_.over_tcp;
  info_.transport = tcp ? Transport::tcp : Transport::ipc;
  info_.ip = tcp ? "0.0.0.0" : std::string(kKernelDirInside) + "/k";
  int number = tcp ? kTcpPortFirst : 1;
  for (int* const port : {&info_.shell_port, &info_.iopub_port, &info_.stdin_port,
                          &info_.control_port, &info_.heartbeat_port}) {
    *port = number++;
  }
  file_text_ = to_connection_file(info_);
  info_.ip = tcp ? "" : directory_ + "/k";  // from here on as this side sees them
  constexpr std::size_t kSuffixBytes = 3;   // "-5" and the terminating zero
  if (info_.ip.size() + kSuffixBytes > limits::kSocketPathBytesMax) {
    return Error{Code::failed_precondition,
                 "the socket path " + info_.ip +
                     "-1 is longer than the 107 bytes that a unix socket can have; name a shorter "
                     "--runtime-dir"};
  }
  FileDescriptor file(
      ::open(connection_file_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  const bool written = file && ::write(file.get(), file_text_.data(), file_text_.size()) ==
                                   static_cast<ssize_t>(file_text_.size());
  const bool given = written && (plan_.uid == ::geteuid() ||
                                 (::fchown(file.get(), plan_.uid, plan_.gid) == 0 &&
                                  ::chown(directory_.c_str(), plan_.uid, plan_.gid) == 0));
  if (given) return {};
  return Error{Code::unavailable, "cannot write " + connection_file_ + ": " + std::strerror(errno)};
}

std::string ContainerChannels::file_inside() const {
  const std::string directory = kKernelDirInside;
  return directory + "/" + (plan_.over_tcp ? std::string(kPutDirectory) + "/" : "") + kFileName;
}

std::string ContainerChannels::fork_server() const { return directory_ + "/" + kForkServerName; }

std::string ContainerChannels::fork_server_inside() {
  return std::string(kKernelDirInside) + "/" + kForkServerName;
}

std::string ContainerChannels::file_archive() const {
  TarEntry directory;
  directory.path = kPutDirectory;
  directory.is_directory = true;
  directory.mode = 0777;
  TarEntry entry;
  entry.path = std::string(kPutDirectory) + "/" + kFileName;
  entry.size_bytes = file_text_.size();
  entry.mode = 0644;
  std::string tar = tar_header(directory) + tar_header(entry) + file_text_;
  tar.append(tar_padding(entry.size_bytes) + kTarEndBytes, '\0');
  return tar;
}

Result<bool> ContainerChannels::find_sockets() {
  return PinnedEndpoints::try_pin(info_, pinned_, plan_.uid);
}

bool ContainerChannels::find_address(const nlohmann::json& container) {
  const auto settings = container.find("NetworkSettings");
  if (settings == container.end() || !settings->is_object()) return false;
  const auto networks = settings->find("Networks");
  if (networks == settings->end() || !networks->is_object()) return false;
  for (const auto& [name, network] : networks->items()) {
    if (info_.ip.empty() && network.is_object()) info_.ip = json_text(network, "IPAddress");
  }
  return !info_.ip.empty();
}

Endpoints ContainerChannels::endpoints() const {
  const auto at = [this](Channel channel) {
    return plan_.over_tcp ? info_.endpoint(channel) : pinned_.endpoint(channel);
  };
  return {.shell = at(Channel::shell),
          .iopub = at(Channel::iopub),
          .stdin_ = at(Channel::stdin_),
          .control = at(Channel::control),
          .key = info_.key,
          .signature_scheme = info_.signature_scheme};
}

}  // namespace perijove::docker
