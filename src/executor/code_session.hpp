#pragma once

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/registry.hpp"
#include "engine/runner.hpp"
#include "executor/auto_checkpoints.hpp"
#include "executor/code_execution.hpp"
#include "executor/code_request.hpp"
#include "executor/earlier_displays.hpp"
#include "executor/python_helper.hpp"
#include "executor/remote_files.hpp"
#include "executor/result_cache.hpp"
#include "executor/session_policies.hpp"
#include "executor/session_setup.hpp"
#include "io/work_dir.hpp"

namespace perijove {

/// Who has a session stand still.
enum class Holder {
  client,     ///< Somebody who asks for it between executions.
  execution,  ///< The running execution itself, around its blocks.
};

/// What a session is made with.
struct CodeSessionOptions {
  std::string key;     ///< Chosen by the client, unique; empty: none.
  std::string kernel;  ///< Kernelspec or language of blocks that name no language; empty: default.
  /// What `kernel` names, when the client brought it along instead of choosing an installed one.
  std::optional<Kernelspec> kernelspec = {};
  std::string work_dir;                  ///< Absolute; is made.
  Environment env;                       ///< Of every kernel of the session.
  CodeRequest defaults;                  ///< What requests that do not say otherwise get.
  std::optional<Duration> idle_timeout;  ///< Ends the session this long after its last execution.
  std::optional<Duration> lifetime_max;  ///< Ends it this long after its beginning.
  std::map<std::string, std::string> labels;
  SessionPolicies policies;
  AutoCheckpointOptions auto_checkpoint = {};
  IsolationRequest isolation = {};  ///< Of every kernel of the session; its kind once it is made.
  SessionSetupOptions setup;        ///< See CodeSession::set_up.
  std::string config = "null";      ///< JSON text: what would make such a session again.
  std::map<std::string, std::string> files = {};  ///< Path -> contents, written at the beginning.
  std::string pool = {};                          ///< The pool that it is of; empty: none.
};

/// The kernel of a session that speaks one language.
struct LanguageKernel {
  std::string language;  ///< Canonical.
  std::shared_ptr<Kernel> kernel;
  std::shared_ptr<BlockRunner> runner;
  std::uint64_t generation = 1;  ///< Counts its processes: variables live in one.
  bool ready = false;
  bool restarting = false;      ///< Because somebody asked for it; not ready meanwhile.
  bool runs_on = false;         ///< Code that was given up was still running.
  bool loss_is_untold = false;  ///< Variables are gone, and no result has said so yet.
  bool finds_packages = false;  ///< Those below the work directory; see keep_packages().
  std::function<void(Result<LanguageKernel*>)> when_ready;
  std::unique_ptr<RemoteFiles> files;  ///< Where the kernel sees another work directory.

  /// The same, of the process that runs now; null where there is nothing to carry.
  RemoteFiles* remote_files(const WorkDir& directory);
  /// Whether that code still runs.
  bool stuck() const;
  /// Counts the process that a verdict says is gone.
  void note_loss(const execution::Verdict& verdict);
};

/// One block that was run, for the history.
struct HistoryEntry {
  std::string execution_id;
  std::string language;
  std::string code;
  std::string status;
  int exit_code = 0;
  std::optional<std::int64_t> execution_count;
  std::string outputs;  ///< The JSON text of nbformat's `outputs`; empty when too large to keep.
};

/// A stateful workspace: one work directory and, for each language used in it, one kernel, started
/// at first use. Executions run one after another. Shard thread only; held by shared_ptr; call
/// stop() before the last share goes.
class CodeSession : public std::enable_shared_from_this<CodeSession> {
 public:
  using Done = std::function<void(Result<void>)>;

  /// Makes the work directory and writes the first files; starts no kernel yet. `on_end` is called
  /// once, when the session has ended by itself or by stop(). Errors: those of WorkDir::open and
  /// WorkDir::write.
  static Result<std::shared_ptr<CodeSession>> create(Shard& shard, KernelRegistry& registry,
                                                     CodeSessionOptions options,
                                                     std::function<void()> on_end);
  ~CodeSession();

  const std::string& id() const { return id_; }
  const CodeSessionOptions& options() const { return options_; }
  /// Of blocks that name none; canonical.
  const std::string& language() const { return language_; }
  const WorkDir& directory() const { return directory_; }
  Shard& shard() { return shard_; }
  bool ended() const { return ended_; }
  /// Whether something runs or waits.
  bool busy() const { return running_ != nullptr || !queue_.empty(); }
  const std::deque<HistoryEntry>& history() const { return history_; }
  /// The session as REST shows it.
  nlohmann::json to_json() const;

  /// Makes the session ready, when its options ask for something, before its first kernel starts;
  /// that waits for it and asks for it anyway. `done` may be called during this call. Errors: those
  /// of SessionSetup; aborted when the session ends meanwhile. A session that could not be made
  /// ready runs nothing.
  void set_up(Done done);
  /// What came of it; empty before.
  const PreparedSession& prepared() const { return prepared_; }

  /// Starts the kernel of the session's own language, so that the first execution finds it ready;
  /// executions wait until then. Errors: as registry.start(), deadline_exceeded, and aborted while
  /// something runs.
  void prepare(Done done);

  /// Whether the kernel of the session's own language runs and answers.
  bool ready() const;

  /// A session that was made ahead is taken by a client: its times begin now.
  void hand_over(std::string key, std::map<std::string, std::string> labels,
                 std::optional<Duration> idle_timeout, std::optional<Duration> lifetime_max);

  /// Queues a request. aborted: something runs, and the request does not want to wait.
  /// failed_precondition: the session has ended. resource_exhausted: too many wait.
  Result<std::shared_ptr<CodeExecution>> execute(CodeRequest request);
  /// nullptr when it is not known (any more).
  std::shared_ptr<CodeExecution> find_execution(std::string_view id) const;

  /// Interrupts what runs; its variables stay.
  void interrupt();
  /// Starts every kernel of the session anew; what runs or waits is cancelled.
  void restart(Done done);
  /// Ends kernels and session; what runs or waits is cancelled. The work directory stays.
  void stop(Done done);

  /// Packages are kept below the work directory from now on, where Python kernels that are isolated
  /// look for some; without isolation they are where they always are.
  void keep_packages() { keeps_packages_ = options_.setup.isolated; }

  /// Evaluates `code` silently and hands over the text/plain of expression `value`, between the
  /// executions; error aborted while one runs. For looking at variables.
  void evaluate(std::string code, std::string expression,
                std::function<void(Result<std::string>)> done);

  /// Decides about code that is no execution's, by the session's checker.
  void admit(AdmissionRequest request, std::function<void(AdmissionVerdict)> done);

  /// Makes `branch`, a session that was just made for it, a copy of this one as it stands: its
  /// files, and its own language's kernel with all variables, forked while it lives. This one waits
  /// meanwhile and goes on as it was. `done` gets what the copy lacks, for people. Errors: aborted
  /// (something runs), failed_precondition (there is no kernel yet; or the kernel refuses, and says
  /// why), unimplemented (its kernel cannot), unavailable, resource_exhausted.
  void fork_into(const std::shared_ptr<CodeSession>& branch,
                 std::function<void(Result<std::vector<std::string>>)> done);
  /// Whether fork_into() can be asked for; its errors but those of the system.
  Result<void> check_fork() const;
  /// The history of another session, in place of this one's.
  void copy_history(const CodeSession& of);
  /// What a session must be made with that is to become a copy of this one.
  CodeSessionOptions options_of_branch() const;

  // A session that stands still, for what concerns its state as a whole (code_session_hold.cpp).

  /// Nothing is run from now on, but by run_held(), until let_go(): what is asked for waits.
  /// aborted: something runs; failed_precondition: it has ended. `purpose` says what is not now.
  Result<void> hold(std::string_view purpose, Holder holder = Holder::client);
  void let_go();
  /// By language, those that were started.
  std::map<std::string, KernelSummary> kernels() const;
  /// Runs code in the kernel of a language, which is started when need be; BlockRunner::run.
  /// Errors: those of a kernel's start.
  void run_held(const std::string& language, std::string code, BlockOptions options,
                std::function<void(Result<RunResult>)> done);
  /// The languages whose kernel has lost its variables since the last execution.
  std::set<std::string> lost_languages() const;
  /// They have theirs again.
  void note_recovered(const std::set<std::string>& languages);
  /// Whether code that was given up still runs.
  bool stuck() const;
  AutoCheckpoints& auto_checkpoints() { return auto_checkpoints_; }
  /// Ends every kernel at once; those of the next generation start when they are needed.
  void end_kernels(std::function<void()> done);

  // Changes what may change later.
  void set_limits(std::optional<Duration> idle_timeout, std::optional<Duration> lifetime_max);
  void set_auto_checkpoint(AutoCheckpointOptions options);

 private:
  friend class CodeExecution;

  CodeSession(Shard& shard, KernelRegistry& registry, CodeSessionOptions options, WorkDir directory,
              std::function<void()> on_end);

  /// The kernel for a language, started when need be; `use` gets it when it is ready, or the error:
  /// not_found (nobody speaks it), unavailable, deadline_exceeded.
  void with_kernel(const std::string& language, std::function<void(Result<LanguageKernel*>)> use);
  /// The same of a session that is set up, or about to be.
  void find_kernel(const std::string& language, std::function<void(Result<LanguageKernel*>)> use);
  /// Hands over a kernel that finds the session's packages, if it is to.
  void find_packages(LanguageKernel& kernel, std::function<void(Result<LanguageKernel*>)> use);
  /// Has a Python kernel look for packages, installs those of prepared_, and runs `module` unless
  /// it is empty.
  void bring_packages(LanguageKernel& kernel, const std::string& module, Done done);
  /// Has code and an expression evaluated by a kernel; see evaluate().
  void ask_kernel(LanguageKernel& kernel, std::string_view code, const std::string& expression,
                  Duration limit, std::function<void(Result<std::string>)> done);
  void set_up_inside();
  /// What runs a file in a language for which the containers of this session have no kernel; empty:
  /// there is a kernel, or nobody knows.
  std::vector<std::string> command_for(const std::string& language) const;
  Result<LanguageKernel*> start_kernel(const std::string& language, const std::string& name,
                                       Branch branch = {});
  void copy_files(const std::string& from, std::function<void(Result<void>)> done);
  void end_copying(Result<void> result);
  void begin_as_copy(const std::shared_ptr<CodeSession>& of,
                     std::function<void(Result<std::vector<std::string>>)> done);
  std::shared_ptr<BlockRunner> make_runner(const std::shared_ptr<Kernel>& kernel);
  void kernel_started(const std::string& language, const Result<void>& started);
  void kernel_restarted(const std::string& language, const Result<void>& restarted);
  void drop_kernel(LanguageKernel& kernel);
  void execution_done(const std::shared_ptr<CodeExecution>& execution);
  void run_next();
  void remember(HistoryEntry entry);
  void set_timer();
  void on_timer();
  void end_set_up(Result<void> result);
  /// One text for one state of the kernels, as far as can be told; `pristine` before anything ran.
  std::string state_identity() const;

  Shard& shard_;
  KernelRegistry& registry_;
  CodeSessionOptions options_;
  std::string id_;
  std::string language_;  // of blocks that name none
  WorkDir directory_;
  std::function<void()> on_end_;
  WallTime created_;
  TimePoint created_at_;
  TimePoint idle_since_;
  boost::asio::steady_timer timer_;

  std::map<std::string, std::unique_ptr<LanguageKernel>> kernels_;  // by language
  std::map<std::string, std::uint64_t> generations_;                // of kernels that were dropped
  std::uint64_t next_number_ = 1;
  std::shared_ptr<CodeExecution> running_;
  std::deque<std::shared_ptr<CodeExecution>> queue_;
  std::deque<std::shared_ptr<CodeExecution>> finished_;  // kept to be asked, oldest first
  PythonHelper python_;
  std::shared_ptr<SessionSetup> setup_;
  std::shared_ptr<void> copying_;       // the program that copies files into this session
  Done when_copied_;                    // told when it has ended, or the session before it
  std::optional<Result<void>> set_up_;  // how it ended
  std::vector<Done> when_set_up_;
  PreparedSession prepared_;
  ResultCache cache_;
  EarlierDisplays displays_;
  AutoCheckpoints auto_checkpoints_;
  std::uint64_t changes_ = 0;  // executions since the kernels were fresh

  std::deque<HistoryEntry> history_;
  std::size_t history_bytes_ = 0;
  bool evaluating_ = false;
  bool keeps_packages_ = false;
  bool ended_ = false;
  bool stopped_ = false;
  std::vector<Done> when_stopped_;
};

}  // namespace perijove
