#include "executor/notebook_job.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "code/result_json.hpp"
#include "protocol/code_blocks.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

using nlohmann::json;

std::string_view to_string(NotebookJob::State state) {
  switch (state) {
    case NotebookJob::State::running:
      return "running";
    case NotebookJob::State::succeeded:
      return "succeeded";
    case NotebookJob::State::failed:
      return "failed";
    case NotebookJob::State::cancelled:
      return "cancelled";
  }
  return "";
}

std::size_t size_of(const std::vector<Output>& outputs) {
  std::size_t size = 0;
  for (const Output& output : outputs) {
    if (const auto* stream = std::get_if<StreamOutput>(&output)) size += stream->text.size();
    if (const auto* display = std::get_if<DisplayOutput>(&output)) {
      for (const auto& [type, data] : display->data) size += data.size();
    }
  }
  return size;
}

// A cell of another language says so as IPython's cell magics do.
std::string cell_source(const JobStep& step, const NotebookKernel& kernel) {
  const std::string language = canonical_language(step.language);
  if (language.empty() || language == kernel.language) return step.code;
  return "%%" + language + "\n" + step.code;
}

json time_or_null(const std::optional<WallTime>& time) {
  return time ? json(format_utc(*time)) : json();
}

}  // namespace

struct NotebookJob::Step {
  enum class State { pending, running, done };

  JobStep what;
  std::size_t cell = 0;
  State state = State::pending;
  CodeResult result;
  std::shared_ptr<const OutputCollector> collected;  // still grows while it is shared
  std::vector<Output> outputs;  // as they were saved, when they are not collected any more
  bool asked_exit = false;

  bool succeeded() const { return state == State::done && result.status == CodeStatus::ok; }
  std::string_view status() const {
    if (state == State::pending) return "pending";
    return state == State::running ? "running" : perijove::to_string(result.status);
  }
  // The results of a step are those of its only block, if it came to that.
  const BlockResult* block() const { return result.blocks.empty() ? nullptr : &result.blocks[0]; }
  std::optional<std::int64_t> execution_count() const {
    return block() == nullptr ? std::nullopt : block()->execution_count;
  }
  json to_json(std::size_t index) const;
};

json NotebookJob::Step::to_json(std::size_t index) const {
  json shown = {{"index", index},
                {"name", what.name},
                {"language", what.language},
                {"cell", cell},
                {"status", status()}};
  if (state != State::done) return shown;
  json files = json::array();
  for (const OutputFile& file : result.output_files) files.push_back(perijove::to_json(file));
  shown.update({{"exit_code", result.exit_code},
                {"execution_id", result.execution_id},
                {"execution_count", execution_count() ? json(*execution_count()) : json()},
                {"duration_ms", result.duration.count()},
                {"output", result.output},
                {"error", result.error ? perijove::to_json(*result.error) : json()},
                {"output_files", files}});
  return shown;
}

Result<std::shared_ptr<NotebookJob>> NotebookJob::create(std::shared_ptr<CodeSession> session,
                                                         NotebookKernel kernel, JobWork work,
                                                         NotebookJobOptions options) {
  std::shared_ptr<NotebookJob> job(
      new NotebookJob(std::move(session), std::move(kernel), std::move(options)));
  if (auto taken = job->take(std::move(work)); !taken) return taken.error();
  if (auto saved = job->save(); !saved) return saved.error();
  return job;
}

NotebookJob::NotebookJob(std::shared_ptr<CodeSession> session, NotebookKernel kernel,
                         NotebookJobOptions options)
    : id_("j_" + make_uuid()),
      session_(std::move(session)),
      kernel_(std::move(kernel)),
      options_(std::move(options)),
      log_(std::make_shared<EventLog>(session_->shard())),
      created_(std::chrono::system_clock::now()) {
  if (options_.output_path.empty()) options_.output_path = "jobs/" + id_ + ".ipynb";
}

NotebookJob::~NotebookJob() = default;

bool NotebookJob::steps_remain() const { return current_ < steps_.size(); }

// ---- what is to be run ----

Result<void> NotebookJob::take(JobWork work) {
  Notebook notebook;
  std::map<std::string, JobStep> by_cell;
  if (work.notebook) {
    notebook = *std::move(work.notebook);
    notebook.clear_results();
  } else {
    for (JobStep& step : work.steps) {
      const std::string source = cell_source(step, kernel_);
      const std::string id = "step-" + std::to_string(by_cell.size());
      notebook.insert_cell(notebook.size(), CellType::code, source, {}, id);
      by_cell.emplace(id, std::move(step));
    }
    notebook.set_language_info({{"name", kernel_.language}});
  }
  if (auto set = inject_parameters(notebook, options_.parameters, kernel_.language); !set) {
    return set;
  }
  notebook.set_kernelspec(kernel_.name, kernel_.display_name, kernel_.language);

  std::vector<Step> steps;
  for (std::size_t i = 0; i < notebook.size(); ++i) {
    const Cell cell = notebook.cell(i);
    if (cell.type != CellType::code || trim(cell.source).empty()) continue;
    Step step;
    const auto known = by_cell.find(cell.id);
    step.what = known == by_cell.end() ? JobStep{cell.id, "", cell.source} : known->second;
    if (step.what.name.empty()) step.what.name = cell.id;
    step.what.language = canonical_language(step.what.language);
    if (step.what.language.empty()) step.what.language = kernel_.language;
    step.cell = i;
    steps.push_back(std::move(step));
  }
  if (steps.empty()) return Error{Code::invalid_argument, "there is no code to be run"};
  if (steps.size() > limits::kJobStepsMax) {
    return Error{Code::invalid_argument,
                 "a job has " + std::to_string(limits::kJobStepsMax) + " steps at most"};
  }
  notebook_ = std::move(notebook);
  steps_ = std::move(steps);
  return {};
}

Result<std::size_t> NotebookJob::find_step(const std::string& name) const {
  if (name.empty()) {
    const auto first = std::find_if(steps_.begin(), steps_.end(),
                                    [](const Step& step) { return !step.succeeded(); });
    if (first != steps_.end()) return static_cast<std::size_t>(first - steps_.begin());
    return Error{Code::failed_precondition,
                 "every step has succeeded; from_step says which to run again"};
  }
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].what.name == name || std::to_string(i) == name) return i;
  }
  return Error{Code::invalid_argument, "from_step: there is no step '" + name + "' in 0 to " +
                                           std::to_string(steps_.size() - 1)};
}

Result<void> NotebookJob::resume(const std::string& from, std::optional<JobWork> changed) {
  if (running_) return Error{Code::aborted, "the job runs"};
  if (session_->ended()) {
    return Error{Code::aborted, "the job's session has ended, and its state with it"};
  }
  const std::vector<Step> before = steps_;
  const Notebook notebook_before = notebook_;
  // Which step failed is known before the change only.
  auto start = from.empty() ? find_step(from) : Result<std::size_t>(0);
  if (!start && !changed) return start.error();
  if (!start) start = before.size();  // all have succeeded; the change may have further ones
  if (changed) {
    if (auto taken = take(*std::move(changed)); !taken) return taken;
  }
  if (!from.empty()) start = find_step(from);
  if (start && *start >= steps_.size()) {
    start = Error{Code::failed_precondition, "there is no step " + std::to_string(*start) +
                                                 " to go on with; from_step says which"};
  }
  if (!start) {
    steps_ = before;
    notebook_ = notebook_before;
    return start.error();
  }
  current_ = *start;
  outputs_bytes_ = 0;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (i >= current_) {
      const JobStep what = steps_[i].what;
      const std::size_t cell = steps_[i].cell;
      steps_[i] = Step();
      steps_[i].what = what;
      steps_[i].cell = cell;
      notebook_.set_result(cell, std::nullopt, {});
    } else if (i < before.size() && before[i].state == Step::State::done) {
      const std::size_t cell = steps_[i].cell;
      const JobStep what = steps_[i].what;
      steps_[i] = before[i];
      steps_[i].what = what;
      steps_[i].cell = cell;
      show(steps_[i]);
    }
  }
  running_ = true;
  cancelled_ = false;
  state_ = State::running;
  error_.reset();
  ended_.reset();
  ++runs_;
  log_->add("job_started",
            {{"job_id", id_}, {"run", runs_}, {"from_step", current_}, {"steps", steps_.size()}});
  next();
  return {};
}

void NotebookJob::cancel() {
  if (!running_) return;
  cancelled_ = true;
  if (execution_) execution_->cancel();
}

// ---- one step after another ----

void NotebookJob::next() {
  if (cancelled_) {
    end(State::cancelled);
  } else if (!steps_remain()) {
    end(State::succeeded);
  } else {
    begin_step();
  }
}

void NotebookJob::begin_step() {
  Step& step = steps_[current_];
  step.state = Step::State::running;
  CodeRequest request = options_.each;
  request.blocks = {{.language = step.what.language, .code = step.what.code}};
  request.cancel_on_disconnect = false;  // nobody waits for it
  const auto weak = weak_from_this();
  request.on_block = [weak](const RunResult& run) {
    const auto self = weak.lock();
    if (!self) return;
    self->steps_[self->current_].collected = run.collected;
    self->steps_[self->current_].asked_exit = run.asked_exit;
  };
  auto execution = session_->execute(std::move(request));
  if (!execution) {
    step.state = Step::State::pending;
    const bool ended = execution.error().code == Code::failed_precondition;
    fail(ended ? "session_expired" : std::string(perijove::to_string(execution.error().code)),
         execution.error().message);
    return;
  }
  log_->add("step_started", {{"step", current_},
                             {"name", step.what.name},
                             {"language", step.what.language},
                             {"execution_id", (*execution)->id()}});
  execution_ = *std::move(execution);
  next_event_ = 1;
  listening_ = execution_->listen([weak] {
    if (const auto self = weak.lock()) self->on_events();
  });
}

void NotebookJob::on_events() {
  constexpr std::size_t kEventsPerTurn = 1000;
  while (true) {
    const auto found = execution_->events(next_event_, kEventsPerTurn);
    if (found.events.empty()) break;
    for (const ExecutionEvent* event : found.events) {
      next_event_ = event->seq + 1;
      // The beginning and the end are told in the job's own words.
      if (event->type == "started" || event->type == "block_done" || event->type == "done") {
        continue;
      }
      auto data = parse_json(event->json);
      if (!data) continue;
      data->erase("block");
      (*data)["step"] = current_;
      log_->add(event->type, *std::move(data));
    }
  }
  if (execution_->done()) step_done();
}

void NotebookJob::step_done() {
  const auto execution = std::exchange(execution_, nullptr);
  const auto last = std::exchange(listening_, nullptr);  // lives to the end of this call
  const std::size_t index = current_;
  Step& step = steps_[index];
  step.state = Step::State::done;
  step.result = execution->result();
  if (!step.collected && step.block() != nullptr) {
    // It ran without a kernel, or not at all.
    for (const auto& [name, text] : {std::pair("stdout", step.block()->stdout_text),
                                     std::pair("stderr", step.block()->stderr_text)}) {
      if (!text.empty()) step.outputs.emplace_back(StreamOutput{name, text});
    }
  }
  state_kept_ = step.result.state_kept;
  show(step);
  const auto saved = save();
  json told = step.to_json(index);
  told["step"] = index;
  told.erase("index");
  log_->add("step_done", std::move(told));
  if (!saved) {
    fail("notebook_not_saved", saved.error().message);
    return;
  }
  const bool ok = step.succeeded();
  if (ok) ++current_;
  if (cancelled_ && !ok) {
    end(State::cancelled);
  } else if (!ok && (!options_.allow_errors || !state_kept_ || step.asked_exit)) {
    error_ = step.result.error;
    if (!error_) {
      error_ = CodeError{.type = std::string(perijove::to_string(step.result.status)),
                         .message = step.result.note};
    }
    end(State::failed);
  } else if (ok && step.asked_exit) {
    end(State::succeeded);
  } else {
    current_ = index + 1;
    next();
  }
}

// Puts what a step gave into the notebook.
void NotebookJob::show(Step& step) {
  std::vector<Output> outputs = step.collected ? step.collected->outputs() : step.outputs;
  const bool raised = std::any_of(outputs.begin(), outputs.end(), [](const Output& output) {
    return std::holds_alternative<ErrorOutput>(output);
  });
  if (!step.succeeded() && !raised) {
    // What ended it without an exception of the code, such as its kernel's death.
    const auto& error = step.result.error;
    outputs.push_back(
        ErrorOutput{error ? error->type : std::string(step.status()),
                    error ? error->message : step.result.note,
                    {step.result.note.empty() && error ? error->message : step.result.note}});
  }
  const std::size_t size = size_of(outputs);
  if (outputs_bytes_ + size > limits::kJobOutputsBytesMax) {
    outputs = {StreamOutput{"stderr", "[" + std::to_string(size) +
                                          " bytes of output are left out: the notebook is full]"}};
    step.outputs = outputs;
    step.collected.reset();
  } else {
    outputs_bytes_ += size;
  }
  notebook_.set_result(step.cell, step.execution_count(), outputs);
}

void NotebookJob::fail(std::string type, std::string message) {
  error_ = CodeError{.type = std::move(type), .message = std::move(message), .block = current_};
  end(State::failed);
}

void NotebookJob::end(State state) {
  const auto self = shared_from_this();
  // Displays that later steps have updated, and what threads have printed since.
  outputs_bytes_ = 0;
  for (Step& step : steps_) {
    if (step.state != Step::State::done) continue;
    show(step);
    if (step.collected) step.outputs = step.collected->outputs();
    step.collected.reset();
  }
  if (const auto saved = save(); !saved && state == State::succeeded) {
    error_ = CodeError{.type = "notebook_not_saved", .message = saved.error().message};
    state = State::failed;
  }
  running_ = false;
  state_ = state;
  ended_ = std::chrono::system_clock::now();
  if (state == State::succeeded && options_.ends_session) session_->stop(nullptr);
  if (session_->ended()) {
    // Nothing can be resumed any more: the file has it all.
    notebook_ = Notebook();
    for (Step& step : steps_) step.outputs = {};
  }
  log_->add("done", {{"job", to_json(false)}});
  log_->close();
}

Result<void> NotebookJob::save() {
  const auto written = session_->directory().write(options_.output_path, notebook_.to_text());
  if (!written) return written.error();
  return {};
}

json NotebookJob::to_json(bool with_steps) const {
  std::size_t done = 0, failed = 0;
  for (const Step& step : steps_) {
    if (step.state != Step::State::done) continue;
    ++(step.succeeded() ? done : failed);
  }
  json shown = {
      {"job_id", id_},
      {"name", options_.name},
      {"status", to_string(state_)},
      {"session_id", session_->id()},
      {"session_state", session_->ended()  ? "ended"
                        : session_->busy() ? "busy"
                                           : "idle"},
      {"notebook", {{"path", options_.output_path}, {"kernel", kernel_.name}}},
      {"progress",
       {{"total", steps_.size()},
        {"done", done},
        {"failed", failed},
        {"current", running_ && steps_remain() ? json(current_) : json()}}},
      {"error", error_ ? perijove::to_json(*error_) : json()},
      {"failed_step", state_ == State::failed && steps_remain() ? json(current_) : json()},
      {"state_kept", state_kept_ && !session_->ended()},
      {"resumable", !running_ && !session_->ended()},
      {"allow_errors", options_.allow_errors},
      {"runs", runs_},
      {"created", format_utc(created_)},
      {"ended", time_or_null(ended_)}};
  if (with_steps) {
    json steps = json::array();
    for (std::size_t i = 0; i < steps_.size(); ++i) steps.push_back(steps_[i].to_json(i));
    shown["steps"] = std::move(steps);
  }
  return shown;
}

}  // namespace perijove
