#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.hpp"
#include "perijove/result.hpp"

namespace perijove::docker {

/// A directory of the daemon's machine, or a volume that the daemon keeps, inside a container.
struct Volume {
  std::string source;  ///< An absolute path, or a volume's name.
  std::string target;  ///< Absolute.
  bool read_only = false;

  bool is_named() const { return !source.starts_with('/'); }
};

/// Devices that a driver of the daemon hands over (GPUs).
struct DeviceRequest {
  std::string driver;
  std::int64_t count = 0;  ///< -1: all there are.
  std::vector<std::string> device_ids;
  std::vector<std::vector<std::string>> capabilities;  ///< One of the lists, all of its members.
  std::map<std::string, std::string> options;
};

struct Ulimit {
  std::int64_t soft = 0;
  std::int64_t hard = 0;
};

enum class PullPolicy { missing, never, always };

/// How the work directory and a container's come to have the same files.
enum class FileSharing {
  automatic,  ///< Mounted where the daemon sees our directories, else copied.
  mount,
  archive,  ///< Copied before and after each block of code.
};

/// What a caller may say about the container of a kernel: the fields of a session's `docker`
/// object, with the names that Docker and the executors of agents use.
struct ContainerOptions {
  std::string image;                      ///< Empty: the gateway's default.
  PullPolicy pull = PullPolicy::missing;  ///< `pull`: missing, never, always.
  std::string build_path;                 ///< A directory with a Dockerfile, built at start.
  std::string container_name;             ///< Empty: one is made up.
  bool auto_remove = true;                ///< false: the ended container stays, with its files.
  bool stop_container = true;             ///< false: it runs on after its kernel's session.
  bool reuse_container = false;           ///< Kernels run in the container of that name.
  std::string work_dir_inside = "/workspace";  ///< `container_work_dir`.
  std::string bind_dir;                        ///< The work directory as the daemon sees it.
  FileSharing files = FileSharing::automatic;  ///< `files`: auto, mount, archive.
  std::vector<Volume> volumes;                 ///< `extra_volumes`, `volumes`.
  std::map<std::string, std::string> extra_hosts;
  Environment environment;
  std::vector<DeviceRequest> device_requests;
  std::string init_command;                        ///< For `sh`, before the kernel starts.
  std::string network;                             ///< `network`, `network_mode`; empty: none.
  std::vector<std::string> dns;                    ///< Addresses.
  bool read_only = false;                          ///< The root file system.
  std::map<std::string, std::string> tmpfs;        ///< Mount point -> mount options.
  std::optional<std::uint64_t> memory_bytes;       ///< `memory`
  std::optional<std::uint64_t> memory_swap_bytes;  ///< Memory and swap together.
  std::optional<double> cpus;
  std::optional<std::uint64_t> pids;
  std::string user;     ///< `UID` or `UID:GID`, numbers.
  std::string runtime;  ///< A name that the daemon knows.
  std::optional<std::uint64_t> shm_bytes;
  std::map<std::string, Ulimit> ulimits;
  std::map<std::string, std::string> labels;
  std::vector<std::string> command;  ///< Instead of the kernelspec's.
  std::chrono::seconds startup_timeout{60};
  std::uint64_t log_bytes_max = 1024 * 1024;  ///< That the daemon keeps of the container's output.
};

/// Reads the text of such an object. Errors: invalid_argument, naming the field and what may have
/// been meant, or why Docker's own option of that name is not to be had here.
Result<ContainerOptions> parse_container_options(std::string_view json);

/// `512m`, `1.5g`, `1048576`: a size as Docker writes it, in powers of 1,024.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// What `docker run -v` takes: `SOURCE:TARGET[:ro|rw]`.
Result<Volume> parse_volume(std::string_view text);

/// What `docker run --gpus` takes: `all`, a number, `device=ID[,ID...]`.
Result<DeviceRequest> parse_gpus(std::string_view text);

/// What is wrong with options that cannot be told from one field alone; empty: nothing.
Result<void> check_container_options(const ContainerOptions& options);

}  // namespace perijove::docker
