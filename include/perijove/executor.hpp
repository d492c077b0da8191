#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "perijove/code_result.hpp"
#include "perijove/export.hpp"
#include "perijove/policies.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// Stands for "no limit" wherever a time limit is asked for.
inline constexpr std::chrono::milliseconds kNoLimit = std::chrono::milliseconds::max();

/// A piece of what running code prints.
struct OutputText {
  enum class Stream { standard_output, standard_error } stream = Stream::standard_output;
  std::string_view text;  ///< UTF-8; good during the call only.
  std::size_t block = 0;  ///< Index of the block, from 0.
  /// Output before this piece was dropped, because more than 8 MiB waited for the callback. The
  /// result's texts are not affected.
  bool after_gap = false;
};

/// A question of running code to its user: Python's input() and getpass().
struct InputPrompt {
  std::string_view prompt;  ///< Good during the call only.
  bool password = false;    ///< What is typed should not be shown.
};

using OutputCallback = std::function<void(const OutputText&)>;
/// Returns the answer, without a line break.
using InputCallback = std::function<std::string(const InputPrompt&)>;

/// Checkpoints that an executor takes without being asked for each.
struct AutoCheckpoint {
  unsigned every = 0;  ///< At the end of each so many calls of execute(); 0: not by number.
  /// Before code in which a checker finds something: `standard` or `strict` (Python's syntax trees),
  /// or a list of patterns (`course`, `ag2-forbidden` ...). Empty: not.
  std::string before_risky = {};
  /// When nothing has run for so long, and something has since the last one.
  std::chrono::milliseconds idle = kNoLimit;
  unsigned keep_last = 3;  ///< Of those taken so, at most 16; older ones are removed.
  /// A kernel that is lost gets the variables of the last checkpoint of any kind; files stay as
  /// they are. CodeResult::recovered tells it.
  bool recover = false;
};

/// What an Executor is started with.
struct ExecutorOptions {
  /// Kernelspec (`python3`), or a language (`python`, `R`); empty: python3, or the first there is.
  /// Blocks of other languages start kernels of their own when they first come.
  std::string kernel_name = {};
  /// Where the code runs, and where images, HTML and other outputs are saved; is made. Relative to
  /// the current directory.
  std::string work_dir = ".";

  /// Variables of every kernel of this executor, on top of those that it gets anyway: PATH, HOME,
  /// LANG and the like of this process, and what its kernelspec sets.
  std::map<std::string, std::string> env = {};
  /// Further variables of this process that kernels get; `AWS_*` and `*` are patterns.
  std::vector<std::string> inherit_env = {};

  /// Of each block. It is then interrupted; if it does not yield within `interrupt_grace` it is
  /// interrupted again, and after another `interrupt_grace` `hard_limit` says what happens.
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
  std::chrono::milliseconds interrupt_grace = std::chrono::seconds(5);
  HardLimit hard_limit = HardLimit::kill_restart;
  /// Longest silence of a block; then as `timeout`.
  std::chrono::milliseconds quiet_timeout = kNoLimit;
  /// From the launch of a kernel to its first answer.
  std::chrono::milliseconds start_timeout = std::chrono::seconds(60);
  /// From the polite request to end until a kernel is killed.
  std::chrono::milliseconds shutdown_grace = std::chrono::seconds(5);
  /// Kernels end, and further calls fail, when nothing has run for so long;
  std::chrono::milliseconds idle_timeout = kNoLimit;
  /// or so long after the start, whatever runs then.
  std::chrono::milliseconds lifetime_max = kNoLimit;

  /// Longest text, in characters, of each of a result's `output`, `stdout_text` and `stderr_text`.
  /// What is printed is kept whole, up to 64 MiB of each stream, in files of the work directory:
  /// `.perijove/EXECUTION_ID.stdout` and `.stderr`.
  std::size_t output_chars_max = 20'000;
  CutStrategy output_cut = CutStrategy::head_tail;
  ImagePolicy images = ImagePolicy::file;
  /// With ImagePolicy::in_line: larger images are files only.
  std::size_t inline_image_bytes_max = 512 * 1024;
  /// And those whose longer side has more pixels: language models get no larger ones.
  std::uint32_t inline_image_pixels_max = 1568;

  /// Called by execute() when its own options have no `on_output`.
  OutputCallback on_output = {};

  /// Where kernelspecs are searched; empty: Jupyter's data path (JUPYTER_PATH, the user's, the
  /// system's), and then the kernels that are installed with this library.
  std::vector<std::string> kernelspec_dirs = {};
  /// Base of a directory with sockets and connection files, short and this user's own; empty:
  /// $XDG_RUNTIME_DIR/perijove or /tmp/perijove-UID.
  std::string runtime_dir = {};
  /// Where checkpoints are; empty: $XDG_STATE_HOME/perijove or ~/.local/state/perijove. Not below
  /// `work_dir`.
  std::string state_dir = {};
  /// What they may take on disk together.
  std::uint64_t checkpoint_bytes_max = std::uint64_t{8} << 30;
  AutoCheckpoint auto_checkpoint = {};
  /// How kernels are kept from this process's user: `none`, `sandbox`, `docker`, or `auto`, which
  /// empty is, too: docker where its daemon has the image for kernels, else sandbox, else start()
  /// fails and says what is missing. Options of that kind are for the gateway's REST sessions only.
  std::string isolation = {};

  /// What is logged on standard error: `debug`, `info`, `warning`, `error` or `off`. One level for
  /// the whole process: that of the executor started last.
  std::string log_level = "off";
};

/// How one call of Executor::execute() runs.
struct ExecuteOptions {
  /// In place of those of ExecutorOptions.
  std::optional<std::chrono::milliseconds> timeout = {};
  std::optional<std::chrono::milliseconds> quiet_timeout = {};
  /// Of all blocks together, from the moment the first begins.
  std::chrono::milliseconds total_timeout = kNoLimit;

  /// Set while these blocks run, then as before. Python and bash only.
  std::map<std::string, std::string> env = {};
  /// Whether blocks after one that failed are left out.
  bool stop_on_error = true;
  bool silent = false;        ///< The kernel neither counts nor shows the value of what it runs.
  bool store_history = true;  ///< The kernel keeps the code in its history.
  bool capture_files = true;  ///< Tell which files the code itself has written.
  /// Take a checkpoint before the first block: CodeResult::checkpoint_before.
  bool checkpoint_before = false;

  /// A stop request cancels this call: one that waits is not begun, the running block is
  /// interrupted and, when it does not yield, its kernel restarted.
  std::stop_token stop = {};

  // Callbacks are called by the thread that waits in execute(), never at the same time, and may use
  // the executor (on_input: anything but execute(), which would wait for its own answer). What they
  // throw comes out of execute(), and the code is cancelled.

  /// What the code prints, soon after it is printed. A slow callback slows nothing down.
  OutputCallback on_output = {};
  /// Answers what the code asks for; without it such code fails with an error that says so.
  InputCallback on_input = {};
};

/// A file or directory below the work directory.
struct FileEntry {
  std::string path;  ///< Relative to the work directory, with `/` between components.
  bool is_directory = false;
  std::uint64_t size_bytes = 0;
  std::chrono::system_clock::time_point modified;
};

/// A kernel that could be started.
struct KernelspecInfo {
  std::string name;
  std::string display_name;
  std::string language;
  std::string directory;  ///< Of its kernel.json.
};

/// A variable of the Python kernel, or the value of an expression.
struct Variable {
  std::string name;     ///< Or the expression.
  std::string type;     ///< `int`, `DataFrame` ...
  std::string preview;  ///< What it is, in at most a few thousand characters.
  std::string json;     ///< The value itself, when it is JSON and small; else empty.
};

/// A package that pip has installed.
struct InstalledPackage {
  std::string name;
  std::string version;
};

/// What became of Executor::install().
struct Installed {
  std::vector<InstalledPackage> packages;
  std::vector<std::string> failed;  ///< Names of those that pip did not install.
  std::string log_tail;             ///< The end of what pip said, when something failed.
};

/// Files and variables of an executor at one moment, on disk.
struct CheckpointInfo {
  std::string id;
  std::string label;
  bool keep = false;
  bool automatic = false;  ///< Taken as AutoCheckpoint says, or before a call that asked for it.
  std::string created;  ///< UTC, ISO 8601.
  std::string method;   ///< `namespace+files`; `files` when no variables are in it.
  std::uint64_t bytes = 0;
  std::chrono::milliseconds duration{};
  std::vector<std::string> saved;  ///< Names of the executor's own language.
  std::vector<NotSaved> skipped;
};

/// What Executor::checkpoint() is told.
struct CheckpointOptions {
  std::string label = {};
  /// Stays when the executor ends, for another one that has the same `state_dir`.
  bool keep = false;
};

/// What came of Executor::restore().
struct Restored {
  std::vector<std::string> names;
  std::vector<NotSaved> failed;
};

/// Runs code in kernels that keep their state between calls: variables, imports, files.
///
/// One kernel runs per language; that of ExecutorOptions::kernel_name from the start. All kernels
/// share one work directory. They and everything they started end with the executor.
///
/// Threads: every member may be called from any thread, also while others wait in execute(); calls
/// of execute() are queued and run in order. The executor has a thread of its own, on which no
/// callback ever runs, and which takes no signals.
/// Lifetime: the destructor ends the kernels and waits for that, at most `shutdown_grace` and a
/// moment. Calls that other threads have begun return, with status `cancelled`.
/// Processes: this process must not ignore SIGCHLD, nor reap children that it did not start
/// (wait(), waitpid(-1)): kernels are children of it. No signal handler is installed.
class PERIJOVE_API Executor {
 public:
  /// Starts a kernel and waits until it answers, at most `options.start_timeout`.
  /// Errors: not_found (no such kernelspec; the message says what may have been meant and where was
  ///         searched), invalid_argument (an option; the message names it), permission_denied and
  ///         already_exists (work directory, runtime directory), deadline_exceeded, unavailable
  ///         (the kernel ended; the message has its last words), resource_exhausted.
  static Result<Executor> start(const ExecutorOptions& options = {});

  /// The kernelspecs below `directories`; empty: as with ExecutorOptions. By name.
  static std::vector<KernelspecInfo> kernelspecs(const std::vector<std::string>& directories = {});

  Executor(Executor&&) noexcept;
  /// Ends the kernels of the executor that is replaced, as the destructor does.
  Executor& operator=(Executor&&) noexcept;
  ~Executor();

  /// Runs blocks in order and stops at the first that fails. Blocks until the last has ended.
  /// A block that runs out of time is interrupted, and if it does not yield the kernel is
  /// restarted: then result.state_kept is false and earlier variables are gone.
  /// Errors mean that *we* failed or the request is wrong: invalid_argument, resource_exhausted
  /// (1,000 calls wait), failed_precondition (the executor has ended). A Python exception is a
  /// CodeResult with exit code 1, a language that no kernel speaks one with status `rejected`.
  Result<CodeResult> execute(const std::vector<CodeBlock>& blocks,
                             const ExecuteOptions& options = {});

  /// Cancels every call of execute() that runs or waits, as ExecuteOptions::stop does. Returns at
  /// once.
  void cancel();
  /// Interrupts the running block, as Ctrl-C does; its variables stay. Returns at once. Nothing
  /// happens when nothing runs.
  void interrupt();
  /// Starts every kernel anew; what runs or waits is cancelled, and variables are gone. Waits until
  /// the new processes run. Errors: failed_precondition (the executor has ended), unavailable,
  /// deadline_exceeded.
  Result<void> restart();

  // Variables of the Python kernel: only when `kernel_name` speaks Python (unimplemented) and
  // between calls of execute() (aborted while one runs or waits). They leave no trace in the
  // history, and are limited to 10 s (deadline_exceeded, after which variables are still there).
  // Further errors: failed_precondition (the executor has ended), unavailable.

  /// The variables that code has made, in that order, without modules, functions and private ones;
  /// at most 200.
  Result<std::vector<Variable>> variables();
  /// The value of an expression; invalid_argument with Python's words when it raises.
  Result<Variable> evaluate(std::string_view expression);
  /// Sets a variable to a value given as JSON text; invalid_argument: it is none, or no name.
  Result<void> set_variable(std::string_view name, std::string_view json);

  /// Installs packages with the pip of the Python kernel, quietly; waits in line as execute() does.
  /// Errors: invalid_argument (an option, a file or an address instead of a package),
  /// deadline_exceeded, aborted (cancelled), not_found (no kernel speaks Python), unavailable,
  /// failed_precondition. Packages that pip refuses are no error: Installed::failed.
  Result<Installed> install(const std::vector<std::string>& packages,
                            std::chrono::milliseconds timeout = std::chrono::minutes(10));

  // Checkpoints: between calls of execute() only (aborted while one runs or waits). Variables of
  // Python, bash and JavaScript are carried as far as they can be, and what cannot be is named.

  /// Saves files and variables as they are now; the executor goes on. Errors: resource_exhausted
  /// (32 checkpoints, `checkpoint_bytes_max`, a full disk), failed_precondition (`state_dir` is in
  /// the work directory; the executor has ended), unavailable, deadline_exceeded,
  /// permission_denied.
  Result<CheckpointInfo> checkpoint(const CheckpointOptions& options = {});
  /// Those of this executor, and all that are kept.
  Result<std::vector<CheckpointInfo>> checkpoints();
  /// Puts a checkpoint's files and variables in the place of those that are there: kernels start
  /// anew, files that it does not have are gone. Errors say in which condition the executor is:
  /// not_found, failed_precondition (it is of another language), data_loss, unavailable ...
  Result<Restored> restore(std::string_view checkpoint_id);
  /// not_found.
  Result<void> remove_checkpoint(std::string_view checkpoint_id);

  /// The absolute path of the work directory.
  const std::string& work_dir() const;

  // Files of the work directory. Paths are relative to it; nothing leaves it, not through `..` nor
  // through symbolic links (invalid_argument, permission_denied).

  /// The file's bytes. Errors: not_found, permission_denied (also for what is no regular file).
  Result<std::string> read_file(std::string_view path) const;
  /// Writes a file whole or not at all, in place of what has that name; makes the directories above
  /// it. Errors: permission_denied, resource_exhausted, unavailable.
  Result<void> write_file(std::string_view path, std::string_view bytes);
  /// What is in a directory (empty: the work directory) and, if `recursive`, below it; by path.
  /// Errors: not_found, resource_exhausted (more than 100,000 entries).
  Result<std::vector<FileEntry>> list_files(std::string_view path = {},
                                            bool recursive = true) const;

 private:
  class Impl;
  explicit Executor(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  // shared with the calls that are under way; null when moved from
};

/// A result as the text that a language model or a client library expects: `raw`, `autogen`,
/// `exitcode`, `openhands`, `anthropic` or `markdown`. Errors: not_found (another format; the
/// message says what may have been meant).
PERIJOVE_API Result<std::string> format_result(std::string_view format, const CodeResult& result);

}  // namespace perijove
