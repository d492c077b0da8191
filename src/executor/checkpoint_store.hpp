#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "executor/checkpoint.hpp"
#include "executor/checkpoint_restoring.hpp"
#include "executor/code_session.hpp"
#include "io/checkpoint_shelf.hpp"

namespace perijove {

struct CheckpointStoreOptions {
  std::string state_dir;  ///< Empty: CheckpointShelf::default_base().
  /// Of the checkpoints of one session together, and of one that is kept.
  std::uint64_t bytes_max = std::uint64_t{8} << 30;
};

/// The checkpoints of a gateway's sessions, in a directory that kernels in isolation do not see. It
/// is made when the first is taken. A checkpoint goes with its session unless it is to be kept.
/// Nothing of what kernels wrote is ever unpickled or run here. Shard thread only.
class CheckpointStore {
 public:
  CheckpointStore(Shard& shard, CheckpointStoreOptions options);
  ~CheckpointStore();

  /// Whether a directory lies where checkpoints do: no session may have it.
  bool holds(const std::string& directory) const;

  struct Request {
    std::string label = {};
    bool keep = false;
    bool automatic = false;
    bool passing = false;  ///< Whoever takes it removes it soon: nothing is to go back to it.
    Holder holder = Holder::client;
  };
  /// Takes one of the session as it stands; it waits meanwhile. Errors: those of CheckpointTaking,
  /// of CheckpointShelf::open; resource_exhausted (limits::kCheckpointsMax, bytes_max,
  /// limits::kKeptCheckpointsMax); failed_precondition (the work directory holds the state
  /// directory).
  void take(const std::shared_ptr<CodeSession>& session, Request request,
            std::function<void(Result<Checkpoint>)> done);
  /// Gives a session what the checkpoint holds. Errors: those of find() and CheckpointRestoring.
  void restore(const std::shared_ptr<CodeSession>& session, const std::string& id,
               RestoreOptions options, std::function<void(Result<Restoration>)> done);

  /// Of a living session, in the order in which they were taken.
  std::vector<Checkpoint> of_session(const std::string& session_id) const;
  /// Of living sessions, in the order in which they were taken, and those that are kept, by id.
  std::vector<Checkpoint> list() const;
  /// not_found, data_loss.
  Result<Checkpoint> find(const std::string& id) const;
  /// From now on there is none. The files go soon. not_found.
  Result<void> remove(const std::string& id);
  /// Its checkpoints go, but those that are kept.
  void session_ended(const std::string& session_id);

 private:
  Result<CheckpointShelf*> shelf() const;
  Result<void> check_place(const CodeSession& session) const;
  Result<std::uint64_t> bytes_left(const std::string& session_id, const Request& request) const;
  void taken(const std::string& made, Result<Checkpoint> checkpoint,
             const std::function<void(Result<Checkpoint>)>& done);
  void discard(std::string directory);
  void forget(std::uint64_t number);

  Shard& shard_;
  CheckpointStoreOptions options_;
  mutable std::optional<CheckpointShelf> shelf_;
  std::vector<Checkpoint> taken_;  // of living sessions, those that are kept as well
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, std::shared_ptr<void>> work_;  // what is under way
};

}  // namespace perijove
