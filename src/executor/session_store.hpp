#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "executor/code_session.hpp"

namespace perijove {

struct SessionStoreOptions {
  std::string work_root;  ///< Absolute; sessions that name no directory get one below `sessions/`.
  CodeRequest defaults;   ///< Of sessions that say nothing else.
  std::optional<Duration> idle_timeout;
  std::optional<Duration> lifetime_max;
};

/// The code sessions of a gateway. Shard thread only.
class CodeSessionStore {
 public:
  CodeSessionStore(Shard& shard, KernelRegistry& registry, SessionStoreOptions options);
  ~CodeSessionStore();

  const SessionStoreOptions& options() const { return options_; }
  /// For what concerns no session.
  PythonHelper& python() { return python_; }

  /// A new session. already_exists: another one has its key; resource_exhausted: too many;
  /// not_found: no such kernel; unavailable: the gateway is stopping. `options.work_dir` is taken
  /// relative to work_root, and may not leave it (permission_denied); empty: a new directory.
  Result<std::shared_ptr<CodeSession>> create(CodeSessionOptions options);

  /// By id or key; nullptr when there is none (any more).
  std::shared_ptr<CodeSession> find(std::string_view id_or_key) const;
  /// The execution of that id, in whatever session; nullptr when it is not known (any more).
  std::shared_ptr<CodeExecution> find_execution(std::string_view id) const;
  std::shared_ptr<CodeSession> session_of(const CodeExecution& execution) const;
  const std::vector<std::shared_ptr<CodeSession>>& list() const { return sessions_; }

  /// Ends every session; `done` when the last has ended. None is made from now on.
  void stop_all(std::function<void()> done);

 private:
  Result<std::string> work_dir_for(const CodeSessionOptions& options) const;

  Shard& shard_;
  KernelRegistry& registry_;
  SessionStoreOptions options_;
  PythonHelper python_;
  std::vector<std::shared_ptr<CodeSession>> sessions_;
  std::shared_ptr<CodeSessionStore*> alive_;  // for what sessions tell later
  bool stopping_ = false;
};

}  // namespace perijove
