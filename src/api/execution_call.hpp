#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "api/executor_thread.hpp"
#include "perijove/executor.hpp"

namespace perijove {

/// One call of Executor::execute(): its caller waits here, and gets what the shard's thread puts
/// here. Output that waits for the caller is bounded; the rest waits in the execution itself.
class ExecutionCall : public std::enable_shared_from_this<ExecutionCall> {
 public:
  struct Callbacks {
    OutputCallback on_output;
    InputCallback on_input;
  };

  ExecutionCall(std::shared_ptr<ExecutorThread> thread, Callbacks callbacks);

  /// Runs the request and calls the callbacks until it has ended. Once.
  Result<CodeResult> run(CodeRequest request, const std::stop_token& stop);
  /// From any thread; nothing after its end.
  void cancel();
  /// The executor's thread takes no work any more.
  void thread_ended();

 private:
  // What the caller is to be told.
  struct Step {
    enum class Kind { output, input } kind = Kind::output;
    OutputText::Stream stream = OutputText::Stream::standard_output;
    std::string text;  // or the prompt
    std::size_t block = 0;
    bool after_gap = false;
    bool password = false;
  };

  Result<CodeResult> follow_steps();
  void tell(const Step& step);

  // On the shard's thread.
  void begin(CodeSession& session, CodeRequest request);
  void leave();
  void pump();
  void add_step(Step step);
  void finish(Result<CodeResult> outcome);
  bool has_room();

  const std::shared_ptr<ExecutorThread> thread_;
  const Callbacks callbacks_;

  // The shard's thread only. An execution must also be let go of there.
  std::shared_ptr<CodeExecution> execution_;
  std::shared_ptr<void> listening_;
  std::uint64_t next_event_ = 1;
  bool gap_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Step> steps_;  // as the rest: guarded by mutex_
  std::size_t steps_bytes_ = 0;
  bool full_ = false;                          // what follows is fetched when steps_ is empty
  std::optional<Result<CodeResult>> outcome_;  // set once, after the last step
};

}  // namespace perijove
