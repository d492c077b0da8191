#include "provision/docker/gateway_identity.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/file_descriptor.hpp"
#include "io/process_tree.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::docker {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string parent_of(const std::string& path) { return std::filesystem::path(path).parent_path(); }

}  // namespace

GatewayIdentity own_identity(const std::string& runtime_dir) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::array<char, 64> link{};
  const ssize_t length = ::readlink("/proc/self/ns/pid", link.data(), link.size());
  GatewayIdentity identity;
  identity.machine = first_line("/etc/machine-id") + "/" + host.data();
  identity.boot = first_line("/proc/sys/kernel/random/boot_id");
  identity.pid_namespace.assign(link.data(), static_cast<std::size_t>(length > 0 ? length : 0));
  identity.pid = ::getpid();
  identity.start_time = process_start_time(identity.pid);
  identity.runtime_dir = runtime_dir;
  return identity;
}

std::string to_label(const GatewayIdentity& identity) {
  return dump_json({{"machine", identity.machine},
                    {"boot", identity.boot},
                    {"pid_namespace", identity.pid_namespace},
                    {"pid", identity.pid},
                    {"start_time", identity.start_time},
                    {"runtime_dir", identity.runtime_dir}});
}

std::optional<GatewayIdentity> parse_identity(std::string_view label) {
  const auto document = parse_json(label);
  if (!document) return std::nullopt;
  JsonFields fields(*document, "label");
  GatewayIdentity identity;
  identity.machine = fields.text("machine");
  identity.boot = fields.text("boot");
  identity.pid_namespace = fields.text("pid_namespace");
  identity.pid = fields.integer("pid", 1, INT32_MAX);
  identity.start_time = fields.text("start_time");
  identity.runtime_dir = fields.text("runtime_dir");
  if (fields.error() || identity.machine.empty() || identity.boot.empty()) return std::nullopt;
  return identity;
}

ProcessFacts look_at(const GatewayIdentity& identity) {
  ProcessFacts facts;
  facts.runs_since_then =
      !identity.start_time.empty() && process_start_time(identity.pid) == identity.start_time;
  const FileDescriptor lock(
      ::open((identity.runtime_dir + "/lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  facts.runtime_dir_is_held = lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0;
  return facts;
}

bool is_dead(const GatewayIdentity& identity, const GatewayIdentity& own,
             const ProcessFacts& facts) {
  if (identity.machine != own.machine) return false;
  if (identity.boot != own.boot) return true;
  if (facts.runtime_dir_is_held) return false;
  if (identity.pid_namespace == own.pid_namespace) return !facts.runs_since_then;
  // A container of a gateway that was started again: a new namespace over the same files.
  return parent_of(identity.runtime_dir) == parent_of(own.runtime_dir);
}

}  // namespace perijove::docker
