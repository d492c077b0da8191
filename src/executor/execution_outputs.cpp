// What those who follow an execution are told while it runs, and the files of its displays.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "code/result_json.hpp"
#include "executor/code_execution.hpp"
#include "executor/code_session.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr std::size_t kTextPieceBytes = 32 * 1024;
constexpr auto kTextDelay = std::chrono::milliseconds(20);

std::string padded(std::uint64_t number) {
  std::string text = std::to_string(number);
  return text.size() < 4 ? std::string(4 - text.size(), '0') + text : text;
}

json display_event(const ReportedDisplay& shown, std::size_t block) {
  json data = to_json(shown.rich, shown.files);
  data["block"] = block;
  if (!shown.display_id.empty()) data["display_id"] = shown.display_id;
  return data;
}

}  // namespace

void CodeExecution::on_output(const Output& output) {
  if (done()) return;
  if (std::exchange(clear_is_due_, false)) displays_.clear();
  const auto* stream = std::get_if<StreamOutput>(&output);
  if (stream == nullptr) return;  // displays come by on_display(), errors are told with their block
  (stream->name == "stderr" ? stderr_log_ : stdout_log_).append(stream->text);
  if (text_stream_ != stream->name) emit_text();
  text_stream_ = stream->name;
  if (stream->text.size() >= kTextPieceBytes) {
    emit_text();
    event_log_->add_text(text_stream_, block_, stream->text);
    return;
  }
  text_ += stream->text;
  if (text_.size() >= kTextPieceBytes) {
    emit_text();
  } else {
    emit_soon();
  }
}

void CodeExecution::emit_soon() {
  if (std::exchange(text_is_due_, true)) return;
  text_timer_.expires_after(kTextDelay);
  text_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self) return;
    self->text_is_due_ = false;
    self->emit_text();
    self->emit_updates();
  });
}

void CodeExecution::emit_text() {
  if (text_.empty()) return;
  event_log_->add_text(text_stream_, block_, text_);
  text_.clear();
}

std::string CodeExecution::output_stem() const { return "outputs/" + padded(number_); }

BlockContext CodeExecution::block_context() const {
  return {.directory = session_.directory(),
          .policy = request_.output,
          .stem = output_stem(),
          .index = block_,
          .language = block_language_,
          .code = {}};
}

// Saves a display of the running block and tells it as an event of that type.
void CodeExecution::report(const DisplayOutput& display, std::string type) {
  ReportedDisplay shown = report_display(display, block_context());
  for (const OutputFile& file : shown.files) display_files_.insert(file.path);
  emit(std::move(type), display_event(shown, block_));
  displays_.insert_or_assign(display.position, std::move(shown));
}

void CodeExecution::on_display(const DisplayOutput& display) {
  if (done() || !in_block_) return;
  if (std::exchange(clear_is_due_, false)) displays_.clear();
  emit_updates();
  report(display, display.is_result ? "result" : "display");
}

void CodeExecution::on_update(const DisplayUpdate& update) {
  if (done() || !in_block_) return;
  emit_text();
  Update& latest = updates_[update.content.display_id];
  latest = {.content = update.content, .displays = {}};
  for (const DisplayOutput* each : update.displays) latest.displays.push_back(*each);
  emit_soon();
}

void CodeExecution::emit_updates() {
  for (const auto& [id, update] : std::exchange(updates_, {})) {
    for (const DisplayOutput& display : update.displays) report(display, "update_display");
    for (auto& [stem, block, index, shown] :
         session_.displays_.update(session_.directory(), update.content)) {
      emit("update_display", display_event(shown, block_));
      take_update(shown);
      if (stem == output_stem()) result_.blocks[block].results[index] = std::move(shown.rich);
    }
  }
}

// The files of a display of an earlier block, which this one has updated.
void CodeExecution::take_update(const ReportedDisplay& shown) {
  for (const OutputFile& file : shown.files) {
    updated_files_.insert(file.path);
    const auto same = [&](const OutputFile& each) { return each.path == file.path; };
    auto& files = result_.output_files;
    const auto known = std::find_if(files.begin(), files.end(), same);
    if (known == files.end()) {
      files.push_back(file);
      files.back().block = block_;
    } else {  // of this execution: told once, as it is now
      const bool created = known->created;
      *known = file;
      known->created = created;
    }
  }
}

void CodeExecution::on_clear(bool wait) {
  if (done() || !in_block_) return;
  emit_text();
  emit_updates();
  emit("clear", {{"block", block_}, {"wait", wait}});
  if (wait) {
    clear_is_due_ = true;
  } else {
    displays_.clear();
  }
}

// Those of displays that were cleared, or have another type now.
void CodeExecution::remove_stale_files(const std::vector<OutputFile>& kept) {
  for (const OutputFile& file : kept) display_files_.erase(file.path);
  for (const std::string& path : display_files_) (void)session_.directory().remove(path);
}

void CodeExecution::on_input(const InputRequest& request) {
  if (done()) return;
  emit_text();
  waits_for_input_ = true;
  emit("input_request", {{"prompt", request.prompt}, {"password", request.password}});
}

void CodeExecution::emit(std::string type, json data) {
  if (!text_.empty() && type != text_stream_) emit_text();
  event_log_->add(std::move(type), std::move(data));
}

}  // namespace perijove
