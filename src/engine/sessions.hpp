#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/registry.hpp"

namespace perijove {

/// A path of a front end that is bound to a kernel (jupyter_server's sessions).
struct Session {
  SessionId id;
  std::string path;
  std::string name;
  std::string type;
  KernelId kernel;
};

/// The sessions of the gateway. A session whose kernel is gone is gone too, at the next look. Shard
/// thread only.
class SessionStore {
 public:
  explicit SessionStore(KernelRegistry& registry) : registry_(registry) {}

  std::vector<Session> list();
  std::optional<Session> find(const SessionId& id);
  /// As find(), but tells of a session whose kernel is gone, too, once.
  std::optional<Session> find_even_orphaned(const SessionId& id) const;
  std::optional<Session> find_path(const std::string& path);

  /// Binds `path` to a kernel and returns the new session.
  Session create(std::string path, std::string name, std::string type, KernelId kernel);
  /// Replaces the session of the same id; false when there is none.
  bool update(const Session& session);
  bool erase(const SessionId& id);
  /// Erases all that are bound to this kernel.
  void erase_of(const KernelId& kernel);

 private:
  void drop_orphans();

  KernelRegistry& registry_;
  std::vector<Session> sessions_;
};

}  // namespace perijove
