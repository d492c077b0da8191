#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/runner.hpp"
#include "provision/kernel_place.hpp"

namespace perijove {

/// Runs one program beside a kernel, as BlockRunner runs a block in it: the same limits,
/// interrupts and verdicts, the same kind of result. A program that does not yield to two
/// interrupts is killed, which costs nobody's state. Shard thread only; make it with make_shared.
/// Destroying it kills the program and calls nothing more.
class CommandRunner : public std::enable_shared_from_this<CommandRunner> {
 public:
  using Done = std::function<void(RunResult)>;

  CommandRunner(Shard& shard, std::function<void(const Output&)> on_output);

  /// Begins; `done` is called once, from the loop, never during this call. Once.
  void run(KernelPlace& place, PlacedCommand command, const ExecutionOptions& options, Done done);

  /// The program gets SIGINT; what it makes of it is the result.
  void interrupt();
  /// Ends it; `done` follows with the verdict `cancelled`.
  void cancel();
  /// Kills it and returns what there is of its result. `done` is not called.
  RunResult abandon();

 private:
  void take(bool is_error, std::string_view bytes, bool last = false);
  void ended(const Result<int>& code);
  void add_error(const std::string& name, const std::string& message);
  void feed(const execution::Event& event);
  void finish(execution::Verdict verdict);
  void set_timer();

  Shard& shard_;
  std::function<void(const Output&)> on_output_;
  boost::asio::steady_timer timer_;
  std::optional<Execution> execution_;
  std::shared_ptr<OutputCollector> collector_ = std::make_shared<OutputCollector>();
  std::unique_ptr<RunningCommand> command_;
  Done done_;
  TimePoint started_;
  std::array<std::string, 2> partial_;  // of a character, of standard output and error
};

}  // namespace perijove
