#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kernel.hpp"
#include "model/execution.hpp"
#include "protocol/outputs.hpp"

namespace perijove {

/// How one code block is run.
struct BlockOptions {
  ExecutionOptions execution;
  OutputLimits output_limits;
  bool silent = false;        ///< No outputs, no count, no history.
  bool store_history = true;  ///< Counts the block and keeps it in the kernel's history.
  bool allow_input = true;    ///< Whether Events::on_input, when it is set, is asked.
  /// The JSON text of an object: names and expressions that are evaluated after the code.
  std::string user_expressions = "{}";
};

/// What running one code block gave.
struct RunResult {
  execution::Verdict verdict;
  Duration duration{};
  /// Its outputs, which may still grow: while this is shared, late output of the block's threads
  /// and updates of its displays by later blocks are added to it.
  std::shared_ptr<const OutputCollector> collected;
  /// The code ended the program in order, as Python's exit(): no further block was meant to run.
  bool asked_exit = false;
  /// The JSON text of the execute_reply's content; empty when there was none.
  std::string reply = {};

  bool ok() const { return verdict.outcome == execution::Outcome::ok; }
  /// The exception that the outputs end with; nullopt when there is none.
  std::optional<ErrorOutput> error() const;
};

/// What code asks its user for (Python's input() and getpass()).
struct InputRequest {
  std::string prompt;
  bool password = false;  ///< What is typed should not be shown.
};

/// New data for the displays that have its display_id.
struct DisplayUpdate {
  const DisplayOutput& content;
  /// Those of the running block, updated already. Displays of earlier blocks are the listener's.
  std::vector<const DisplayOutput*> displays;
};

/// Runs code blocks in one kernel, one after another, and gathers what they put out. Each run ends
/// in one verdict whatever the kernel does: see model/execution. Other clients of the kernel are
/// not disturbed, but a stuck block may restart it (ExecutionOptions::if_stuck). Shard thread only;
/// make it with make_shared. Destroying it lets go of the kernel and calls nothing more; a block
/// that was running runs on.
class BlockRunner final : public KernelListener, public std::enable_shared_from_this<BlockRunner> {
 public:
  struct Events {
    /// Each output as it arrives: a chunk of a stream, a display, an error. May be null.
    std::function<void(const Output&)> on_output;
    /// The outputs of a block that has ended have changed. May be null.
    std::function<void()> on_late_output;
    /// A display of the running block, as it is kept; on_output tells it, too. May be null.
    std::function<void(const DisplayOutput&)> on_display;
    /// Displays of this or of an earlier block were replaced. May be null.
    std::function<void(const DisplayUpdate&)> on_update;
    /// The running block clears its outputs: at once, or when the next one comes. May be null.
    std::function<void(bool wait)> on_clear;
    /// Answer with answer_input(). Null: code is told that there is no input, and fails.
    std::function<void(const InputRequest&)> on_input;
  };
  using Done = std::function<void(RunResult)>;

  BlockRunner(Shard& shard, std::shared_ptr<Kernel> kernel, Events events);
  ~BlockRunner() override;

  /// Begins to run `code`; `done` is called from the loop, never during this call. One at a time:
  /// the caller waits for `done` before the next. A kernel that is starting runs it when it is
  /// ready.
  void run(std::string_view code, const BlockOptions& options, Done done);
  bool running() const { return current_ != nullptr; }
  /// Whether the kernel's process has ended since the last block; the verdict of the next tells it.
  bool state_lost() const { return !state_lost_.empty(); }

  /// Ends the running block: interrupts the kernel, and what else options.execution says. `done`
  /// follows with the verdict `cancelled`.
  void cancel();

  /// Gives up the running block as it is, without a word to the kernel, and returns what there is
  /// of its result, with what it has put out and nobody has read yet (up to a limit): for a caller
  /// that is about to end the kernel. `done` is not called.
  RunResult abandon();

  /// The user's answer to the last InputRequest; ignored when none waits.
  void answer_input(std::string_view text);

  /// Sends a request on shell that is no code, `kernel_info_request`, and hands over the JSON text
  /// of its reply's content; unavailable when the kernel ended without an answer, or
  /// something else was asked first.
  void ask(std::string_view request_type, std::string_view content,
           std::function<void(Result<std::string>)> done);
  /// Asks what the kernel speaks. `done` gets the JSON text of kernel_info_reply's language_info,
  /// or of null when the kernel ended without an answer.
  void ask_language_info(std::function<void(std::string)> done);

 private:
  // One block: what is known of it as long as anybody keeps its outputs.
  struct Record {
    std::string msg_id;
    std::weak_ptr<OutputCollector> collector;
  };
  struct Current;

  void on_messages() override;
  void on_writable() override {}
  void on_replaced() override {}
  void on_process_gone(std::string_view reason) override;
  void on_kernel_gone(std::string_view reason) override;

  void read_turn();
  bool read_one();
  void read_all();
  void receive(const MessagePtr& message);
  void receive_output(std::string_view type, std::string_view parent, ByteView content);
  void tell_displays(std::string_view type, bool of_running_block, ByteView content);
  void ask_user(const InputRequest& request);
  void receive_reply(std::string_view parent, ByteView content);
  void feed(const execution::Event& event);
  void restart_kernel();
  void finish(execution::Verdict verdict);
  void set_timer();
  Attachment::Submission send(Channel channel, std::string_view msg_type, const std::string& msg_id,
                              std::string_view content, ByteView parent_header);
  void end_questions();

  Shard& shard_;
  std::shared_ptr<Kernel> kernel_;
  Events events_;
  std::string session_;
  std::unique_ptr<Attachment> attachment_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer question_timer_;
  std::unique_ptr<Current> current_;
  std::vector<Record> earlier_;
  std::string input_parent_;  // header of the input_request that waits
  std::string asked_msg_id_;  // of the request of ask() that waits
  std::string asked_reply_;   // and the type of its reply
  std::function<void(Result<std::string>)> asked_done_;
  std::optional<std::string> kernel_gone_;  // the reason
  std::string state_lost_;                  // why a process ended while no block was running
  bool restarting_ = false;                 // because of a stuck block,
  std::function<void()> when_restarted_;    // whose result is told when that is over
  std::uint64_t missed_ = 0;
  std::size_t turn_bytes_ = 0;  // read in this turn, or owed by the next ones
  bool turn_posted_ = false;
};

}  // namespace perijove
