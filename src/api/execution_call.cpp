#include "api/execution_call.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/scope.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

// Output that is taken out of an execution ahead of the caller.
constexpr std::size_t kAheadBytesMax = 256 * 1024;
constexpr std::size_t kEventsPerLook = 8;

}  // namespace

ExecutionCall::ExecutionCall(std::shared_ptr<ExecutorThread> thread, Callbacks callbacks)
    : thread_(std::move(thread)), callbacks_(std::move(callbacks)) {}

Result<CodeResult> ExecutionCall::run(CodeRequest request, const std::stop_token& stop) {
  const auto self = shared_from_this();
  const bool posted =
      thread_->follow(self) &&
      thread_->post([self, request = std::move(request)](CodeSession& session) mutable {
        self->begin(session, std::move(request));
      });
  if (!posted) return executor_ended();
  const std::stop_callback on_stop(stop, [this] { cancel(); });
  const ScopeExit on_throw([&] {  // out of a callback; otherwise there is nothing left to leave
    thread_->post([self](CodeSession&) { self->leave(); });
  });
  return follow_steps();
}

Result<CodeResult> ExecutionCall::follow_steps() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return outcome_ || !steps_.empty(); });
    if (steps_.empty()) return *std::move(outcome_);
    const Step step = std::move(steps_.front());
    steps_.pop_front();
    steps_bytes_ -= step.text.size();
    const bool fetch = steps_.empty() && std::exchange(full_, false);
    lock.unlock();
    if (fetch) thread_->post([self = shared_from_this()](CodeSession&) { self->pump(); });
    tell(step);
    lock.lock();
  }
}

void ExecutionCall::tell(const Step& step) {
  if (step.kind == Step::Kind::output) {
    callbacks_.on_output({.stream = step.stream,
                          .text = step.text,
                          .block = step.block,
                          .after_gap = step.after_gap});
    return;
  }
  std::string answer = callbacks_.on_input({.prompt = step.text, .password = step.password});
  thread_->post([self = shared_from_this(), answer = std::move(answer)](CodeSession&) {
    if (self->execution_) self->execution_->answer_input(answer);
  });
}

void ExecutionCall::cancel() {
  thread_->post([self = shared_from_this()](CodeSession&) {
    if (self->execution_) self->execution_->cancel();
  });
}

void ExecutionCall::thread_ended() { finish(executor_ended()); }

void ExecutionCall::begin(CodeSession& session, CodeRequest request) {
  const auto execution = session.execute(std::move(request));
  if (!execution) {
    finish(execution.error());
    return;
  }
  execution_ = *execution;  // a share: it may be forgotten before a slow caller has seen its end
  listening_ = (*execution)->listen([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->pump();
  });
  pump();
}

void ExecutionCall::leave() {
  listening_.reset();
  if (const auto execution = std::move(execution_)) execution->cancel();
}

void ExecutionCall::pump() {
  const auto execution = execution_;
  if (!execution) return;
  const bool follows = callbacks_.on_output || callbacks_.on_input;
  while (follows) {
    if (!has_room()) return;
    const auto found = execution->events(next_event_, kEventsPerLook);
    if (found.missed > 0) {
      gap_ = true;
      next_event_ += found.missed;
    }
    if (found.events.empty()) break;
    for (const ExecutionEvent* const event : found.events) {
      next_event_ = event->seq + 1;
      const bool prints = event->type == "stdout" || event->type == "stderr";
      const bool asks = event->type == "input_request";
      if (!(prints && callbacks_.on_output) && !(asks && callbacks_.on_input)) continue;
      const auto data = parse_json(event->json);
      if (!data) continue;
      Step step;
      step.kind = prints ? Step::Kind::output : Step::Kind::input;
      if (event->type == "stderr") step.stream = OutputText::Stream::standard_error;
      step.text = json_text(*data, prints ? "text" : "prompt");
      step.block = data->value("block", std::size_t{0});
      step.password = data->value("password", false);
      step.after_gap = prints && std::exchange(gap_, false);
      add_step(std::move(step));
    }
  }
  if (execution->done()) finish(execution->result());
}

void ExecutionCall::add_step(Step step) {
  const std::lock_guard lock(mutex_);
  steps_bytes_ += step.text.size();
  steps_.push_back(std::move(step));
  changed_.notify_one();
}

bool ExecutionCall::has_room() {
  const std::lock_guard lock(mutex_);
  full_ = steps_bytes_ >= kAheadBytesMax;
  return !full_;
}

void ExecutionCall::finish(Result<CodeResult> outcome) {
  listening_.reset();
  execution_.reset();
  const std::lock_guard lock(mutex_);
  if (outcome_) return;
  outcome_ = std::move(outcome);
  changed_.notify_one();
}

}  // namespace perijove
