#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/gateway_runtime.hpp"
#include "engine/runner.hpp"

namespace perijove {

/// How `run` and `exec` run a list of code blocks to its end.
struct JobOptions {
  std::string kernel;  ///< Kernelspec or language; empty: the default one.
  std::string cwd;     ///< Of the kernel; absolute.
  Environment env;     ///< On top of what kernels get.
  std::vector<std::string> inherit_env;
  std::string isolation;            ///< Of the kernel, or kAutoIsolation; empty: none.
  std::string runtime_base;         ///< Empty: the usual one.
  std::optional<Duration> timeout;  ///< Of each block.
  Duration start_timeout = std::chrono::seconds(60);
  bool allow_errors = false;  ///< Go on after a block that failed.
  bool allow_input = false;   ///< Code that asks for input gets lines of standard input.
};

/// Who follows a job; called on the job's thread, in order.
class JobObserver {
 public:
  virtual ~JobObserver() = default;
  /// The kernel answers. `language_info` is the JSON text that it describes itself with.
  virtual void on_started(const std::string& language_info) = 0;
  virtual void on_block(std::size_t index) = 0;
  virtual void on_output(const Output& output) = 0;
  virtual void on_block_done(std::size_t index, const RunResult& result) = 0;
  /// Outputs of a block that has ended have changed; the BlockResults show it.
  virtual void on_late_output() = 0;
  /// Code asks for input, and a line of it is being waited for.
  virtual void on_prompt(const InputRequest& request) = 0;
  /// The line is there.
  virtual void on_answer(const InputRequest& request) = 0;
  /// Every 200 ms; index of the running block and how long it has run.
  virtual void on_tick(std::size_t index, Duration running) = 0;
  /// Asked before every block and after every output: true ends the job as SIGPIPE would.
  virtual bool wants_end() = 0;
};

/// How a job ended.
struct JobOutcome {
  std::optional<Error> error;        ///< No kernel, or it did not start: no block was run.
  std::optional<int> signal;         ///< The signal that ended it early.
  std::optional<RunResult> failure;  ///< The block whose failure ended it.
  std::size_t blocks_run = 0;

  /// 0; 130 and so on after a signal; what SystemExit says; 124 for a block out of time; 1 for any
  /// other failed block; exit_code(Code) for an error of ours.
  int exit_code() const;
};

/// One kernel, made for a list of blocks and ended with it. Interrupted (Ctrl-C, SIGTERM, SIGHUP)
/// it interrupts the running block, waits for it, and ends in order; interrupted again it kills the
/// kernel at once and keeps what the block has put out. One at a time in a process, on the calling
/// thread.
class Job {
 public:
  /// Finds the kernelspec; starts nothing yet.
  static Result<std::unique_ptr<Job>> create(JobOptions options);
  ~Job();

  const Kernelspec& spec() const { return spec_; }

  /// Runs the blocks. Once.
  JobOutcome run(std::vector<std::string> blocks, JobObserver& observer);

 private:
  class Run;
  Job(JobOptions options, std::unique_ptr<GatewayRuntime> runtime, Kernelspec spec);

  JobOptions options_;
  std::unique_ptr<GatewayRuntime> runtime_;
  Kernelspec spec_;
};

}  // namespace perijove
