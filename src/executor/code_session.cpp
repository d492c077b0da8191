#include "executor/code_session.hpp"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "executor/session_isolation.hpp"
#include "protocol/code_blocks.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

using nlohmann::json;

json seconds_or_null(const std::optional<Duration>& duration) {
  if (!duration) return nullptr;
  return std::chrono::duration<double>(*duration).count();
}

}  // namespace

bool LanguageKernel::stuck() const {
  return runs_on && kernel->summary().execution_state == ExecutionState::busy;
}

void LanguageKernel::note_loss(const execution::Verdict& verdict) {
  if (!verdict.state_lost) return;
  ++generation;
  loss_is_untold = true;
  finds_packages = false;
}

CodeSession::CodeSession(Shard& shard, KernelRegistry& registry, CodeSessionOptions options,
                         WorkDir directory, std::function<void()> on_end)
    : shard_(shard),
      registry_(registry),
      options_(std::move(options)),
      id_("s_" + make_uuid()),
      directory_(std::move(directory)),
      on_end_(std::move(on_end)),
      created_(std::chrono::system_clock::now()),
      created_at_(shard.now()),
      idle_since_(created_at_),
      timer_(shard.loop()),
      python_(shard, helper_interpreter(registry.kernelspecs())),
      auto_checkpoints_(*this) {}

CodeSession::~CodeSession() {
  for (auto& [language, kernel] : kernels_) {
    if (kernel->kernel) kernel->kernel->stop([](const Result<void>&) {});
  }
}

json CodeSession::to_json() const {
  json kernels = json::array();
  for (const auto& [language, kernel] : kernels_) {
    const KernelSummary summary = kernel->kernel->summary();
    json shown = {{"id", summary.id.str()},
                  {"name", summary.name},
                  {"language", language},
                  {"execution_state", to_string(summary.execution_state)},
                  {"generation", kernel->generation},
                  {"stateless", kernel->kernel->stateless()}};
    shown.update(perijove::to_json(kernel->kernel->details().isolation));
    kernels.push_back(std::move(shown));
  }
  const auto config = parse_json(options_.config);
  return {{"session_id", id_},
          {"key", options_.key.empty() ? json() : json(options_.key)},
          {"kernel", options_.kernel},
          {"language", language_},
          {"work_dir", options_.work_dir},
          {"state", ended_   ? "ended"
                    : busy() ? "busy"
                             : "idle"},
          {"queued", queue_.size()},
          {"running", running_ ? json(running_->id()) : json()},
          {"isolation", options_.isolation.kind},
          {"kernels", kernels},
          {"created", format_utc(created_)},
          {"idle_timeout_s", seconds_or_null(options_.idle_timeout)},
          {"max_lifetime_s", seconds_or_null(options_.lifetime_max)},
          {"timeout_s", seconds_or_null(options_.defaults.timeout)},
          {"labels", options_.labels},
          {"pool", options_.pool.empty() ? json() : json(options_.pool)},
          {"auto_checkpoint", auto_checkpoints_.to_json()},
          {"config", config ? *config : json()},
          {"policies", perijove::to_json(options_.policies)},
          {"requirements", options_.setup.requirements},
          {"virtual_env",
           options_.setup.virtual_env.empty() ? json() : json(options_.setup.virtual_env)},
          {"functions", prepared_.function_names},
          {"function_stubs", prepared_.function_stubs},
          {"function_prompt", prepared_.function_prompt},
          {"warnings", prepared_.warnings}};
}

// ---- executions ----

Result<std::shared_ptr<CodeExecution>> CodeSession::execute(CodeRequest request) {
  shard_.assert_here();
  if (ended_) return Error{Code::failed_precondition, "the session has ended"};
  if (!request.idempotency_key.empty()) {
    const auto same = [&](const std::shared_ptr<CodeExecution>& each) {
      return each && each->request().idempotency_key == request.idempotency_key;
    };
    if (same(running_)) return running_;
    for (const auto* list : {&queue_, &finished_}) {
      for (const auto& each : *list) {
        if (same(each)) return each;
      }
    }
  }
  if (request.reject_when_busy && busy()) {
    return Error{Code::aborted, "the session is busy with execution " +
                                    (running_ ? running_->id() : queue_.front()->id())};
  }
  if (queue_.size() >= limits::kQueuedExecutionsMax) {
    return Error{Code::resource_exhausted,
                 std::to_string(queue_.size()) + " executions wait in this session already"};
  }
  auto execution = std::make_shared<CodeExecution>(*this, "e_" + make_uuid(), next_number_++,
                                                   std::move(request));
  queue_.push_back(execution);
  set_timer();
  if (running_ || evaluating_ || queue_.size() > 1) {
    execution->set_queue_position(queue_.size() - (running_ || evaluating_ ? 0 : 1));
  } else {
    boost::asio::post(shard_.loop(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->run_next();
    });
  }
  return execution;
}

std::shared_ptr<CodeExecution> CodeSession::find_execution(std::string_view id) const {
  if (running_ && running_->id() == id) return running_;
  for (const auto* list : {&queue_, &finished_}) {
    for (const auto& each : *list) {
      if (each->id() == id) return each;
    }
  }
  return nullptr;
}

void CodeSession::run_next() {
  if (running_ || evaluating_ || queue_.empty() || ended_) return;
  running_ = std::move(queue_.front());
  queue_.pop_front();
  running_->start();
}

void CodeSession::execution_done(const std::shared_ptr<CodeExecution>& execution) {
  if (running_ == execution) running_.reset();
  std::erase(queue_, execution);
  finished_.push_back(execution);
  if (finished_.size() > limits::kFinishedExecutionsMax) finished_.pop_front();
  idle_since_ = shard_.now();
  set_timer();
  if (!busy()) auto_checkpoints_.on_idle();
  boost::asio::post(shard_.loop(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->run_next();
  });
}

void CodeSession::remember(HistoryEntry entry) {
  history_bytes_ += entry.code.size() + entry.outputs.size();
  history_.push_back(std::move(entry));
  while (history_bytes_ > limits::kHistoryBytesMax && history_.size() > 1) {
    history_bytes_ -= history_.front().code.size() + history_.front().outputs.size();
    history_.pop_front();
  }
}

void CodeSession::interrupt() {
  if (running_ && running_->interrupt_command()) return;
  const LanguageKernel* const running = running_ ? running_->interruptible() : nullptr;
  if (running != nullptr) running_->note_interrupt();
  for (auto& [language, kernel] : kernels_) {
    if (kernel.get() == running || kernel->stuck()) {
      kernel->kernel->interrupt([](const Result<void>&) {});
    }
  }
}

void CodeSession::evaluate(std::string code, std::string expression,
                           std::function<void(Result<std::string>)> done) {
  if (ended_) {
    done(Error{Code::failed_precondition, "the session has ended"});
    return;
  }
  if (busy() || evaluating_) {
    done(Error{Code::aborted, "the session is busy; its variables can be seen between executions"});
    return;
  }
  evaluating_ = true;
  ++changes_;
  const auto self = shared_from_this();
  with_kernel(language_, [self, code = std::move(code), expression = std::move(expression),
                          done = std::move(done)](const Result<LanguageKernel*>& kernel) {
    const auto end = [self, done](Result<std::string> answer) {
      self->evaluating_ = false;
      self->run_next();
      done(std::move(answer));
    };
    if (!kernel) {
      end(kernel.error());
      return;
    }
    self->ask_kernel(**kernel, code, expression, std::chrono::seconds(10), end);
  });
}

void CodeSession::ask_kernel(LanguageKernel& kernel, std::string_view code,
                             const std::string& expression, Duration limit,
                             std::function<void(Result<std::string>)> done) {
  BlockOptions options;
  options.execution.limit = limit;
  options.silent = true;
  options.allow_input = false;
  options.user_expressions = dump_json({{"value", expression}});
  // The runner lives until it has told the end, whatever becomes of the kernel.
  kernel.runner->run(code, options, [self = shared_from_this(), runner = kernel.runner,
                                     language = kernel.language,
                                     done = std::move(done)](const RunResult& run) {
    const auto found = self->kernels_.find(language);
    if (found != self->kernels_.end() && found->second->runner == runner &&
        !found->second->restarting) {
      found->second->note_loss(run.verdict);
    }
    if (run.verdict.outcome == execution::Outcome::timed_out) {
      done(Error{Code::deadline_exceeded, "the kernel did not answer in time"});
      return;
    }
    const auto reply = parse_json(run.reply);
    if (!reply || !reply->is_object()) {
      done(Error{Code::unavailable, "the kernel gave no answer: " + run.verdict.note});
      return;
    }
    const auto value = reply->value(json::json_pointer("/user_expressions/value"), json());
    const auto text =
        value.is_object() ? value.value(json::json_pointer("/data/text~1plain"), json()) : json();
    if (text.is_string()) {
      done(text.get<std::string>());
      return;
    }
    const std::string why = value.is_object() ? value.value("evalue", std::string()) : "";
    done(Error{Code::invalid_argument, why.empty() ? "the kernel could not evaluate it" : why});
  });
}

// ---- kernels ----

void CodeSession::with_kernel(const std::string& wanted,
                              std::function<void(Result<LanguageKernel*>)> use) {
  if (options_.policies.restricted) {  // whoever asks: a kernel would be a way around it
    boost::asio::post(shard_.loop(), [use = std::move(use)] {
      use(Error{Code::failed_precondition, "a restricted session has no kernel"});
    });
    return;
  }
  if (!set_up_) {
    set_up([self = shared_from_this(), wanted, use = std::move(use)](const Result<void>&) {
      self->with_kernel(wanted, use);
    });
    return;
  }
  if (!*set_up_) {
    boost::asio::post(shard_.loop(), [use = std::move(use), error = set_up_->error()] {
      use(Error{Code::failed_precondition, error.message});
    });
    return;
  }
  find_kernel(wanted, std::move(use));
}

void CodeSession::find_kernel(const std::string& wanted,
                              std::function<void(Result<LanguageKernel*>)> use) {
  std::string language = wanted, name = wanted;
  if (!kernels_.contains(language)) {
    // It may be the name of a kernelspec: what counts is what that one speaks.
    const auto catalogue = registry_.kernelspecs().blocking_refresh();
    if (const auto spec = catalogue->find(wanted)) {
      language = canonical_language((*spec)->spec.language);
    }
  }
  if (language == language_) name = options_.kernel;
  if (const auto chosen = options_.policies.kernels.find(language);
      chosen != options_.policies.kernels.end()) {
    name = chosen->second;
  }
  bool lost = false;
  const auto found = kernels_.find(language);
  if (found != kernels_.end()) {
    const lifecycle::State state = found->second->kernel->state();
    if (state == lifecycle::State::dead || state == lifecycle::State::stopped) {
      lost = true;
      drop_kernel(*found->second);
    } else if (found->second->ready) {
      find_packages(*found->second, std::move(use));
      return;
    } else {
      found->second->when_ready = std::move(use);
      return;
    }
  }
  const auto started = start_kernel(language, name);
  if (!started) {
    boost::asio::post(shard_.loop(),
                      [use = std::move(use), error = started.error()] { use(error); });
    return;
  }
  (*started)->loss_is_untold = lost;
  (*started)->when_ready = std::move(use);
}

Result<LanguageKernel*> CodeSession::start_kernel(const std::string& language,
                                                  const std::string& name, Branch branch) {
  StartKernel start;
  start.name = name;
  if (language == language_ && name == options_.kernel) start.spec = options_.kernelspec;
  start.session_env = options_.env;
  for (const auto& [variable, value] : prepared_.env) start.session_env[variable] = value;
  start.limits = options_.policies.limits;
  start.isolation = options_.isolation;
  start.virtual_env = options_.setup.virtual_env;
  if (language == "python") start.interpreter = prepared_.interpreter;
  start.session_name = options_.key;
  start.work_dir = options_.work_dir;
  start.branch = std::move(branch);
  auto kernel = std::make_unique<LanguageKernel>();
  kernel->language = language;
  kernel->generation = ++generations_[language];
  const auto weak = weak_from_this();
  auto started = registry_.start(start, [weak, language](const Result<void>& result) {
    if (const auto self = weak.lock()) self->kernel_started(language, result);
  });
  if (!started) {
    --generations_[language];
    return started.error();
  }
  kernel->kernel = *std::move(started);
  kernel->runner = make_runner(kernel->kernel);
  LanguageKernel* const made = kernel.get();
  kernels_.insert_or_assign(language, std::move(kernel));
  return made;
}

std::shared_ptr<BlockRunner> CodeSession::make_runner(const std::shared_ptr<Kernel>& kernel) {
  const auto weak = weak_from_this();
  BlockRunner::Events events;
  events.on_output = [weak](const Output& output) {
    const auto self = weak.lock();
    if (self && self->running_) self->running_->on_output(output);
  };
  events.on_display = [weak](const DisplayOutput& display) {
    const auto self = weak.lock();
    if (self && self->running_) self->running_->on_display(display);
  };
  events.on_update = [weak](const DisplayUpdate& update) {
    const auto self = weak.lock();
    if (!self) return;
    if (self->running_) {
      self->running_->on_update(update);
    } else {
      self->displays_.update(self->directory_, update.content);
    }
  };
  events.on_clear = [weak](bool wait) {
    const auto self = weak.lock();
    if (self && self->running_) self->running_->on_clear(wait);
  };
  events.on_input = [weak](const InputRequest& request) {
    const auto self = weak.lock();
    if (self && self->running_) self->running_->on_input(request);
  };
  return std::make_shared<BlockRunner>(shard_, kernel, std::move(events));
}

void CodeSession::kernel_started(const std::string& language, const Result<void>& started) {
  const auto found = kernels_.find(language);
  if (found == kernels_.end() || found->second->restarting || ended_) return;
  LanguageKernel& kernel = *found->second;
  const auto use = std::exchange(kernel.when_ready, nullptr);
  if (started) {
    kernel.ready = true;
    if (use) find_packages(kernel, use);
    return;
  }
  const Error error = started.error();
  drop_kernel(kernel);
  if (use) use(error);
}

// The old process is gone, and its runner with it: what that one would say about the loss is known.
void CodeSession::kernel_restarted(const std::string& language, const Result<void>& restarted) {
  const auto found = kernels_.find(language);
  if (found == kernels_.end() || !std::exchange(found->second->restarting, false) || ended_) return;
  found->second->runner = make_runner(found->second->kernel);
  kernel_started(language, restarted);
}

void CodeSession::drop_kernel(LanguageKernel& kernel) {
  const auto found = kernels_.find(kernel.language);
  if (found == kernels_.end()) return;
  generations_[kernel.language] = std::max(generations_[kernel.language], kernel.generation);
  const auto dropped = std::move(found->second);  // lives to the end of this call
  kernels_.erase(found);
  dropped->kernel->stop([](const Result<void>&) {}, true);
}

void CodeSession::restart(Done done) {
  if (ended_) {
    done(Error{Code::failed_precondition, "the session has ended"});
    return;
  }
  const auto queue = queue_;
  for (const auto& each : queue) each->abandon("the session was restarted");
  if (running_) running_->abandon("the session was restarted");
  changes_ = 0;
  struct Pending {
    std::size_t left = 0;
    Result<void> result;
    Done done;
  };
  auto pending = std::make_shared<Pending>();
  pending->left = kernels_.size();
  pending->done = std::move(done);
  if (pending->left == 0) {
    boost::asio::post(shard_.loop(), [pending] { pending->done({}); });
    return;
  }
  std::vector<std::pair<std::string, std::shared_ptr<Kernel>>> kernels;
  for (auto& [language, kernel] : kernels_) {
    ++kernel->generation;
    kernel->runs_on = false;
    kernel->loss_is_untold = false;
    kernel->finds_packages = false;
    kernel->ready = false;
    kernel->restarting = true;
    kernels.emplace_back(language, kernel->kernel);
  }
  for (const auto& [language, kernel] : kernels) {  // one that fails at once is dropped at once
    kernel->restart(
        [pending, weak = weak_from_this(), language = language](const Result<void>& restarted) {
          if (const auto self = weak.lock()) self->kernel_restarted(language, restarted);
          if (!restarted) pending->result = restarted;
          if (--pending->left == 0) pending->done(pending->result);
        },
        true);
  }
}

void CodeSession::stop(Done done) {
  if (std::exchange(ended_, true)) {
    if (!stopped_) {
      when_stopped_.push_back(std::move(done));
    } else if (done) {
      done({});
    }
    return;
  }
  when_stopped_.push_back(std::move(done));
  const auto self = shared_from_this();
  timer_.cancel();
  const auto queue = queue_;
  for (const auto& each : queue) each->abandon("the session has ended");
  if (running_) running_->abandon("the session has ended");
  end_set_up(Error{Code::aborted, "the session has ended"});
  end_copying(Error{Code::aborted, "the session has ended"});
  const auto left = std::make_shared<std::size_t>(kernels_.size() + 1);
  const auto one_less = [self, left] {
    if (--*left > 0) return;
    self->stopped_ = true;
    self->kernels_.clear();
    if (const auto tell = std::exchange(self->on_end_, nullptr)) tell();
    for (const Done& each : std::exchange(self->when_stopped_, {})) {
      if (each) each({});
    }
  };
  for (auto& [language, kernel] : kernels_) {
    if (const auto use = std::exchange(kernel->when_ready, nullptr)) {
      use(Error{Code::aborted, "the session has ended"});
    }
    kernel->kernel->stop([one_less](const Result<void>&) { one_less(); });
  }
  boost::asio::post(shard_.loop(), one_less);
}

// ---- its end ----

void CodeSession::set_limits(std::optional<Duration> idle_timeout,
                             std::optional<Duration> lifetime_max) {
  options_.idle_timeout = idle_timeout;
  options_.lifetime_max = lifetime_max;
  set_timer();
}

void CodeSession::set_auto_checkpoint(AutoCheckpointOptions options) {
  options_.auto_checkpoint = std::move(options);
  if (!busy()) auto_checkpoints_.on_idle();
}

void CodeSession::set_timer() {
  std::optional<TimePoint> next;
  if (options_.lifetime_max) next = created_at_ + *options_.lifetime_max;
  if (options_.idle_timeout && !busy()) {
    const TimePoint idle = idle_since_ + *options_.idle_timeout;
    if (!next || idle < *next) next = idle;
  }
  timer_.cancel();
  if (!next || ended_) return;
  timer_.expires_at(*next);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && !self->ended_) self->on_timer();
  });
}

void CodeSession::on_timer() {
  const TimePoint now = shard_.now();
  const bool old = options_.lifetime_max && now >= created_at_ + *options_.lifetime_max;
  const bool idle = options_.idle_timeout && !busy() && now >= idle_since_ + *options_.idle_timeout;
  if (!old && !idle) {
    set_timer();
    return;
  }
  log::info("session_expired", {{"session", id_}, {"reason", old ? "lifetime" : "idle"}});
  stop(nullptr);
}

}  // namespace perijove
