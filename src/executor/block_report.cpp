#include "executor/block_report.hpp"

#include <algorithm>
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

std::string error_text(const CodeError& error) {
  return error.traceback.empty() ? error.type + ": " + error.message : error.traceback;
}

bool is_inline_image(std::string_view type) {
  return type == "image/png" || type == "image/jpeg" || type == "image/gif" || type == "image/webp";
}

// Why that image is no part of the answer; empty when it is.
std::string reason_not_inline(const OutputFile& file, const OutputPolicy& policy) {
  if (file.size_bytes > policy.inline_image_bytes_max) {
    return std::to_string(file.size_bytes) + " bytes; at most " +
           std::to_string(policy.inline_image_bytes_max) + " are given inline";
  }
  if (!file.width || !file.height) return "its dimensions are not known";
  const std::uint32_t edge = std::max(*file.width, *file.height);
  if (edge <= policy.inline_image_pixels_max) return {};
  return std::to_string(*file.width) + "x" + std::to_string(*file.height) + " pixels; at most " +
         std::to_string(policy.inline_image_pixels_max) +
         " on the longer side are given inline: make a smaller figure, or use the file";
}

// Fills `results`; saves the displays that are not yet.
void report_displays(const std::vector<Output>& outputs, const BlockContext& context,
                     BlockReport& report) {
  for (const Output& output : outputs) {
    const auto* display = std::get_if<DisplayOutput>(&output);
    if (display == nullptr) continue;
    const bool known = context.reported != nullptr && context.reported->contains(display->position);
    ReportedDisplay shown =
        known ? context.reported->at(display->position) : report_display(*display, context);
    if (!shown.display_id.empty()) {
      report.updatable.insert_or_assign(display->position,
                                        UpdatableDisplay{report.result.results.size(), shown});
    }
    for (OutputFile& file : shown.files) report.files.push_back(std::move(file));
    for (std::string& warning : shown.warnings) report.warnings.push_back(std::move(warning));
    report.result.results.push_back(std::move(shown.rich));
  }
}

bool is_cache(std::string_view path) {
  for (const std::string_view name : {"__pycache__/", ".ipynb_checkpoints/"}) {
    const std::size_t at = path.find(name);
    if (at != path.npos && (at == 0 || path[at - 1] == '/')) return true;
  }
  return false;
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
    if (is_cache(path)) continue;
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

ReportedDisplay report_display(const DisplayOutput& display, const BlockContext& context) {
  ReportedDisplay shown;
  shown.display_id = display.display_id;
  shown.rich = {.is_result = display.is_result, .text = plain_text(display.data)};
  const DisplayOutput* saved_display = &display;
  DisplayOutput without_images;
  if (context.policy.images == ImagePolicy::none) {
    without_images = display;
    std::erase_if(without_images.data,
                  [](const auto& entry) { return entry.first.starts_with("image/"); });
    saved_display = &without_images;
  }
  Result<void> failure;
  const auto saved = save_display(context.directory, context.stem, context.index + 1,
                                  display.position, *saved_display, failure);
  if (!failure) shown.warnings.push_back(failure.error().message);
  for (const SavedFile& each : saved) {
    OutputFile file{.path = each.path.substr(context.directory.path().size() + 1),
                    .mime_type = each.mime_type,
                    .block = context.index};
    if (const auto entry = context.directory.stat(file.path)) file.size_bytes = entry->size_bytes;
    describe_contents(context.directory, file);
    shown.rich.files.emplace(each.mime_type, file.path);
    if (context.policy.images == ImagePolicy::in_line && is_inline_image(each.mime_type)) {
      std::string reason = reason_not_inline(file, context.policy);
      if (reason.empty()) {
        shown.rich.inline_data.emplace(each.mime_type, display.data.at(each.mime_type));
      } else {
        shown.rich.not_inline.emplace(each.mime_type, std::move(reason));
      }
    }
    shown.files.push_back(std::move(file));
  }
  return shown;
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
    if (block.error) append_line(block.output, error_text(*block.error));
  }
  fit(result.output, &result.output_cut);
  fit(result.stdout_text, &result.stdout_cut);
  fit(result.stderr_text, &result.stderr_cut);
  // After the output, whatever that took: the error that the verdict is about, whole, and those of
  // further blocks that ran all the same, within the budget.
  if (result.error) append_line(result.output, error_text(*result.error));
  std::string further;
  for (const BlockResult& block : result.blocks) {
    if (!block.error || (result.error && block.error->block == result.error->block)) continue;
    append_line(further, "Block " + std::to_string(block.index) + ": " + error_text(*block.error));
  }
  fit(further, nullptr);
  append_line(result.output, further);
}

}  // namespace perijove
