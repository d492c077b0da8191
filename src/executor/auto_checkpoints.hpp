#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>

#include "base/time.hpp"
#include "executor/checkpoint.hpp"
#include "perijove/code_result.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {

class CheckpointStore;
class CodeSession;

/// Half of what a session may have.
inline constexpr unsigned kAutoCheckpointsKeptMax = 16;

/// When checkpoints of a session are taken that nobody asks for one by one.
struct AutoCheckpointOptions {
  unsigned every = 0;  ///< At the end of each so many executions; 0: not by number.
  /// Before code in which this profile of Validation finds something; empty: not.
  std::string risky_profile = {};
  /// When nothing has run for so long, and something has since the last one.
  std::optional<Duration> idle = {};
  unsigned keep_last = 3;  ///< Of those taken so; older ones go.
  /// A kernel that is lost gets the variables of the session's last checkpoint.
  bool recover = false;
};

/// Reads the field `auto_checkpoint` over what `options` has.
void read_auto_checkpoint(JsonFields& fields, AutoCheckpointOptions& options);

/// The checkpoints that one session takes by itself, and what it does with its last one. Belongs to
/// its session; shard thread only.
class AutoCheckpoints {
 public:
  explicit AutoCheckpoints(CodeSession& session);

  const AutoCheckpointOptions& options() const;
  /// Where checkpoints are; without it none is taken.
  void keep_in(std::weak_ptr<CheckpointStore> store) { store_ = std::move(store); }

  // For the running execution, around its blocks; `done` comes from the loop or during the call.

  /// Takes one and hands over its id. Older automatic ones go. Errors: CheckpointStore::take.
  void take(std::string label, std::function<void(Result<std::string>)> done);
  /// Whether there is something to go back to, and that is wanted.
  bool can_recover() const { return options().recover && last_; }
  /// Gives the kernels of these languages the variables of the last checkpoint; files stay as they
  /// are. Errors: CheckpointStore::restore.
  void recover(const std::set<std::string>& languages, std::function<void(Result<Recovery>)> done);

  /// An execution has run its blocks: whether a checkpoint is due now, by their number.
  bool count_execution();
  /// Nothing runs from now on, or the options are others.
  void on_idle();

  /// The session is as this checkpoint has it: it was taken or restored just now.
  void stands_at(const Checkpoint& checkpoint);

  /// As a session shows it; null when it takes none by itself.
  nlohmann::json to_json() const;

 private:
  struct Last {
    std::string id;
    std::string created;
  };

  void take_idle();
  void taken(const Result<Checkpoint>& checkpoint);

  CodeSession& session_;
  std::weak_ptr<CheckpointStore> store_;
  std::optional<Last> last_;
  std::uint64_t executions_ = 0;  // since then
  std::string problem_;           // why the last one was not taken
  boost::asio::steady_timer timer_;
};

}  // namespace perijove
