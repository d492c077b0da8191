#include "app/job.hpp"

#include <signal.h>

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "app/signals.hpp"
#include "app/standard_input.hpp"
#include "code/code_error.hpp"

namespace perijove {
namespace {

using execution::Outcome;

constexpr auto kTick = std::chrono::milliseconds(200);
// Nobody comes back to this kernel, so it gets less time to say good-bye than one of a gateway.
constexpr auto kShutdownWait = std::chrono::seconds(3);

}  // namespace

int JobOutcome::exit_code() const {
  if (signal) return 128 + *signal;
  if (error) return perijove::exit_code(error->code);
  if (!failure) return 0;
  if (failure->verdict.outcome == Outcome::timed_out) {
    return perijove::exit_code(Code::deadline_exceeded);
  }
  const auto raised = failure->error();
  return raised ? system_exit_code(*raised).value_or(1) : 1;
}

// Everything of one run; lives as long as the loop runs.
class Job::Run {
 public:
  Run(Job& job, std::vector<std::string> blocks, JobObserver& observer)
      : job_(job),
        shard_(job.runtime_->shard()),
        blocks_(std::move(blocks)),
        observer_(observer),
        signals_(shard_.loop(), SIGTERM),
        tick_(shard_.loop()) {
    add_unless_ignored(signals_, SIGINT);
    add_unless_ignored(signals_, SIGHUP);
    if (job.options_.allow_input) input_.emplace(shard_);
  }

  JobOutcome run() {
    wait_signal();
    start();
    shard_.run();
    if (runner_ && runner_->running()) {
      // Ended at once: what the block has put out so far is kept all the same.
      observer_.on_block_done(outcome_.blocks_run++, runner_->abandon());
    }
    runner_.reset();
    return std::move(outcome_);
  }

 private:
  void start() {
    StartKernel request;
    request.name = job_.spec_.name;
    request.env = job_.options_.env;
    if (job_.options_.isolation != kAutoIsolation) {
      request.isolation.kind = job_.options_.isolation;
    }
    const auto kernel = job_.runtime_->registry().start(request, [this](const Result<void>& ready) {
      if (!ready) {
        if (!outcome_.signal) outcome_.error = ready.error();
        end();
      } else {
        ask_language();
      }
    });
    if (!kernel) {
      outcome_.error = kernel.error();
      boost::asio::post(shard_.loop(), [this] { end(); });
      return;
    }
    kernel_ = *kernel;
    BlockRunner::Events events;
    events.on_output = [this](const Output& output) {
      if (ending_) return;
      observer_.on_output(output);
      if (observer_.wants_end()) interrupted(SIGPIPE);
    };
    events.on_late_output = [this] { observer_.on_late_output(); };
    if (input_) events.on_input = [this](const InputRequest& asked) { ask_user(asked); };
    runner_ = std::make_shared<BlockRunner>(shard_, kernel_, std::move(events));
  }

  void ask_language() {
    runner_->ask_language_info([this](const std::string& language_info) {
      if (ending_) return;
      observer_.on_started(language_info);
      next();
      tick();
    });
  }

  void next() {
    if (ending_) return;
    if (observer_.wants_end()) {
      interrupted(SIGPIPE);
      return;
    }
    if (outcome_.blocks_run == blocks_.size() || outcome_.signal) {
      end();
      return;
    }
    const std::size_t index = outcome_.blocks_run;
    observer_.on_block(index);
    block_started_ = shard_.now();
    BlockOptions options;
    options.execution.limit = job_.options_.timeout;
    options.execution.if_stuck =
        job_.options_.allow_errors ? execution::IfStuck::restart : execution::IfStuck::leave;
    runner_->run(blocks_[index], options, [this](RunResult result) { block_done(result); });
  }

  void block_done(const RunResult& result) {
    const std::size_t index = outcome_.blocks_run++;
    if (input_) input_->cancel();
    observer_.on_block_done(index, result);
    bool go_on = result.ok() && !result.asked_exit;
    if (!result.ok()) {
      const auto raised = result.error();
      const bool exits = raised && system_exit_code(*raised);
      go_on = job_.options_.allow_errors && !exits && !result.verdict.state_lost;
      if (!go_on) outcome_.failure = result;
    }
    if (go_on) {
      next();
    } else {
      end();
    }
  }

  void ask_user(const InputRequest& request) {
    input_->read_line(request.password, [this, request](const std::string& line) {
      observer_.on_answer(request);
      if (runner_) runner_->answer_input(line);
    });
    // Only now: whoever sees the prompt may begin to type a password that must not be shown.
    observer_.on_prompt(request);
  }

  void wait_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int number) {
      if (error) return;
      interrupted(number);
      wait_signal();
    });
  }

  void interrupted(int number) {
    if (outcome_.signal) {
      if (number != SIGPIPE) shard_.stop();  // asked twice: what runs is killed with its owner
      return;
    }
    outcome_.signal = number;
    if (ending_) return;
    if (runner_ && runner_->running()) {
      runner_->cancel();
    } else {
      end();
    }
  }

  void end() {
    if (std::exchange(ending_, true)) return;
    tick_.cancel();
    job_.runtime_->registry().drain();
    if (!kernel_) {
      shard_.stop();
      return;
    }
    // A kernel that is stuck in its code would not listen to a polite request.
    const bool stuck = kernel_->summary().execution_state == ExecutionState::busy;
    kernel_->stop([this](const Result<void>&) { shard_.stop(); }, stuck);
  }

  void tick() {
    tick_.expires_after(kTick);
    tick_.async_wait([this](const boost::system::error_code& error) {
      if (error || ending_) return;
      if (runner_->running()) {
        observer_.on_tick(outcome_.blocks_run, shard_.now() - block_started_);
      }
      tick();
    });
  }

  Job& job_;
  Shard& shard_;
  std::vector<std::string> blocks_;
  JobObserver& observer_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer tick_;
  std::optional<StandardInput> input_;
  std::shared_ptr<Kernel> kernel_;
  std::shared_ptr<BlockRunner> runner_;
  JobOutcome outcome_;
  TimePoint block_started_;
  bool ending_ = false;
};

Result<std::unique_ptr<Job>> Job::create(JobOptions options) {
  ::signal(SIGPIPE, SIG_IGN);  // a reader that goes ends the job in order, see wants_end()
  GatewayOptions gateway;
  gateway.runtime_base = options.runtime_base;
  gateway.registry.work_root = options.cwd;
  gateway.registry.inherited_env = options.inherit_env;
  gateway.registry.client_env = {"*"};  // whoever starts a job may set what they like for it
  gateway.registry.gateway_env = own_environment();
  gateway.registry.kernel.lifecycle.start_timeout = options.start_timeout;
  gateway.registry.kernel.lifecycle.shutdown_wait = kShutdownWait;
  gateway.registry.kernel.lifecycle.auto_restart = lifecycle::AutoRestart::never;
  if (options.isolation == kAutoIsolation) gateway.isolation.default_kind = kAutoIsolation;
  auto runtime = GatewayRuntime::create(std::move(gateway));
  if (!runtime) return runtime.error();

  const auto catalogue = (*runtime)->kernelspecs().current();
  const std::string name = options.kernel.empty() ? catalogue->default_name() : options.kernel;
  if (name.empty()) {
    return Error{Code::not_found,
                 "no kernelspec is installed; `perijove kernelspec list` says where was searched"};
  }
  const auto entry = catalogue->find(name);
  if (!entry) return entry.error();
  return std::unique_ptr<Job>(new Job(std::move(options), *std::move(runtime), (*entry)->spec));
}

Job::Job(JobOptions options, std::unique_ptr<GatewayRuntime> runtime, Kernelspec spec)
    : options_(std::move(options)), runtime_(std::move(runtime)), spec_(std::move(spec)) {}

Job::~Job() = default;

JobOutcome Job::run(std::vector<std::string> blocks, JobObserver& observer) {
  Run run(*this, std::move(blocks), observer);
  return run.run();
}

}  // namespace perijove
