// What a request or its session says about whether code runs at all, where, and how often: the part
// of CodeExecution before and around its blocks.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "code/format_result.hpp"
#include "code/python_scripts.hpp"
#include "code/result_json.hpp"
#include "executor/code_execution.hpp"
#include "executor/code_session.hpp"
#include "executor/restricted.hpp"
#include "protocol/code_blocks.hpp"
#include "protocol/sha256.hpp"

namespace perijove {
namespace {

using nlohmann::json;

// A word of a shell's command, whatever is in it.
std::string shell_word(std::string_view word) {
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'') {
      text += "'\\''";
    } else {
      text += c;
    }
  }
  return text + "'";
}

std::string fault_of(const BlockResult& block) {
  if (block.status == CodeStatus::out_of_memory) return "oom";
  if (block.status != CodeStatus::kernel_died) return {};
  return block.error && block.error->type == "kernel_start_failed" ? "kernel_start_failed"
                                                                   : "kernel_died";
}

}  // namespace

// ---- answers of earlier requests ----

bool CodeExecution::use_cached() {
  if (!request_.policies.cache.wanted) {
    ++session_.changes_;
    return false;
  }
  cache_key_ = ResultCache::key(request_, session_.state_identity());
  const CodeResult* const known = session_.cache_.find(cache_key_, session_.shard().now());
  bool usable = known != nullptr;
  for (std::size_t i = 0; usable && i < known->output_files.size(); ++i) {
    const OutputFile& file = known->output_files[i];
    const auto there = session_.directory().stat(file.path);
    usable = there && there->size_bytes == file.size_bytes;
  }
  if (!usable) {
    ++session_.changes_;
    return false;
  }
  const auto self = shared_from_this();
  const auto queued = result_.queued;
  result_ = *known;
  result_.execution_id = id_;
  result_.queued = queued;
  result_.duration = {};
  result_.cached = true;
  result_.checkpoint_before.clear();
  result_.checkpoint_after.clear();
  result_.recovered.reset();
  if (request_.policies.cache.mark) result_.output = "[CACHED RESULT]\n" + result_.output;
  state_ = State::done;
  emit("done", {{"result", perijove::to_json(result_)}});
  event_log_->close();
  session_.execution_done(self);
  return true;
}

void CodeExecution::keep_for_cache() {
  if (cache_key_.empty() || retries_ > 0) return;
  session_.cache_.store(std::move(cache_key_), result_,
                        session_.shard().now() + request_.policies.cache.kept);
}

// ---- before the first block ----

// Each with its canonical language.
std::vector<CodeBlock> CodeExecution::judged_blocks() const {
  auto blocks = request_.judged_as.empty() ? request_.blocks : request_.judged_as;
  for (CodeBlock& block : blocks) {
    block.language = canonical_language(block.language);
    if (block.language.empty()) block.language = session_.language_;
  }
  return blocks;
}

void CodeExecution::admit() {
  AdmissionRequest what{.blocks = {},
                        .validation = request_.policies.validation,
                        .approval = request_.policies.approval,
                        .sanitize = session_.options().policies.sanitize};
  if (!what.needed()) {
    admitted({});
    return;
  }
  what.blocks = judged_blocks();
  Admission::Hooks hooks;
  hooks.on_ask = [this] {
    emit("approval_request",
         {{"code", fence_blocks(request_.judged_as.empty() ? request_.blocks : request_.judged_as)},
          {"wait_s", std::chrono::duration<double>(request_.policies.approval.wait).count()}});
  };
  hooks.done = [this](AdmissionVerdict verdict) {
    const auto self = shared_from_this();
    admission_.reset();
    admitted(std::move(verdict));
  };
  admission_ = std::make_shared<Admission>(session_.shard(), session_.python_, std::move(what),
                                           std::move(hooks));
  admission_->begin();
}

void CodeExecution::admitted(AdmissionVerdict verdict) {
  for (std::string& warning : verdict.warnings) {
    emit("warning", {{"message", warning}});
    result_.warnings.push_back(std::move(warning));
  }
  if (verdict.refusal) {
    AdmissionVerdict::Refusal& why = *verdict.refusal;
    block_ = why.block;
    block_language_ = language_of_block();
    BlockResult refused = refused_block(block_, block_language_, CodeStatus::denied,
                                        std::move(why.type), why.message, std::move(why.hint));
    refused.error->line = why.line;
    refused.error->traceback = std::move(why.message);  // told as it is, without its type
    end_block(std::move(refused));
    finish();
    return;
  }
  before_blocks();
}

bool CodeExecution::approve(bool approved, std::string_view reason) {
  return admission_ && admission_->answer(approved, reason);
}

// ---- blocks that no kernel runs ----

bool CodeExecution::decided_by_policy() {
  const SessionPolicies& policies = session_.options().policies;
  if (policies.off) {
    refuse_block(CodeStatus::denied, "execution_off", "this session runs no code: its mode is off");
    finish();
    return true;
  }
  const bool restricted = policies.restricted && block_language_ != "python";
  if (!policies.allows(block_language_) || restricted) {
    refuse_block(CodeStatus::rejected, "language_not_supported",
                 restricted ? "restricted mode runs Python only, not " + block_language_
                            : "'" + block_language_ + "' is none of this session's languages");
    finish();
    return true;
  }
  if (!policies.runs(block_language_)) {
    save_block();
    return true;
  }
  if (policies.restricted) {
    run_restricted();
  } else if (const LanguageProgram* const program = policies.program_of(block_language_)) {
    run_program(*program);
  } else if (auto command = session_.command_for(block_language_); !command.empty()) {
    run_beside(std::move(command));
  } else {
    return false;
  }
  return true;
}

// In the bash kernel, which keeps its limits, its isolation, and its word on how a program ended.
void CodeExecution::run_program(const LanguageProgram& program) {
  if (!session_.command_for("bash").empty()) {
    run_beside({program.executable});
    return;
  }
  if (const auto written = save_code(); !written) {
    refuse_unwritten(written.error());
    return;
  }
  block_command_ = shell_word(program.executable) + " " + shell_word(block_file_);
  run_in_kernel_of("bash");
}

void CodeExecution::refuse_unwritten(const Error& error) {
  const bool outside =
      error.code == Code::invalid_argument || error.code == Code::permission_denied;
  refuse_block(CodeStatus::rejected, outside ? "path_outside_work_dir" : "file_not_written",
               error.message);
  finish();
}

// The block's files, and its code in one: that which it names, or as AutoGen names it.
Result<void> CodeExecution::save_code() {
  if (const auto written = write_files(); !written || !block_file_.empty()) return written;
  block_file_ = "tmp_code_" + sha256_hex(block_code_) +
                session_.options().policies.extension_of(block_language_);
  temporary_file_ = block_file_;
  const auto saved = session_.directory().write(block_file_, block_code_);
  if (!saved) return saved.error();
  return {};
}

void CodeExecution::save_block() {
  if (const auto written = save_code(); !written) {
    refuse_unwritten(written.error());
    return;
  }
  BlockResult saved{.index = block_, .language = block_language_, .code_file = block_file_};
  saved.output = saved.stdout_text = "Code saved to " + block_file_ + "\n";
  end_block(std::move(saved));
  next_block();
}

void CodeExecution::run_restricted() {
  if (const auto written = write_files(); !written) {
    refuse_unwritten(written.error());
    return;
  }
  emit("started", {{"block", block_}, {"language", block_language_}});
  if (block_ == 0) result_.warnings.emplace_back(kRestrictedWarning);
  constexpr std::chrono::seconds kLongest{3600};
  const Duration limit = std::min<Duration>(request_.timeout.value_or(kLongest), kLongest);
  const TimePoint begun = session_.shard().now();
  json what = {{"code", block_code_},
               {"output_max", OutputLog::kBytesMax / 64},
               {"timeout", std::chrono::ceil<std::chrono::seconds>(limit).count()}};
  if (const auto most = session_.options().policies.limits.memory_bytes_max) {
    what["memory_mb"] = *most >> 20;
  }
  restricted_run_ = session_.python_.run(
      kRestrictedScript, what, limit, [this, begun](const Result<json>& answer) {
        const auto self = shared_from_this();
        restricted_run_.reset();
        BlockResult result = restricted_result(block_, answer);
        result.code_file = block_file_;
        result.duration =
            std::chrono::duration_cast<std::chrono::milliseconds>(session_.shard().now() - begun);
        stdout_log_.append(result.stdout_text);
        if (!result.stdout_text.empty()) {
          emit("stdout", {{"block", block_}, {"text", result.stdout_text}});
        }
        end_block(std::move(result));
        after_block();
      });
}

// ---- faults that are not the code's ----

// All blocks again, from the first: what the earlier ones left went with the kernel, unless a
// checkpoint has it.
bool CodeExecution::try_again() {
  const Retries& retries = request_.policies.retries;
  if (cancelled_ || retries_ >= retries.max || result_.blocks.empty()) return false;
  const std::string fault = fault_of(result_.blocks.back());
  if (!retries.on.contains(fault)) return false;
  ++retries_;
  emit("retry", {{"attempt", retries_ + 1}, {"reason", fault}});
  result_.warnings.push_back("attempt " + std::to_string(retries_) + " ended with " + fault +
                             "; all blocks were run again");
  result_.blocks.clear();
  result_.output_files.clear();
  result_.status = CodeStatus::ok;
  result_.exit_code = 0;
  result_.error.reset();
  result_.note.clear();
  kernel_ = nullptr;
  block_ = 0;
  if (session_.auto_checkpoints().can_recover() && !lost_.empty()) {
    recover([this] { next_block(); });
  } else {
    next_block();
  }
  return true;
}

}  // namespace perijove
