#include "executor/code_execution.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/limits.hpp"
#include "code/extraction.hpp"
#include "code/pip_install.hpp"
#include "code/result_json.hpp"
#include "engine/command_runner.hpp"
#include "executor/code_session.hpp"
#include "executor/request_environment.hpp"
#include "protocol/code_blocks.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

using nlohmann::json;

std::chrono::milliseconds in_milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration);
}

// For code of ours between the blocks.
BlockOptions silently() {
  BlockOptions options;
  options.execution.limit = std::chrono::seconds(10);
  options.silent = true;
  options.allow_input = false;
  return options;
}

std::size_t size_of(const Output& output) {
  if (const auto* stream = std::get_if<StreamOutput>(&output)) return stream->text.size();
  std::size_t size = 0;
  if (const auto* display = std::get_if<DisplayOutput>(&output)) {
    for (const auto& [type, data] : display->data) size += data.size();
  }
  return size;
}

// Whether IPython's exit() was called with keep_kernel: the program ends, its process does not.
bool keeps_kernel(std::string_view reply_text) {
  const auto reply = parse_json(reply_text);
  if (!reply || !reply->is_object()) return false;
  for (const json& each : reply->value("payload", json::array())) {
    if (!each.is_object() || !each.contains("keepkernel")) continue;
    const json& keep = each["keepkernel"];
    return !(keep.is_null() || keep == false || keep == 0);
  }
  return false;
}

// As nbformat has them; empty when they are too large to be kept.
std::string outputs_text(const std::vector<Output>& outputs) {
  std::size_t size = 0;
  for (const Output& output : outputs) size += size_of(output);
  if (size > limits::kHistoryEntryBytesMax) return {};
  json list = json::array();
  for (const Output& output : outputs) list.push_back(to_nbformat(output));
  return dump_json(list);
}

}  // namespace

CodeExecution::CodeExecution(CodeSession& session, std::string id, std::uint64_t number,
                             CodeRequest request)
    : session_(session),
      id_(std::move(id)),
      number_(number),
      request_(std::move(request)),
      queued_at_(session.shard().now()),
      started_at_(queued_at_),
      timer_(session.shard().loop()),
      text_timer_(session.shard().loop()),
      stdout_log_(session.directory(), ".perijove/" + id_ + ".stdout"),
      stderr_log_(session.directory(), ".perijove/" + id_ + ".stderr"),
      event_log_(std::make_shared<EventLog>(session.shard())) {
  result_.execution_id = id_;
  result_.session_id = session.id();
  const SessionPolicies& policies = session.options().policies;
  result_.statistics = {.profile = policies.profile,
                        .memory_limit_bytes = policies.limits.memory_bytes_max,
                        .cpu_limit = policies.limits.processors_max,
                        .timeout = {}};
  if (request_.timeout) result_.statistics.timeout = in_milliseconds(*request_.timeout);
}

CodeExecution::~CodeExecution() = default;

json CodeExecution::to_json() const {
  json answer = perijove::to_json(result_);
  if (state_ == State::queued) answer["status"] = "queued";
  if (state_ == State::running) answer["status"] = "running";
  if (admission_ && admission_->waits_for_approval()) answer["waits_for"] = "approval";
  return answer;
}

// ---- the queue ----

void CodeExecution::set_queue_position(std::size_t position) {
  emit("queued", {{"position", position}});
  if (!request_.queue_wait) return;
  timer_.expires_at(queued_at_ + *request_.queue_wait);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->state_ != State::queued) return;
    self->refuse_block(CodeStatus::rejected, "kernel_busy",
                       "it waited " + format_duration(*self->request_.queue_wait) +
                           " for the session to become free",
                       "wait longer (queue.max_wait_s), or cancel what runs");
    self->finish();
  });
}

void CodeExecution::start() {
  state_ = State::running;
  started_at_ = session_.shard().now();
  result_.queued = in_milliseconds(started_at_ - queued_at_);
  timer_.cancel();
  if (!use_cached()) admit();
}

void CodeExecution::set_request_timer() {
  if (!request_.total_timeout) return;
  timer_.expires_at(started_at_ + *request_.total_timeout);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->state_ != State::running) return;
    self->out_of_total_time_ = true;
    self->cancel();
  });
}

void CodeExecution::cancel() {
  if (done() || cancelled_) return;
  cancelled_ = true;
  if (state_ == State::queued) {
    refuse_block(CodeStatus::cancelled, "cancelled", "it was cancelled before it began");
    finish();
  } else if (command_) {
    command_->cancel();
  } else if (in_block_) {
    kernel_->runner->cancel();
  } else if (admission_ || restricted_run_) {
    admission_.reset();
    restricted_run_.reset();
    refuse_ended();
    finish();
  }
  // Otherwise its kernel is starting, or its environment is being set or put back: no block is
  // begun when that is over.
}

void CodeExecution::abandon(const std::string& reason) {
  if (done()) return;
  const auto self = shared_from_this();
  cancelled_ = true;
  begun_ = false;
  admission_.reset();
  restricted_run_.reset();
  if (command_) {
    const RunResult run = std::exchange(command_, nullptr)->abandon();
    in_block_ = false;
    take_result(run);
    block_ = request_.blocks.size();
  } else if (kernel_ != nullptr && kernel_->runner->running()) {
    const RunResult run = kernel_->runner->abandon();
    if (std::exchange(in_block_, false)) {
      take_result(run);
      block_ = request_.blocks.size();
    }
  }
  if (block_ < request_.blocks.size()) refuse_block(CodeStatus::cancelled, "cancelled", reason);
  result_.state_kept = false;
  result_.note = reason;
  finish();
}

bool CodeExecution::answer_input(std::string_view text) {
  if (!waits_for_input_ || kernel_ == nullptr) return false;
  waits_for_input_ = false;
  kernel_->runner->answer_input(text);
  return true;
}

// ---- one block after another ----

std::string CodeExecution::language_of_block() const {
  std::string language = canonical_language(request_.blocks[block_].language);
  return language.empty() ? session_.language_ : language;
}

void CodeExecution::next_block() {
  if (done()) return;
  if (block_ == request_.blocks.size()) {
    finish();
    return;
  }
  const CodeBlock& block = request_.blocks[block_];
  block_language_ = language_of_block();
  block_code_ = block.code;
  block_file_ = block.entry_point;
  block_command_.clear();
  block_argv_.clear();
  temporary_file_.clear();
  if (!block.entry_point.empty()) {
    const auto entry = block.files.find(block.entry_point);
    if (entry == block.files.end()) {
      refuse_block(CodeStatus::rejected, "invalid_argument",
                   "entry_point '" + block.entry_point + "' is not one of the block's files");
      finish();
      return;
    }
    block_code_ = entry->second;
  }
  if (!decided_by_policy()) run_in_kernel_of(block_language_);
}

void CodeExecution::run_in_kernel_of(const std::string& language) {
  session_.with_kernel(language, [weak = weak_from_this()](const Result<LanguageKernel*>& kernel) {
    const auto self = weak.lock();
    if (!self || self->done()) return;
    if (self->cancelled_) {
      self->refuse_ended();
      self->finish();
    } else if (!kernel) {
      const bool unknown = kernel.error().code == Code::not_found;
      self->refuse_block(unknown ? CodeStatus::rejected : CodeStatus::kernel_died,
                         unknown ? "language_not_supported" : "kernel_start_failed",
                         kernel.error().message);
      if (!self->try_again()) self->finish();
    } else {
      self->run_in(**kernel);
    }
  });
}

// The block that would be next, of an execution that was cancelled or is out of time.
void CodeExecution::refuse_ended() {
  refuse_block(out_of_total_time_ ? CodeStatus::timeout : CodeStatus::cancelled,
               out_of_total_time_ ? "timeout" : "cancelled",
               "it was ended before this block began");
}

Result<void> CodeExecution::write_files() {
  const CodeBlock& block = request_.blocks[block_];
  for (const auto& [path, contents] : block.files) {
    if (const auto written = session_.directory().write(path, contents); !written) {
      return written.error();
    }
  }
  const auto directive = requested_file_name(block_code_);
  if (!directive) return directive.error();
  if (block.entry_point.empty() && *directive) {
    block_file_ = **directive;
    const auto written = session_.directory().write(block_file_, block_code_);
    if (!written) return written.error();
  }
  return {};
}

void CodeExecution::run_in(LanguageKernel& kernel) {
  kernel_ = &kernel;
  const bool own_code = block_command_.empty() && block_argv_.empty();
  if (own_code) block_language_ = kernel.language;
  const auto refuse = [this](std::string type, std::string message, std::string hint = {}) {
    refuse_block(CodeStatus::rejected, std::move(type), std::move(message), std::move(hint));
    finish();
  };
  if (kernel.runner->running() || kernel.stuck()) {
    refuse("kernel_busy",
           "code of an earlier request still runs in the " + kernel.language + " kernel",
           "interrupt or restart the session");
    return;
  }
  const auto written = own_code ? write_files() : Result<void>();
  if (!written) {
    refuse_unwritten(written.error());
    return;
  }
  std::string environment;
  if (!request_.env.empty() && block_argv_.empty()) {
    auto code = environment_code(request_.env, kernel.language, EnvironmentStep::set);
    if (!code) {
      refuse("invalid_argument", code.error().message);
      return;
    }
    environment = *std::move(code);
  }
  emit("started", {{"block", block_}, {"language", block_language_}});
  if (!block_argv_.empty()) {
    bring_files([this] { run_command(); });
    return;
  }
  if (environment.empty()) {
    bring_files([this] { run_block(); });
    return;
  }
  kernel.runner->run(environment, silently(), [weak = weak_from_this()](const RunResult& run) {
    const auto self = weak.lock();
    if (!self || self->done()) return;
    self->kernel_->note_loss(run.verdict);
    self->bring_files([self = self.get()] { self->run_block(); });
  });
}

void CodeExecution::run_block() {
  if (cancelled_) {
    refuse_ended();
    after_block();
    return;
  }
  if (request_.capture_files) before_ = take_snapshot(session_.directory());
  BlockOptions options;
  options.execution.limit = request_.timeout;
  options.execution.quiet_limit = request_.quiet_timeout;
  options.execution.grace = request_.grace;
  options.execution.if_stuck = request_.hard_limit == HardLimit::kill_restart
                                   ? execution::IfStuck::restart
                                   : execution::IfStuck::leave;
  options.silent = request_.silent;
  options.store_history = request_.store_history;
  options.allow_input = request_.interactive;
  in_block_ = true;
  displays_.clear();
  display_files_.clear();
  updated_files_.clear();
  clear_is_due_ = false;
  std::string code = block_command_;
  if (code.empty()) {
    code = request_.output.silence_pip ? silence_pip(block_code_, block_language_) : block_code_;
  }
  kernel_->runner->run(code, options, [weak = weak_from_this()](const RunResult& run) {
    const auto self = weak.lock();
    if (!self || self->done()) return;
    self->in_block_ = false;
    self->fetch_files([self = self.get(), run] { self->block_done(run); });
  });
}

void CodeExecution::block_done(const RunResult& run) {
  kernel_->note_loss(run.verdict);
  kernel_->runs_on = run.verdict.stuck;
  take_loss();
  take_result(run);
  // A kernel that was told to exit is about to end: nothing more may be sent to it.
  const bool exits = run.asked_exit && !run.verdict.state_lost && !keeps_kernel(run.reply);
  if (exits || (run.verdict.stuck && request_.hard_limit == HardLimit::kill)) {
    if (exits) result_.note = "the code ended its kernel; variables are gone";
    result_.state_kept = false;
    result_.kernel = to_string(ExecutionState::dead);
    result_.generation = kernel_->generation;
    if (!exits) lost_.insert(kernel_->language);
    session_.drop_kernel(*std::exchange(kernel_, nullptr));
  }
  if (run.asked_exit) block_ = request_.blocks.size();
  after_block();
}

// That variables are gone is told once, by the first result after their loss.
void CodeExecution::take_loss() {
  if (!std::exchange(kernel_->loss_is_untold, false)) return;
  lost_.insert(kernel_->language);
  result_.state_kept = false;
  result_.restarted = true;
}

// Puts the environment back and goes on.
void CodeExecution::after_block() {
  if (try_again()) return;
  const bool failed = result_.status != CodeStatus::ok;
  if (cancelled_ || (failed && request_.stop_on_error)) block_ = request_.blocks.size();
  if (kernel_ != nullptr && !request_.env.empty() && !kernel_->runs_on) {
    const auto code = environment_code(request_.env, kernel_->language, EnvironmentStep::restore);
    if (code) {
      kernel_->runner->run(*code, silently(), [weak = weak_from_this()](const RunResult& run) {
        const auto self = weak.lock();
        if (!self || self->done()) return;
        self->kernel_->note_loss(run.verdict);
        self->next_block();
      });
      return;
    }
  }
  next_block();
}

// What the block gave becomes part of the result.
void CodeExecution::take_result(const RunResult& run) {
  if (request_.on_block) request_.on_block(run);
  emit_text();
  emit_updates();
  waits_for_input_ = false;
  WorkDirSnapshot after;
  if (request_.capture_files) after = take_snapshot(session_.directory());
  const auto exit = kernel_->kernel->last_exit();
  BlockContext context = block_context();
  context.code = block_command_.empty() ? block_code_ : block_command_;
  context.was_interrupted = interrupted_;
  context.ran_out_of_total_time = out_of_total_time_;
  context.out_of_memory = exit ? exit->out_of_memory : std::nullopt;
  context.reported = &displays_;
  BlockReport report = report_block(run, context);
  if (!temporary_file_.empty()) {
    (void)session_.directory().remove(temporary_file_);
    after.files.erase(std::exchange(temporary_file_, {}));
    block_file_.clear();
  }
  report.result.code_file = block_file_;
  // What is ours is not what the code has written.
  for (const std::string& path : display_files_) after.files.erase(path);
  for (const std::string& path : updated_files_) after.files.erase(path);
  remove_stale_files(report.files);
  session_.displays_.keep(report.updatable, context);
  displays_.clear();
  for (const OutputFile& file : report.files) result_.output_files.push_back(file);
  if (request_.capture_files) {
    if (!before_.complete || !after.complete) {
      report.warnings.push_back("the work directory has more than " +
                                std::to_string(kSnapshotFilesMax) +
                                " files: those that the code wrote are not told");
    }
    for (OutputFile& file : find_changes(session_.directory(), before_, after, block_)) {
      emit("file", perijove::to_json(file));
      result_.output_files.push_back(std::move(file));
    }
  }
  for (std::string& warning : report.warnings) {
    emit("warning", {{"message", warning}});
    result_.warnings.push_back(std::move(warning));
  }
  if (!run.verdict.note.empty()) result_.note = run.verdict.note;
  if (out_of_total_time_) {
    result_.note = "all blocks together ran over their time limit of " +
                   format_duration(*request_.total_timeout) +
                   (result_.state_kept ? "; variables are kept" : "; variables are lost");
  }
  if (request_.store_history && !request_.silent) {
    session_.remember({.execution_id = id_,
                       .language = block_language_,
                       .code = block_code_,
                       .status = std::string(to_string(report.result.status)),
                       .exit_code = report.result.exit_code,
                       .execution_count = report.result.execution_count,
                       .outputs = outputs_text(run.collected->outputs())});
  }
  end_block(std::move(report.result));
}

void CodeExecution::refuse_block(CodeStatus status, std::string type, std::string message,
                                 std::string hint) {
  if (block_language_.empty() && block_ < request_.blocks.size()) {
    block_language_ = language_of_block();
  }
  end_block(refused_block(block_, block_language_, status, std::move(type), std::move(message),
                          std::move(hint)));
}

void CodeExecution::end_block(BlockResult result) {
  if (result.error) {
    emit("error", {{"block", block_}, {"error", perijove::to_json(*result.error)}});
  }
  emit("block_done", {{"block", block_},
                      {"status", to_string(result.status)},
                      {"exit_code", result.exit_code},
                      {"duration_ms", result.duration.count()}});
  if (result.status != CodeStatus::ok && result_.status == CodeStatus::ok) {
    result_.status = result.status;
    result_.exit_code = result.exit_code;
    result_.error = result.error;
  }
  result_.blocks.push_back(std::move(result));
  ++block_;
}

void CodeExecution::finish() {
  if (done()) return;
  const auto self = shared_from_this();
  emit_text();
  timer_.cancel();
  text_timer_.cancel();
  result_.duration = in_milliseconds(session_.shard().now() - started_at_);
  if (kernel_ != nullptr) kernel_language_ = std::exchange(kernel_, nullptr)->language;
  if (std::exchange(begun_, false)) {
    after_blocks();
  } else {
    conclude();
  }
}

void CodeExecution::conclude() {
  if (done()) return;
  const auto self = shared_from_this();
  if (const auto kernel = session_.kernels_.find(kernel_language_);
      kernel != session_.kernels_.end()) {
    result_.kernel = to_string(kernel->second->kernel->summary().execution_state);
    result_.generation = kernel->second->generation;
  }
  fit_result(result_, request_.output);
  keep_for_cache();
  state_ = State::done;
  emit("done", {{"result", perijove::to_json(result_)}});
  event_log_->close();
  session_.execution_done(self);
}

}  // namespace perijove
