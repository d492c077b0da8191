#pragma once

#include <functional>
#include <memory>
#include <string>

#include "executor/checkpoint.hpp"
#include "executor/code_session.hpp"
#include "executor/namespace_code.hpp"

namespace perijove {

/// What a kernel of this session finds its work directory under, wherever it runs.
HandOver hand_over_files(const CodeSession& session);

/// What the kernel answers about code that was to save or to load its variables.
Result<void> read_namespace_run(const Result<RunResult>& run, const NamespaceCode& code);
/// And how it is run.
BlockOptions namespace_run_options(const NamespaceCode& code);

/// Writes files and variables of a session into an empty directory, one step after another: each
/// kernel writes its variables to a file in the work directory, and then a thread copies those
/// files and the others. The session is held meanwhile. Shard thread only; held by shared_ptr;
/// dropping it ends it without a word, and lets the session go.
class CheckpointTaking : public std::enable_shared_from_this<CheckpointTaking> {
 public:
  using Done = std::function<void(Result<Checkpoint>)>;

  /// `checkpoint` says what is known of it; `directory` is where it is made; `bytes_max` is for
  /// files and variables together.
  CheckpointTaking(std::shared_ptr<CodeSession> session, Checkpoint checkpoint,
                   std::string directory, std::uint64_t bytes_max, Holder holder, Done done);
  ~CheckpointTaking();

  /// `done` is called once, maybe during this call. Errors: aborted (the session is busy, or ended
  /// meanwhile), failed_precondition, deadline_exceeded, unavailable (a kernel could not write its
  /// variables), resource_exhausted (the bound, a full disk), permission_denied (a file that cannot
  /// be read).
  void begin();

 private:
  void save_next();
  void saved(const std::string& language, const NamespaceCode& code, const Result<RunResult>& run);
  void copy();
  void finish(Result<void> result);

  std::shared_ptr<CodeSession> session_;
  Checkpoint checkpoint_;
  std::string directory_;
  std::uint64_t bytes_max_;
  Holder holder_;
  Done done_;
  TimePoint begun_;
  bool holds_ = false;
  std::map<std::string, KernelSummary> left_;  // kernels whose turn has not come
  /// What kernels have written, or are to write; open, whatever becomes of the names.
  std::vector<std::shared_ptr<FileDescriptor>> written_;
  std::string writing_;  // the name of the file that a kernel writes now
  std::shared_ptr<void> copying_;
};

}  // namespace perijove
