#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "perijove/result.hpp"

namespace perijove::docker {

/// Which gateway a container belongs to, so that a later one can tell whether that still lives:
/// a process of one pid namespace of one boot of one machine.
struct GatewayIdentity {
  std::string machine;        ///< Its machine-id and host name.
  std::string boot;           ///< The boot's random id.
  std::string pid_namespace;  ///< Its inode.
  pid_t pid = 0;
  std::string start_time;  ///< Of the process, in clock ticks since the boot.
  std::string runtime_dir;

  bool operator==(const GatewayIdentity&) const = default;
};

/// That of this process.
GatewayIdentity own_identity(const std::string& runtime_dir);

/// As one label's value, and back; nullopt for any other text.
std::string to_label(const GatewayIdentity& identity);
std::optional<GatewayIdentity> parse_identity(std::string_view label);

/// What is known of a process of this machine.
struct ProcessFacts {
  bool runs_since_then = false;      ///< A process of that number and start time runs.
  bool runtime_dir_is_held = false;  ///< The directory is there, and somebody holds its lock.
};
ProcessFacts look_at(const GatewayIdentity& identity);

/// Whether that gateway is dead for certain, as `own` sees it. What cannot be known (another
/// machine that uses the same daemon, another pid namespace with runtime directories of its own)
/// counts as alive.
bool is_dead(const GatewayIdentity& identity, const GatewayIdentity& own,
             const ProcessFacts& facts);

}  // namespace perijove::docker
