#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "executor/checkpoint_store.hpp"
#include "executor/code_session.hpp"
#include "executor/session_pool.hpp"

namespace perijove {

struct SessionStoreOptions {
  std::string work_root;  ///< Absolute; sessions that name no directory get one below `sessions/`.
  CodeRequest defaults;   ///< Of sessions that say nothing else.
  std::optional<Duration> idle_timeout;
  std::optional<Duration> lifetime_max;
  CheckpointStoreOptions checkpoints;
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

  /// Copies of a session as it stands, with its files and variables: CodeSession::fork_into, as
  /// often as asked for, or not at all. `lacks` is what the copies lack. Errors: those and
  /// create()'s.
  ///
  /// When its kernel cannot be forked, by way of a checkpoint: what that carries. `method` says so.
  struct Forks {
    std::string method = "fork";  ///< Or that of the checkpoint.
    std::vector<std::shared_ptr<CodeSession>> sessions;
    std::vector<std::string> lacks;
  };
  void fork_session(const std::shared_ptr<CodeSession>& session, std::size_t count,
                    std::map<std::string, std::string> labels,
                    std::function<void(Result<Forks>)> done);

  CheckpointStore& checkpoints() { return *checkpoints_; }
  /// CheckpointStore::restore, into a session that keeps code no less than where the checkpoint is
  /// from: permission_denied.
  void restore(const std::shared_ptr<CodeSession>& session, const std::string& checkpoint_id,
               std::function<void(Result<Restoration>)> done);
  /// A new session that begins with what a checkpoint holds, or none. Errors: those of create(),
  /// CodeSession::set_up and restore().
  using FromCheckpoint = std::pair<std::shared_ptr<CodeSession>, Restoration>;
  void create_from(const std::string& checkpoint_id, CodeSessionOptions options,
                   std::function<void(Result<FromCheckpoint>)> done);

  // Pools of sessions that are ready before they are asked for.

  /// Makes a pool and begins to fill it, or changes the one of that name. invalid_argument: no
  /// name, or a session that no pool can keep ready; resource_exhausted: too many pools; not_found:
  /// no such kernel; unavailable: the gateway is stopping. What else keeps its sessions from
  /// getting ready the pool tells itself (SessionPool::to_json).
  Result<std::shared_ptr<SessionPool>> set_pool(SessionPoolOptions options);
  /// Ends the sessions of a pool that nobody has taken, and forgets it; false when there is none.
  bool remove_pool(std::string_view name);
  /// nullptr when there is none.
  std::shared_ptr<SessionPool> find_pool(std::string_view name) const;
  std::vector<std::shared_ptr<SessionPool>> pools() const;
  /// A session of a pool, for this client. not_found: no such pool; already_exists: another one has
  /// the key; and the errors of SessionPool::take.
  Result<std::shared_ptr<CodeSession>> take(std::string_view pool, std::string key,
                                            std::map<std::string, std::string> labels);
  /// Gives a session back to its pool: it ends, and its directory is removed with all that is in
  /// it. failed_precondition: it is of no pool.
  void release(const std::shared_ptr<CodeSession>& session, std::function<void(Result<void>)> done);

  /// By id or key; nullptr when there is none (any more).
  std::shared_ptr<CodeSession> find(std::string_view id_or_key) const;
  /// The execution of that id, in whatever session; nullptr when it is not known (any more).
  std::shared_ptr<CodeExecution> find_execution(std::string_view id) const;
  std::shared_ptr<CodeSession> session_of(const CodeExecution& execution) const;
  const std::vector<std::shared_ptr<CodeSession>>& list() const { return sessions_; }

  /// Ends every session, also of pools; `done` when the last has ended. None is made from now on.
  void stop_all(std::function<void()> done);

 private:
  Result<std::string> work_dir_for(const CodeSessionOptions& options) const;
  /// A session that list() and find() do not show yet.
  Result<std::shared_ptr<CodeSession>> make(CodeSessionOptions options);
  Result<void> check_key(const std::string& key) const;
  void fork_next(const std::shared_ptr<CodeSession>& session, std::size_t left,
                 const std::shared_ptr<Forks>& forks, std::map<std::string, std::string> labels,
                 std::function<void(Result<Forks>)> done);
  void fork_by_checkpoint(const std::shared_ptr<CodeSession>& session, std::size_t count,
                          std::map<std::string, std::string> labels,
                          std::function<void(Result<Forks>)> done);
  void fork_from(const std::shared_ptr<CodeSession>& session, const Checkpoint& checkpoint,
                 std::size_t left, const std::shared_ptr<Forks>& forks,
                 std::map<std::string, std::string> labels,
                 std::function<void(Result<Forks>)> done);
  void undo(const std::shared_ptr<CodeSession>& session);
  void end_and_remove(const std::shared_ptr<CodeSession>& session,
                      std::function<void(Result<void>)> done);
  std::size_t session_count() const;
  void session_ended(const std::string& id);
  void fill_pools();
  void remove_directory(const std::string& path, std::function<void(Result<void>)> done);

  Shard& shard_;
  KernelRegistry& registry_;
  SessionStoreOptions options_;
  PythonHelper python_;
  std::shared_ptr<CheckpointStore> checkpoints_;  // sessions know it while it is there
  std::vector<std::shared_ptr<CodeSession>> sessions_;
  std::map<std::string, std::shared_ptr<SessionPool>, std::less<>> pools_;
  std::shared_ptr<void> kernel_events_;
  std::shared_ptr<CodeSessionStore*> alive_;                 // for what sessions tell later
  std::map<std::uint64_t, std::shared_ptr<void>> removals_;  // programs that run
  std::uint64_t next_removal_ = 1;
  std::size_t releases_ = 0;  // begun and not done
  std::function<void()> when_released_;
  bool stopping_ = false;
};

}  // namespace perijove
