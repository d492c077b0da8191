#pragma once

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "executor/block_report.hpp"
#include "executor/code_request.hpp"
#include "executor/output_log.hpp"

namespace perijove {

class CodeSession;
struct LanguageKernel;

/// One step of an execution, for those who follow it.
struct ExecutionEvent {
  std::uint64_t seq = 0;  ///< From 1, without gaps.
  std::string type;       ///< `started`, `stdout`, `display`, `done` ...
  std::string json;       ///< The whole event as one line of JSON, `seq` and `ts` included.
};

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

  /// Events from number `from` on, at most `count`. `missed`: how many of them are not kept any
  /// more. Pointers are good until the next turn of the loop.
  struct Events {
    std::uint64_t missed = 0;
    std::vector<const ExecutionEvent*> events;
  };
  Events events(std::uint64_t from, std::size_t count) const;
  /// Calls back whenever there are new events, never during another call of this class, until the
  /// returned share is dropped.
  std::shared_ptr<void> listen(std::function<void()> on_events);

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
  void on_input(const InputRequest& request);
  void note_interrupt() { interrupted_ = true; }
  /// The session has ended: whatever is left ends with it.
  void abandon(const std::string& reason);

  void next_block();
  void prepare_block();
  void run_in(LanguageKernel& kernel);
  void block_done(const RunResult& run);
  void refuse_block(CodeStatus status, std::string type, std::string message,
                    std::string hint = {});
  void end_block(BlockResult result);
  void finish();
  Result<void> write_files();
  void emit(std::string type, nlohmann::json data);
  void emit_text();
  void schedule_text();
  void notify();
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
  bool text_is_due_ = false;

  std::size_t block_ = 0;  // index of the running block
  std::string block_language_;
  std::string block_code_;
  std::string block_file_;
  WorkDirSnapshot before_;
  LanguageKernel* kernel_ = nullptr;  // that runs the block
  bool cancelled_ = false;
  bool interrupted_ = false;
  bool out_of_total_time_ = false;
  bool waits_for_input_ = false;

  OutputLog stdout_log_;
  OutputLog stderr_log_;
  std::string text_stream_;  // what is printed is told in larger pieces than it comes in
  std::string text_;
  std::deque<ExecutionEvent> events_;
  std::uint64_t next_seq_ = 1;
  std::size_t events_bytes_ = 0;
  std::vector<std::weak_ptr<std::function<void()>>> listeners_;
  bool notify_posted_ = false;
};

}  // namespace perijove
