#pragma once

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "io/endpoints.hpp"
#include "io/runtime_dir.hpp"
#include "protocol/connection_info.hpp"
#include "provision/docker/kept_directory.hpp"
#include "provision/provisioner.hpp"

namespace perijove::docker {

/// Whose channels, and how they can be made.
struct ChannelsPlan {
  std::string kernel_id;
  std::string kernel_name;  ///< Of the kernelspec.
  std::string container_name;
  std::string daemon;            ///< HttpAddress::describe()
  bool keeps_container = false;  ///< The container outlives the kernel, and its directory with it.
  bool over_tcp = false;
  uid_t uid = 0;  ///< Whom the kernel runs as, and whose sockets its own must be.
  gid_t gid = 0;
};

/// How the gateway and a kernel in a container come together: a connection file, and unix sockets
/// in a directory that both see; or, where the daemon does not see ours, a file that is put into
/// the container and TCP to its address.
class ContainerChannels {
 public:
  ContainerChannels() = default;
  ContainerChannels(const ContainerChannels&) = delete;
  ContainerChannels& operator=(const ContainerChannels&) = delete;
  ~ContainerChannels() { remove(); }

  /// Makes directory, key and file. Errors: unavailable, already_exists (another kernel has the
  /// container), failed_precondition (the path is too long for a socket).
  Result<void> make(RuntimeDir& runtime_dir, ChannelsPlan plan);
  /// A new key and file in the same directory, when the kernel before has ended; `mounted`: a
  /// container that runs has it mounted. Errors: unavailable.
  Result<void> renew(bool mounted);
  /// The same kernel by TCP instead, before it was started.
  Result<void> move_to_tcp();
  /// Removes what is on this machine.
  void remove();

  bool over_tcp() const { return plan_.over_tcp; }
  /// On this machine, the container's kKernelDirInside.
  const std::string& directory() const { return directory_; }
  const std::string& connection_file() const { return connection_file_; }
  /// The same file as the kernel sees it.
  std::string file_inside() const;
  /// The socket of a fork server in the container: on this machine, and as it sees it.
  std::string fork_server() const;
  static std::string fork_server_inside();
  uid_t owner() const { return plan_.uid; }
  /// A tar archive for kKernelDirInside with that file, over TCP.
  std::string file_archive() const;

  /// Looks for the sockets: false while one is missing. Errors: see PinnedEndpoints.
  Result<bool> find_sockets();
  /// Over TCP: takes the container's address out of what the daemon says about it; false when it
  /// has none.
  bool find_address(const nlohmann::json& container);
  /// Once they were found.
  Endpoints endpoints() const;

 private:
  Result<void> write_first_file();
  Result<void> write_file();

  ChannelsPlan plan_;
  std::string directory_;
  std::optional<KeptDirectory> kept_;  // directory_, of a container that outlives its kernel
  std::string connection_file_;
  std::string file_text_;
  ConnectionInfo info_;
  PinnedEndpoints pinned_;
};

}  // namespace perijove::docker
