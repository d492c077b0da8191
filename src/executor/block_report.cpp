#include "executor/block_report.hpp"

#include <utility>

#include "code/code_error.hpp"
#include "engine/output_files.hpp"
#include "protocol/mime.hpp"
#include "protocol/sha256.hpp"

namespace perijove {
namespace {

using execution::Outcome;

constexpr std::uint64_t kHashedBytesMax = 64 * 1024 * 1024;

void describe_contents(const WorkDir& directory, OutputFile& file) {
  if (file.size_bytes > kHashedBytesMax) return;
  const auto bytes = directory.read(file.path);
  if (!bytes) return;
  file.size_bytes = bytes->size();
  file.sha256 = sha256_hex(*bytes);
  if (const auto size = image_size(*bytes)) {
    file.width = size->width;
    file.height = size->height;
  }
}

CodeStatus status_of(const RunResult& run, const BlockContext& context,
                     const std::optional<ErrorOutput>& error) {
  switch (run.verdict.outcome) {
    case Outcome::ok:
      return CodeStatus::ok;
    case Outcome::timed_out:
      return CodeStatus::timeout;
    case Outcome::cancelled:
      return context.ran_out_of_total_time ? CodeStatus::timeout : CodeStatus::cancelled;
    case Outcome::interrupted:
      return CodeStatus::interrupted;
    case Outcome::died:
      return context.out_of_memory.value_or(false) ? CodeStatus::out_of_memory
                                                   : CodeStatus::kernel_died;
    case Outcome::error:
    case Outcome::aborted:
    case Outcome::needs_input:
      break;
  }
  const bool keyboard = error && error->name == "KeyboardInterrupt";
  return keyboard && context.was_interrupted ? CodeStatus::interrupted : CodeStatus::error;
}

// What a shell's kernel says of a command that failed: `exit status 3`.
std::optional<int> command_exit_code(const ErrorOutput& error) {
  constexpr std::string_view kSaying = "exit status ";
  const std::string_view message = error.message;
  if (!message.starts_with(kSaying) || message.size() == kSaying.size()) return std::nullopt;
  int code = 0;
  for (const char c : message.substr(kSaying.size())) {
    if (c < '0' || c > '9') return std::nullopt;
    code = code * 10 + (c - '0');
    if (code > 255) return std::nullopt;
  }
  return code;
}

void append_line(std::string& text, std::string_view line) {
  if (line.empty()) return;
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += line;
  if (text.back() != '\n') text += '\n';
}

bool is_inline_image(std::string_view type) {
  return type == "image/png" || type == "image/jpeg" || type == "image/gif" || type == "image/webp";
}

// Saves the displays and fills `results`.
void report_displays(const std::vector<Output>& outputs, const BlockContext& context,
                     BlockReport& report) {
  std::vector<Output> kept = outputs;
  if (context.policy.images == ImagePolicy::none) {
    for (Output& output : kept) {
      if (auto* display = std::get_if<DisplayOutput>(&output)) {
        std::erase_if(display->data,
                      [](const auto& entry) { return entry.first.starts_with("image/"); });
      }
    }
  }
  Result<void> failure;
  const auto saved =
      save_outputs(context.directory, context.stem, context.index + 1, kept, failure);
  if (!failure) report.warnings.push_back(failure.error().message);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto* display = std::get_if<DisplayOutput>(&kept[i]);
    if (display == nullptr) continue;
    RichOutput rich{.is_result = display->is_result,
                    .text = plain_text(std::get<DisplayOutput>(outputs[i]).data)};
    for (const SavedFile& each : saved) {
      if (each.output != i) continue;
      OutputFile file{.path = each.path.substr(context.directory.path().size() + 1),
                      .mime_type = each.mime_type,
                      .block = context.index};
      if (const auto entry = context.directory.stat(file.path)) file.size_bytes = entry->size_bytes;
      describe_contents(context.directory, file);
      rich.files.emplace(each.mime_type, file.path);
      const std::string& data = display->data.at(each.mime_type);
      if (context.policy.images == ImagePolicy::in_line && is_inline_image(each.mime_type) &&
          file.size_bytes <= context.policy.inline_image_bytes_max) {
        rich.inline_data.emplace(each.mime_type, data);
      }
      report.files.push_back(std::move(file));
    }
    report.result.results.push_back(std::move(rich));
  }
}

}  // namespace

WorkDirSnapshot take_snapshot(const WorkDir& directory) {
  WorkDirSnapshot snapshot;
  auto entries = directory.list("", true, kSnapshotFilesMax);
  if (!entries) {
    snapshot.complete = false;
    return snapshot;
  }
  for (WorkDirEntry& entry : *entries) {
    if (entry.kind != WorkDirEntry::Kind::file) continue;
    std::string path = entry.path;
    snapshot.files.emplace(std::move(path), std::move(entry));
  }
  return snapshot;
}

std::vector<OutputFile> find_changes(const WorkDir& directory, const WorkDirSnapshot& before,
                                     const WorkDirSnapshot& after, std::size_t block) {
  std::vector<OutputFile> changes;
  if (!before.complete || !after.complete) return changes;
  for (const auto& [path, entry] : after.files) {
    const auto known = before.files.find(path);
    const bool created = known == before.files.end();
    if (!created && known->second.size_bytes == entry.size_bytes &&
        known->second.modified_ns == entry.modified_ns && known->second.inode == entry.inode) {
      continue;
    }
    OutputFile file{.path = path,
                    .mime_type = std::string(mime_type_of_file(path)),
                    .size_bytes = entry.size_bytes,
                    .source = OutputFile::Source::written,
                    .created = created,
                    .block = block};
    describe_contents(directory, file);
    changes.push_back(std::move(file));
  }
  return changes;
}

BlockReport report_block(const RunResult& run, const BlockContext& context) {
  BlockReport report;
  BlockResult& result = report.result;
  result.index = context.index;
  result.language = context.language;
  result.execution_count = run.collected->execution_count();
  result.duration = std::chrono::duration_cast<std::chrono::milliseconds>(run.duration);
  const std::vector<Output> outputs = run.collected->outputs();
  std::optional<ErrorOutput> error;
  for (const Output& output : outputs) {
    if (const auto* stream = std::get_if<StreamOutput>(&output)) {
      (stream->name == "stderr" ? result.stderr_text : result.stdout_text) += stream->text;
      result.output += stream->text;
    } else if (const auto* display = std::get_if<DisplayOutput>(&output)) {
      append_line(result.output, plain_text(display->data));
    } else {
      error = std::get<ErrorOutput>(output);
    }
  }
  report_displays(outputs, context, report);

  result.status = status_of(run, context, error);
  result.exit_code = exit_code(result.status);
  if (error) {
    result.error = make_code_error(*error, {.code = context.code,
                                            .language = context.language,
                                            .execution_count = result.execution_count});
    result.error->block = context.index;
    auto asked = system_exit_code(*error);
    if (!asked) asked = command_exit_code(*error);
    if (asked && result.status == CodeStatus::error) {
      result.exit_code = *asked;
      if (*asked == 0) {
        result.status = CodeStatus::ok;
        result.error.reset();
      }
    }
  }
  const OutputCuts& cuts = run.collected->cuts();
  if (cuts.any()) {
    report.warnings.push_back(
        "block " + std::to_string(context.index) + " put out more than is kept in memory: " +
        std::to_string(cuts.text_bytes + cuts.data_bytes) + " bytes are missing here");
  }
  return report;
}

BlockResult refused_block(std::size_t index, std::string language, CodeStatus status,
                          std::string type, std::string message, std::string hint) {
  BlockResult result;
  result.index = index;
  result.language = std::move(language);
  result.status = status;
  result.exit_code = exit_code(status);
  result.error = CodeError{.type = std::move(type),
                           .message = std::move(message),
                           .block = index,
                           .hint = std::move(hint)};
  return result;
}

void fit_result(CodeResult& result, const OutputPolicy& policy) {
  TextBudget budget = policy.budget;
  if (budget.whole_at.empty() && !result.execution_id.empty()) {
    budget.whole_at = "GET /v1/executions/" + result.execution_id + "/output";
  }
  const auto fit = [&budget](std::string& text, std::optional<Truncation>* cut) {
    FittedText fitted = fit_text(text, budget);
    text = std::move(fitted.text);
    if (cut != nullptr) *cut = fitted.cut;
  };
  result.output.clear();
  result.stdout_text.clear();
  result.stderr_text.clear();
  for (BlockResult& block : result.blocks) {
    result.output += block.output;
    result.stdout_text += block.stdout_text;
    result.stderr_text += block.stderr_text;
    fit(block.output, nullptr);
    fit(block.stdout_text, nullptr);
    fit(block.stderr_text, nullptr);
    // The error survives whatever the streams took.
    if (block.error) {
      append_line(block.output, block.error->traceback.empty()
                                    ? block.error->type + ": " + block.error->message
                                    : block.error->traceback);
    }
  }
  fit(result.output, &result.output_cut);
  fit(result.stdout_text, &result.stdout_cut);
  fit(result.stderr_text, &result.stderr_cut);
  if (result.error) {
    append_line(result.output, result.error->traceback.empty()
                                   ? result.error->type + ": " + result.error->message
                                   : result.error->traceback);
  }
}

}  // namespace perijove
