#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "executor/code_session.hpp"
#include "executor/event_log.hpp"
#include "executor/history_export.hpp"
#include "protocol/nbformat.hpp"
#include "protocol/parameters.hpp"

namespace perijove {

/// One step of a job that is no notebook.
struct JobStep {
  std::string name;      ///< For people; may be empty.
  std::string language;  ///< Empty: the session's.
  std::string code;
};

/// What a job runs: the code cells of a notebook, or a list of steps that becomes one.
struct JobWork {
  std::optional<Notebook> notebook;
  std::vector<JobStep> steps;  ///< When there is no notebook.
};

struct NotebookJobOptions {
  std::string name;           ///< For people; may be empty.
  Parameters parameters;      ///< Become the cell tagged `injected-parameters`, as papermill's.
  CodeRequest each;           ///< What every step runs under; its blocks are ignored.
  bool allow_errors = false;  ///< Go on after a step that failed, as long as state is kept.
  std::string output_path;    ///< Of the executed notebook, in the session's work directory.
  bool ends_session = false;  ///< The session is this job's own, and ends when it has succeeded.
};

/// Runs steps one after another in a session, whoever listens or not. After every step the notebook
/// with all results so far is saved in the session's work directory, whole or not at all. A job
/// that failed or was cancelled can be resumed from any step: the session has kept its state. Shard
/// thread only; held by shared_ptr.
class NotebookJob : public std::enable_shared_from_this<NotebookJob> {
 public:
  enum class State { running, succeeded, failed, cancelled };

  /// Makes the notebook and saves it; nothing runs before resume(). Errors: those of
  /// inject_parameters and WorkDir::write; invalid_argument for no steps or too many.
  static Result<std::shared_ptr<NotebookJob>> create(std::shared_ptr<CodeSession> session,
                                                     NotebookKernel kernel, JobWork work,
                                                     NotebookJobOptions options);
  ~NotebookJob();

  const std::string& id() const { return id_; }
  bool running() const { return running_; }
  /// Where the executed notebook is, relative to the work directory.
  const std::string& output_path() const { return options_.output_path; }
  const CodeSession& session() const { return *session_; }
  const std::shared_ptr<EventLog>& event_log() const { return log_; }
  /// As REST shows it; `steps` with what each has given so far.
  nlohmann::json to_json(bool with_steps) const;
  /// The executed notebook as it was saved last. Errors: those of WorkDir::read.
  Result<std::string> notebook_text() const { return session_->directory().read(output_path()); }

  /// Runs from the step `from` (its index, or its name) on; empty: from the first that has not
  /// succeeded. `changed` replaces what is to be run; steps before `from` keep their results.
  /// aborted: it runs, or the session has ended. failed_precondition: there is nothing left to run.
  /// invalid_argument: no such step, and the errors of create().
  Result<void> resume(const std::string& from = {}, std::optional<JobWork> changed = std::nullopt);

  /// Ends the running step as CodeExecution::cancel does, and the job with it.
  void cancel();

 private:
  struct Step;

  NotebookJob(std::shared_ptr<CodeSession> session, NotebookKernel kernel,
              NotebookJobOptions options);
  Result<void> take(JobWork work);
  Result<std::size_t> find_step(const std::string& name) const;
  bool steps_remain() const;
  void next();
  void begin_step();
  void on_events();
  void step_done();
  void end(State state);
  void show(Step& step);
  Result<void> save();
  void fail(std::string type, std::string message);

  std::string id_;
  std::shared_ptr<CodeSession> session_;
  NotebookKernel kernel_;
  NotebookJobOptions options_;
  std::shared_ptr<EventLog> log_;
  Notebook notebook_;
  std::vector<Step> steps_;
  std::size_t current_ = 0;
  State state_ = State::running;
  bool running_ = false;
  bool cancelled_ = false;
  bool state_kept_ = true;
  std::optional<CodeError> error_;
  std::uint64_t runs_ = 0;
  WallTime created_;
  std::optional<WallTime> ended_;
  std::size_t outputs_bytes_ = 0;

  std::shared_ptr<CodeExecution> execution_;  // of the running step
  std::shared_ptr<void> listening_;
  std::uint64_t next_event_ = 1;
};

}  // namespace perijove
