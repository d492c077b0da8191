#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "executor/admission.hpp"
#include "executor/block_report.hpp"
#include "executor/code_request.hpp"
#include "executor/event_log.hpp"
#include "executor/output_log.hpp"

namespace perijove {

class CodeSession;
class CommandRunner;
struct LanguageKernel;
struct LanguageProgram;

/// One request of a session, from the queue to its verdict. Shard thread only; made by
/// CodeSession::execute and kept by it. Ends exactly once, with a result that has everything up to
/// its end, whatever the kernel does.
class CodeExecution : public std::enable_shared_from_this<CodeExecution> {
 public:
  enum class State { queued, running, done };

  CodeExecution(CodeSession& session, std::string id, std::uint64_t number, CodeRequest request);
  ~CodeExecution();

  const std::string& id() const { return id_; }
  State state() const { return state_; }
  bool done() const { return state_ == State::done; }
  const CodeRequest& request() const { return request_; }

  /// The result; before its end what there is so far, without the texts of the running block.
  const CodeResult& result() const { return result_; }
  /// The answer of REST and the command line: the result, `status` being `queued` or `running`
  /// before the end.
  nlohmann::json to_json() const;

  /// Ends it: one that waits is not begun, the running block is interrupted and, if need be, its
  /// kernel restarted. Nothing after its end.
  void cancel();
  /// What the code that waits for input gets; false when none waits.
  bool answer_input(std::string_view text);

  /// The answer of whoever has to approve it; false when nobody was asked.
  bool approve(bool approved, std::string_view reason);

  /// What those who follow it are told; closed at its end.
  const std::shared_ptr<EventLog>& event_log() const { return event_log_; }
  EventLog::Slice events(std::uint64_t from, std::size_t count) const {
    return event_log_->events(from, count);
  }
  /// See EventLog::listen.
  std::shared_ptr<void> listen(std::function<void()> on_events) {
    return event_log_->listen(std::move(on_events));
  }

  /// The whole text of `stdout` or `stderr`, up to what is kept on disk.
  const OutputLog& log(std::string_view stream) const {
    return stream == "stderr" ? stderr_log_ : stdout_log_;
  }

 private:
  friend class CodeSession;

  // For the session.
  void set_queue_position(std::size_t position);
  void start();
  void on_output(const Output& output);
  void on_display(const DisplayOutput& display);
  void on_update(const DisplayUpdate& update);
  void on_clear(bool wait);
  void on_input(const InputRequest& request);
  /// The kernel that runs the block right now; nullptr between the blocks.
  LanguageKernel* interruptible() const { return in_block_ && !command_ ? kernel_ : nullptr; }
  void note_interrupt() { interrupted_ = true; }
  /// The same of a program beside a kernel; false when none runs.
  bool interrupt_command();
  /// The session has ended: whatever is left ends with it.
  void abandon(const std::string& reason);

  // Checkpoints around the blocks (execution_checkpoints.cpp).
  void before_blocks();
  void look_for_risk();
  void take_before();
  void begin_blocks();
  void after_blocks();
  void take_after();
  void note_checkpoint(const char* when, const Result<std::string>& taken, std::string& id);
  void recover(std::function<void()> next);

  // What policies say (execution_policies.cpp).
  bool use_cached();
  void keep_for_cache();
  std::vector<CodeBlock> judged_blocks() const;
  void admit();
  void admitted(AdmissionVerdict verdict);
  bool decided_by_policy();
  Result<void> save_code();
  void save_block();
  void run_restricted();
  void run_program(const LanguageProgram& program);
  // Beside a kernel (container_blocks.cpp).
  void run_beside(std::vector<std::string> command);
  void bring_files(std::function<void()> next);
  void fetch_files(std::function<void()> next);
  void run_command();
  void command_done(const RunResult& run);
  void refuse_unwritten(const Error& error);
  bool try_again();

  void next_block();
  void run_in_kernel_of(const std::string& language);
  void run_in(LanguageKernel& kernel);
  void run_block();
  void block_done(const RunResult& run);
  void take_result(const RunResult& run);
  void after_block();
  void take_loss();
  void refuse_ended();
  std::string language_of_block() const;
  void refuse_block(CodeStatus status, std::string type, std::string message,
                    std::string hint = {});
  void end_block(BlockResult result);
  void finish();
  void conclude();
  Result<void> write_files();
  void emit(std::string type, nlohmann::json data);
  void emit_text();
  BlockContext block_context() const;
  void report(const DisplayOutput& display, std::string type);
  void take_update(const ReportedDisplay& shown);
  void remove_stale_files(const std::vector<OutputFile>& kept);
  std::string output_stem() const;
  void emit_updates();
  void emit_soon();
  void set_request_timer();

  CodeSession& session_;
  std::string id_;
  std::uint64_t number_;
  CodeRequest request_;
  State state_ = State::queued;
  CodeResult result_;
  TimePoint queued_at_;
  TimePoint started_at_;
  boost::asio::steady_timer timer_;  // of the queue, then of all blocks together
  boost::asio::steady_timer text_timer_;
  bool text_is_due_ = false;  // and updates of displays

  std::size_t block_ = 0;  // index of the running block
  std::string block_language_;
  std::string block_code_;
  std::string block_file_;
  std::string temporary_file_;  // the same, when nobody named it
  std::string block_command_;   // runs the file, where a program does that; else empty
  WorkDirSnapshot before_;
  std::vector<std::string> block_argv_;  // the same, beside a kernel
  std::shared_ptr<CommandRunner> command_;
  LanguageKernel* kernel_ = nullptr;  // that runs the block
  std::string kernel_language_;       // of the one that ran the last, at the end
  std::set<std::string> lost_;        // languages whose variables are gone, and have not come back
  bool begun_ = false;                // its blocks, and what comes after them is still to come
  bool in_block_ = false;             // it does: not code of ours around it
  bool cancelled_ = false;
  bool interrupted_ = false;
  bool out_of_total_time_ = false;
  bool waits_for_input_ = false;

  std::shared_ptr<Admission> admission_;
  std::shared_ptr<void> restricted_run_;
  std::string cache_key_;
  unsigned retries_ = 0;

  OutputLog stdout_log_;
  OutputLog stderr_log_;
  std::string text_stream_;  // what is printed is told in larger pieces than it comes in
  std::string text_;
  std::map<std::size_t, ReportedDisplay> displays_;  // of the running block, by position
  bool clear_is_due_ = false;                        // of them, before the next output
  std::set<std::string> display_files_;  // that the running block's displays have or had
  std::set<std::string> updated_files_;  // of earlier displays
  // Updates are told, and files written, less often than they may come.
  struct Update {
    DisplayOutput content;
    std::vector<DisplayOutput> displays;  // of the running block
  };
  std::map<std::string, Update> updates_;  // by display_id
  std::shared_ptr<EventLog> event_log_;
};

}  // namespace perijove
