// Blocks of sessions whose kernels are in containers: those in a language that the container has no
// kernel for run as programs beside the kernel, and files go in and out where they are not shared.

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "code/result_json.hpp"
#include "engine/command_runner.hpp"
#include "executor/code_execution.hpp"
#include "executor/code_session.hpp"
#include "executor/remote_files.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

using nlohmann::json;

// What runs a file in a language, where a container has it.
std::vector<std::string> program_for(const std::string& language) {
  static const std::map<std::string, std::vector<std::string>> kPrograms = {
      // Every image has sh, and most have bash.
      {"bash",
       {"sh", "-c", "command -v bash >/dev/null && exec bash \"$1\"; exec sh \"$1\"", "sh"}},
      {"python", {"python3"}},
      {"javascript", {"node"}},
      {"r", {"Rscript"}},
      {"ruby", {"ruby"}},
      {"perl", {"perl"}},
      {"php", {"php"}},
      {"lua", {"lua"}},
      {"julia", {"julia"}}};
  const auto found = kPrograms.find(language);
  return found == kPrograms.end() ? std::vector<std::string>() : found->second;
}

// Whether a kernelspec says what its containers are: then they have its kernel.
bool has_container(const Kernelspec& spec) {
  const auto metadata = parse_json(spec.metadata);
  return metadata && metadata->is_object() &&
         metadata->contains(json::json_pointer("/perijove/docker"));
}

}  // namespace

std::vector<std::string> CodeSession::command_for(const std::string& language) const {
  if (options_.isolation.kind != "docker" || language == language_ || kernels_.contains(language) ||
      options_.policies.kernels.contains(language)) {
    return {};
  }
  const auto catalogue = registry_.kernelspecs().current();
  const auto spec = catalogue->find(language);
  if (spec && has_container((*spec)->spec)) return {};
  return program_for(language);
}

RemoteFiles* LanguageKernel::remote_files(const WorkDir& directory) {
  const auto place = kernel->place();
  if (!place || place->shares_files()) {
    files.reset();
  } else if (!files || files->place() != place) {
    files = std::make_unique<RemoteFiles>(directory, place);  // of another process
  }
  return files.get();
}

// ---- files ----

void CodeExecution::bring_files(std::function<void()> next) {
  RemoteFiles* const files = kernel_->remote_files(session_.directory());
  if (files == nullptr) {
    next();
    return;
  }
  files->push([weak = weak_from_this(), next = std::move(next)](const Result<void>& brought) {
    const auto self = weak.lock();
    if (!self || self->done()) return;
    if (!brought) {
      self->refuse_block(
          CodeStatus::rejected, "files_not_copied",
          "the session's files could not be copied into the container: " + brought.error().message);
      self->after_block();
      return;
    }
    next();
  });
}

// What cannot be had is a warning: the code has run.
void CodeExecution::fetch_files(std::function<void()> next) {
  RemoteFiles* const files = kernel_->remote_files(session_.directory());
  if (files == nullptr) {
    next();
    return;
  }
  files->pull([weak = weak_from_this(), next = std::move(next)](const Result<void>& fetched) {
    const auto self = weak.lock();
    if (!self || self->done()) return;
    if (!fetched) {
      self->result_.warnings.push_back("files that the code wrote may be missing: " +
                                       fetched.error().message);
    }
    next();
  });
}

// ---- programs ----

// Beside the kernel of the session's own language: the same container, files, limits and user.
void CodeExecution::run_beside(std::vector<std::string> command) {
  if (const auto written = save_code(); !written) {
    refuse_unwritten(written.error());
    return;
  }
  block_argv_ = std::move(command);
  block_argv_.push_back(block_file_);
  run_in_kernel_of(session_.language_);
}

void CodeExecution::run_command() {
  if (cancelled_) {
    refuse_ended();
    after_block();
    return;
  }
  const auto place = kernel_->kernel->place();
  if (!place) {
    refuse_block(CodeStatus::kernel_died, "kernel_died",
                 "the container in which it was to run has ended");
    after_block();
    return;
  }
  if (request_.capture_files) before_ = take_snapshot(session_.directory());
  ExecutionOptions options;
  options.limit = request_.timeout;
  options.quiet_limit = request_.quiet_timeout;
  options.grace = request_.grace;
  in_block_ = true;
  displays_.clear();
  display_files_.clear();
  updated_files_.clear();
  clear_is_due_ = false;
  command_ = std::make_shared<CommandRunner>(session_.shard(),
                                             [this](const Output& output) { on_output(output); });
  Environment env = request_.env;
  env.insert(session_.prepared().env.begin(), session_.prepared().env.end());
  command_->run(*place, {.argv = block_argv_, .env = std::move(env)}, options,
                [weak = weak_from_this()](const RunResult& run) {
                  const auto self = weak.lock();
                  if (!self || self->done()) return;
                  self->in_block_ = false;
                  self->fetch_files([self = self.get(), run] { self->command_done(run); });
                });
}

void CodeExecution::command_done(const RunResult& run) {
  const auto runner = std::exchange(command_, nullptr);  // lives to the end of this call
  std::string warning = "block " + std::to_string(block_) + " (" + block_language_ +
                        ") ran as a program of its own in the container of the " +
                        kernel_->language +
                        " kernel: files stay, variables do not, neither those of its language";
  emit("warning", {{"message", warning}});
  result_.warnings.push_back(std::move(warning));
  take_result(run);
  kernel_ = nullptr;  // which has run nothing, so that there is nothing to put back
  after_block();
}

bool CodeExecution::interrupt_command() {
  if (!command_) return false;
  note_interrupt();
  command_->interrupt();
  return true;
}

}  // namespace perijove
