#include "perijove/executor.hpp"

#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/execution_call.hpp"
#include "api/executor_thread.hpp"
#include "base/log.hpp"
#include "engine/gateway_runtime.hpp"
#include "executor/package_installation.hpp"
#include "executor/session_variables.hpp"
#include "io/work_dir.hpp"
#include "protocol/data_path.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::size_t kListedFilesMax = 100'000;
// Beyond it a deadline would not fit the clock.
constexpr milliseconds kLongest = std::chrono::hours(24 * 365 * 100);

std::optional<Duration> limit(milliseconds given) {
  if (given >= kLongest) return std::nullopt;
  return given;
}

// For limits that must be there.
Duration bounded(milliseconds given) { return std::min(given, kLongest); }

Result<void> check_times(const ExecutorOptions& options) {
  const std::pair<const char*, milliseconds> times[] = {
      {"timeout", options.timeout},
      {"interrupt_grace", options.interrupt_grace},
      {"quiet_timeout", options.quiet_timeout},
      {"start_timeout", options.start_timeout},
      {"shutdown_grace", options.shutdown_grace},
      {"idle_timeout", options.idle_timeout},
      {"lifetime_max", options.lifetime_max},
      {"auto_checkpoint.idle", options.auto_checkpoint.idle}};
  for (const auto& [name, time] : times) {
    if (time >= milliseconds::zero()) continue;
    return Error{Code::invalid_argument, std::string(name) + " must not be negative"};
  }
  return {};
}

Result<void> check_environment(const Environment& env) {
  for (const auto& [name, value] : env) {
    const bool sound = !name.empty() && name.find_first_of(std::string_view("=\0", 2)) == name.npos;
    if (!sound) {
      return Error{Code::invalid_argument, "env: '" + name + "' cannot be a variable's name"};
    }
    if (value.find('\0') == value.npos) continue;
    return Error{Code::invalid_argument, "env: the value of " + name + " holds a NUL character"};
  }
  return {};
}

Result<void> check_auto_checkpoint(const AutoCheckpoint& options) {
  if (options.keep_last == 0 || options.keep_last > kAutoCheckpointsKeptMax) {
    return Error{Code::invalid_argument, "auto_checkpoint.keep_last must be 1 to " +
                                             std::to_string(kAutoCheckpointsKeptMax)};
  }
  if (options.before_risky.empty()) return {};
  const auto known = check_validation_profile(options.before_risky);
  if (known) return {};
  return Error{Code::invalid_argument, "auto_checkpoint.before_risky: " + known.error().message};
}

GatewayOptions gateway_options(const ExecutorOptions& options, const std::string& work_dir) {
  GatewayOptions gateway;
  gateway.owns_process = false;
  gateway.runtime_base = options.runtime_dir;
  gateway.kernelspec_dirs = options.kernelspec_dirs;
  if (options.isolation.empty() || options.isolation == kAutoIsolation) {
    gateway.isolation.default_kind = kAutoIsolation;
  }
  RegistryOptions& registry = gateway.registry;
  registry.work_root = work_dir;
  registry.inherited_env = options.inherit_env;
  registry.gateway_env = own_environment();
  registry.kernel.lifecycle.start_timeout = bounded(options.start_timeout);
  registry.kernel.lifecycle.shutdown_wait = bounded(options.shutdown_grace);
  return gateway;
}

CodeSessionOptions session_options(const ExecutorOptions& options, const std::string& work_dir) {
  CodeSessionOptions session;
  session.kernel = options.kernel_name;
  session.work_dir = work_dir;
  session.env = options.env;
  if (options.isolation != kAutoIsolation) session.isolation.kind = options.isolation;
  session.idle_timeout = limit(options.idle_timeout);
  session.lifetime_max = limit(options.lifetime_max);
  const AutoCheckpoint& checkpoints = options.auto_checkpoint;
  session.auto_checkpoint = {.every = checkpoints.every,
                             .risky_profile = checkpoints.before_risky,
                             .idle = limit(checkpoints.idle),
                             .keep_last = checkpoints.keep_last,
                             .recover = checkpoints.recover};
  CodeRequest& defaults = session.defaults;
  defaults.timeout = limit(options.timeout);
  defaults.quiet_timeout = limit(options.quiet_timeout);
  defaults.grace = bounded(options.interrupt_grace);
  defaults.hard_limit = options.hard_limit;
  defaults.output.budget.chars_max = options.output_chars_max;
  defaults.output.budget.strategy = options.output_cut;
  defaults.output.images = options.images;
  defaults.output.inline_image_bytes_max = options.inline_image_bytes_max;
  defaults.output.inline_image_pixels_max = options.inline_image_pixels_max;
  return session;
}

Variable read_variable(std::string name, const json& told) {
  return {.name = std::move(name),
          .type = json_text(told, "type"),
          .preview = json_text(told, "preview"),
          .json = told.contains("value") ? dump_json(told["value"]) : std::string()};
}

void add_names(std::vector<NotSaved>& into, const std::vector<NotCarried>& names,
               const std::string& before) {
  for (const NotCarried& each : names) into.push_back({before + each.name, each.reason});
}

CheckpointInfo info_of(const Checkpoint& checkpoint) {
  CheckpointInfo info{.id = checkpoint.id,
                      .label = checkpoint.label,
                      .keep = checkpoint.keep,
                      .automatic = checkpoint.automatic,
                      .created = checkpoint.created,
                      .method = checkpoint.method(),
                      .bytes = checkpoint.bytes(),
                      .duration = std::chrono::duration_cast<milliseconds>(
                          std::chrono::duration<double>(checkpoint.duration_s)),
                      .saved = {},
                      .skipped = {}};
  for (const SavedNamespace& each : checkpoint.namespaces) {
    const bool own = each.language == checkpoint.language;
    if (own) info.saved = each.saved;
    if (!each.problem.empty()) info.skipped.push_back({each.language, each.problem});
    add_names(info.skipped, each.skipped, own ? "" : each.language + ": ");
  }
  return info;
}

}  // namespace

class Executor::Impl {
 public:
  Impl(std::shared_ptr<ExecutorThread> thread, WorkDir directory, CodeRequest defaults,
       OutputCallback on_output)
      : thread_(std::move(thread)),
        directory_(std::move(directory)),
        defaults_(std::move(defaults)),
        on_output_(std::move(on_output)) {}

  ExecutorThread& thread() { return *thread_; }
  const WorkDir& directory() const { return directory_; }

  Result<CodeResult> execute(const std::vector<CodeBlock>& blocks, const ExecuteOptions& options) {
    CodeRequest request = defaults_;
    for (const CodeBlock& block : blocks) {
      if (const auto sound = check_block(block); !sound) return sound.error();
    }
    request.blocks = blocks;
    if (options.timeout) request.timeout = limit(*options.timeout);
    if (options.quiet_timeout) request.quiet_timeout = limit(*options.quiet_timeout);
    request.total_timeout = limit(options.total_timeout);
    request.env = options.env;
    request.stop_on_error = options.stop_on_error;
    request.silent = options.silent;
    request.store_history = options.store_history;
    request.capture_files = options.capture_files;
    request.checkpoint_before = options.checkpoint_before;
    request.interactive = options.on_input != nullptr;
    const auto call = std::make_shared<ExecutionCall>(
        thread_,
        ExecutionCall::Callbacks{.on_output = options.on_output ? options.on_output : on_output_,
                                 .on_input = options.on_input});
    return call->run(std::move(request), options.stop);
  }

  Result<void> restart() {
    return on_thread<Result<void>>([](CodeSession& session, const auto& answer) {
      session.restart([answer](const Result<void>& done) { answer->set_value(done); });
    });
  }

  /// An answer of code/python/variables.py.
  Result<json> ask(json request) {
    return on_thread<Result<json>>(
        [request = std::move(request)](CodeSession& session, const auto& answer) {
          ask_about_variables(session.shared_from_this(), request,
                              [answer](Result<json> told) { answer->set_value(std::move(told)); });
        });
  }

  Result<CheckpointInfo> checkpoint(const CheckpointOptions& options) {
    return on_thread<Result<CheckpointInfo>>(
        [thread = thread_.get(), options](CodeSession& session, const auto& answer) {
          thread->checkpoints().take(
              session.shared_from_this(), {.label = options.label, .keep = options.keep},
              [answer](const Result<Checkpoint>& taken) {
                answer->set_value(taken ? info_of(*taken) : Result<CheckpointInfo>(taken.error()));
              });
        });
  }

  Result<std::vector<CheckpointInfo>> checkpoints() {
    return on_thread<Result<std::vector<CheckpointInfo>>>(
        [thread = thread_.get()](CodeSession&, const auto& answer) {
          std::vector<CheckpointInfo> all;
          for (const Checkpoint& each : thread->checkpoints().list()) all.push_back(info_of(each));
          answer->set_value(std::move(all));
        });
  }

  Result<Restored> restore(const std::string& id) {
    return on_thread<Result<Restored>>(
        [thread = thread_.get(), id](CodeSession& session, const auto& answer) {
          thread->checkpoints().restore(
              session.shared_from_this(), id, {},
              [answer, language = session.language()](const Result<Restoration>& restored) {
                if (!restored) {
                  answer->set_value(restored.error());
                  return;
                }
                Restored all;
                for (const Restoration::Namespace& each : restored->namespaces) {
                  const bool own = each.language == language;
                  if (own) all.names = each.restored;
                  if (!each.problem.empty()) all.failed.push_back({each.language, each.problem});
                  add_names(all.failed, each.failed, own ? "" : each.language + ": ");
                }
                answer->set_value(std::move(all));
              });
        });
  }

  Result<void> remove_checkpoint(const std::string& id) {
    return on_thread<Result<void>>([thread = thread_.get(), id](CodeSession&, const auto& answer) {
      answer->set_value(thread->checkpoints().remove(id));
    });
  }

  Result<CodeResult> install(const Installation& what) {
    auto request = on_thread<Result<CodeRequest>>([what](CodeSession& session, const auto& answer) {
      answer->set_value(installation_request(session, what));
    });
    if (!request) return request.error();
    return std::make_shared<ExecutionCall>(thread_, ExecutionCall::Callbacks{})
        ->run(*std::move(request), {});
  }

 private:
  /// What `work`, on the thread, sets as its answer, now or later.
  template <typename Answer, typename Work>
  Answer on_thread(Work work) {
    const auto promise = std::make_shared<std::promise<Answer>>();
    auto outcome = promise->get_future();
    const bool posted = thread_->post(
        [promise, work = std::move(work)](CodeSession& session) { work(session, promise); });
    if (!posted) return executor_ended();
    try {
      return outcome.get();
    } catch (const std::future_error&) {  // the thread ended before it came to an answer
      return executor_ended();
    }
  }

  const std::shared_ptr<ExecutorThread> thread_;
  const WorkDir directory_;
  const CodeRequest defaults_;
  const OutputCallback on_output_;
};

Result<Executor> Executor::start(const ExecutorOptions& options) {
  if (const auto sound = check_times(options); !sound) return sound.error();
  if (const auto sound = check_environment(options.env); !sound) return sound.error();
  if (const auto sound = check_auto_checkpoint(options.auto_checkpoint); !sound) {
    return sound.error();
  }
  if (!log::set_level(options.log_level)) {
    return Error{
        Code::invalid_argument,
        "log_level must be debug, info, warning, error or off, not '" + options.log_level + "'"};
  }
  std::error_code error;
  const auto path =
      std::filesystem::absolute(options.work_dir.empty() ? "." : options.work_dir.c_str(), error);
  if (error) {
    return Error{Code::not_found, "work_dir '" + options.work_dir + "': " + error.message()};
  }
  auto directory = WorkDir::open(path.lexically_normal());
  if (!directory) return directory.error();
  CodeSessionOptions session = session_options(options, directory->path());
  CodeRequest defaults = session.defaults;
  auto thread = ExecutorThread::start(
      gateway_options(options, directory->path()), std::move(session),
      {.state_dir = options.state_dir, .bytes_max = options.checkpoint_bytes_max});
  if (!thread) return thread.error();
  return Executor(std::make_shared<Impl>(*std::move(thread), *std::move(directory),
                                         std::move(defaults), options.on_output));
}

std::vector<KernelspecInfo> Executor::kernelspecs(const std::vector<std::string>& directories) {
  const auto catalogue = KernelspecCatalogue::blocking_scan(
      directories.empty() ? kernelspec_path(own_environment())
                          : KernelspecPath{.directories = directories});
  std::vector<KernelspecInfo> found;
  for (const auto& [name, entry] : catalogue.entries()) {
    found.push_back({.name = name,
                     .display_name = entry.spec.display_name,
                     .language = entry.spec.language,
                     .directory = entry.spec.resource_dir});
  }
  return found;
}

Executor::Executor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Executor::Executor(Executor&&) noexcept = default;

Executor& Executor::operator=(Executor&& other) noexcept {
  Executor replaced(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}

Executor::~Executor() {
  if (impl_) impl_->thread().stop();
}

// Each of these keeps the executor's inside while it works: the executor itself may be destroyed
// meanwhile.

Result<CodeResult> Executor::execute(const std::vector<CodeBlock>& blocks,
                                     const ExecuteOptions& options) {
  const auto impl = impl_;
  return impl->execute(blocks, options);
}

void Executor::cancel() {
  const auto impl = impl_;
  for (const auto& call : impl->thread().calls()) call->cancel();
}

void Executor::interrupt() {
  const auto impl = impl_;
  impl->thread().post([](CodeSession& session) { session.interrupt(); });
}

Result<void> Executor::restart() {
  const auto impl = impl_;
  return impl->restart();
}

Result<std::vector<Variable>> Executor::variables() {
  const auto impl = impl_;
  const auto answer = impl->ask({{"op", "list"}});
  if (!answer) return answer.error();
  std::vector<Variable> found;
  for (const json& each : answer->value("variables", json::array())) {
    found.push_back(read_variable(json_text(each, "name"), each));
  }
  return found;
}

Result<Variable> Executor::evaluate(std::string_view expression) {
  const auto impl = impl_;
  const auto answer = impl->ask({{"op", "evaluate"}, {"expressions", {{"value", expression}}}});
  if (!answer) return answer.error();
  const json value = answer->value(json::json_pointer("/results/value"), json::object());
  if (value.value("ok", false)) return read_variable(std::string(expression), value);
  const json error = value.value("error", json::object());
  return Error{Code::invalid_argument,
               json_text(error, "type") + ": " + json_text(error, "message")};
}

Result<void> Executor::set_variable(std::string_view name, std::string_view json_value) {
  const auto value = parse_json(json_value);
  if (!value) {
    return Error{Code::invalid_argument, "the value is not JSON: " + value.error().message};
  }
  const auto impl = impl_;
  const auto answer = impl->ask({{"op", "set"}, {"name", name}, {"value", *value}});
  if (!answer) return answer.error();
  return {};
}

Result<Installed> Executor::install(const std::vector<std::string>& packages,
                                    std::chrono::milliseconds timeout) {
  const auto impl = impl_;
  const auto result = impl->install({.packages = packages, .upgrade = false, .timeout = timeout});
  if (!result) return result.error();
  const auto answer = read_installed(*result);
  if (!answer) return answer.error();
  Installed installed;
  for (const json& each : answer->value("installed", json::array())) {
    installed.packages.push_back({json_text(each, "name"), json_text(each, "version")});
  }
  installed.failed = answer->value("failed", std::vector<std::string>());
  installed.log_tail = json_text(*answer, "log_tail");
  return installed;
}

Result<CheckpointInfo> Executor::checkpoint(const CheckpointOptions& options) {
  const auto impl = impl_;
  return impl->checkpoint(options);
}

Result<std::vector<CheckpointInfo>> Executor::checkpoints() {
  const auto impl = impl_;
  return impl->checkpoints();
}

Result<Restored> Executor::restore(std::string_view checkpoint_id) {
  const auto impl = impl_;
  return impl->restore(std::string(checkpoint_id));
}

Result<void> Executor::remove_checkpoint(std::string_view checkpoint_id) {
  const auto impl = impl_;
  return impl->remove_checkpoint(std::string(checkpoint_id));
}

const std::string& Executor::work_dir() const { return impl_->directory().path(); }

Result<std::string> Executor::read_file(std::string_view path) const {
  return impl_->directory().read(path);
}

Result<void> Executor::write_file(std::string_view path, std::string_view bytes) {
  const auto written = impl_->directory().write(path, bytes);
  if (!written) return written.error();
  return {};
}

Result<std::vector<FileEntry>> Executor::list_files(std::string_view path, bool recursive) const {
  const auto entries = impl_->directory().list(path, recursive, kListedFilesMax);
  if (!entries) return entries.error();
  std::vector<FileEntry> files;
  for (const WorkDirEntry& entry : *entries) {
    using WallClock = std::chrono::system_clock;
    const std::chrono::nanoseconds modified(entry.modified_ns);
    files.push_back({.path = entry.path,
                     .is_directory = entry.kind == WorkDirEntry::Kind::directory,
                     .size_bytes = entry.size_bytes,
                     .modified = WallClock::time_point(
                         std::chrono::duration_cast<WallClock::duration>(modified))});
  }
  return files;
}

}  // namespace perijove
