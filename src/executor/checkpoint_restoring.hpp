#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "executor/checkpoint.hpp"
#include "executor/code_session.hpp"
#include "executor/namespace_code.hpp"

namespace perijove {

/// What of a checkpoint is restored, and for whom.
struct RestoreOptions {
  /// Only the variables of these languages, into kernels that run or start now: other kernels and
  /// the files stay as they are. Empty: everything, as CheckpointRestoring says.
  std::set<std::string> variables_of = {};
  Holder holder = Holder::client;
};

/// Puts files and variables of a checkpoint in the place of those of a session: the files are
/// copied beside the others first, then every kernel of the session ends, the files change places,
/// fresh kernels start, and each reads its variables. Until the kernels end, nothing has changed;
/// errors say in which condition the session is. The checkpoint is only read. The session is held
/// meanwhile. Shard thread only; held by shared_ptr; dropping it ends it without a word, and lets
/// the session go.
class CheckpointRestoring : public std::enable_shared_from_this<CheckpointRestoring> {
 public:
  using Done = std::function<void(Result<Restoration>)>;

  CheckpointRestoring(std::shared_ptr<CodeSession> session, Checkpoint checkpoint,
                      RestoreOptions options, Done done);
  ~CheckpointRestoring();

  /// `done` is called once, maybe during this call. Errors: aborted (the session is busy, or ended
  /// meanwhile), failed_precondition (it speaks another language), resource_exhausted,
  /// permission_denied, unavailable (a kernel does not start, or cannot read its variables),
  /// data_loss (what is stored is not what was saved).
  void begin();

 private:
  void stage();
  void swap();
  const char* condition_after_load() const;
  void load_next();
  void load(const SavedNamespace& saved);
  void loaded(const SavedNamespace& saved, const NamespaceCode& code, const Result<RunResult>& run);
  void remove_handed_over();
  void finish(Result<void> result);

  std::shared_ptr<CodeSession> session_;
  Checkpoint checkpoint_;
  RestoreOptions options_;
  Done done_;
  Restoration restoration_;
  bool holds_ = false;
  std::string staged_;  // name of the directory that the files were copied to
  std::vector<SavedNamespace> left_;
  HandOver files_;  // what a kernel reads now
  std::string text_;
  FileDescriptor report_;
  std::shared_ptr<void> work_;
};

}  // namespace perijove
