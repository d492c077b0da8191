#include "app/job_report.hpp"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "code/code_error.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using execution::Outcome;

std::string joined_traceback(const ErrorOutput& error) {
  std::string text;
  for (const std::string& line : error.traceback) text += line + "\n";
  return text.empty() ? error.name + ": " + error.message + "\n" : text;
}

std::string with_line_break(std::string text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

bool is_image(const DisplayOutput& display) {
  return std::any_of(display.data.begin(), display.data.end(),
                     [](const auto& entry) { return entry.first.starts_with("image/"); });
}

std::string count_of(std::size_t number, std::string_view noun) {
  return std::to_string(number) + " " + std::string(noun) + (number == 1 ? "" : "s");
}

// What a person reads of one output; an image shows only in its file.
std::string text_of(const Output& output) {
  if (const auto* stream = std::get_if<StreamOutput>(&output)) return stream->text;
  const auto* display = std::get_if<DisplayOutput>(&output);
  if (display == nullptr || is_image(*display)) return {};
  return with_line_break(plain_text(display->data));
}

}  // namespace

std::string title_of(std::string_view code) {
  while (!code.empty()) {
    const std::size_t end = std::min(code.find('\n'), code.size());
    const std::string_view line = trim(code.substr(0, end));
    if (!line.empty()) return std::string(line);
    code.remove_prefix(std::min(end + 1, code.size()));
  }
  return {};
}

std::string shown_path(const std::string& path) {
  std::error_code error;
  const fs::path here = fs::current_path(error);
  const fs::path relative = fs::path(path).lexically_relative(here);
  if (error || relative.empty() || relative.begin()->string() == "..") return path;
  return relative;
}

JobReport::JobReport(Options options)
    : options_(std::move(options)),
      console_(
          {.quiet = options_.quiet, .progress = options_.progress, .own_stdout = !options_.json}),
      started_(Clock::now()) {}

std::string JobReport::heading(std::size_t index) const {
  const std::string count = std::to_string(options_.titles.size());
  std::string number = std::to_string(index + 1);
  number.insert(0, count.size() - number.size(), ' ');
  return "[" + number + "/" + count + "] ";
}

void JobReport::on_block(std::size_t index) {
  if (!options_.headings) return;
  const std::string number = heading(index);
  console_.note(number + fit(options_.titles[index], console_.width() - number.size() - 1),
                Console::Style::dim);
}

void JobReport::on_tick(std::size_t index, Duration running) {
  if (running < std::chrono::seconds(1)) return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(running);
  console_.status((options_.headings ? heading(index) : "running ") + format_duration(seconds));
}

void JobReport::on_prompt(const InputRequest& request) {
  console_.status("");
  // ipykernel sends no prompt for getpass().
  console_.print(request.password && request.prompt.empty() ? "Password: " : request.prompt);
}

void JobReport::on_answer(const InputRequest& request) {
  if (request.password) console_.print("\n");  // the Enter was not shown either
  console_.line_ended();
}

void JobReport::on_output(const Output& output) {
  if (const auto* error = std::get_if<ErrorOutput>(&output)) {
    const bool number = !error->message.empty() &&
                        error->message.find_first_not_of("0123456789-") == std::string::npos;
    if (!system_exit_code(*error)) {
      console_.print_error(console_.traceback(joined_traceback(*error)));
    } else if (!number && system_exit_code(*error) != 0) {
      console_.print_error(with_line_break(error->message));  // sys.exit("why")
    }
    return;
  }
  const auto* stream = std::get_if<StreamOutput>(&output);
  if (stream != nullptr && stream->name == "stderr") {
    console_.print_error(stream->text);
  } else {
    console_.print(text_of(output));
  }
}

void JobReport::save(std::size_t index) {
  const std::vector<Output> outputs = results_[index].collected->outputs();
  if (!std::any_of(outputs.begin(), outputs.end(), has_files)) return;
  if (!work_dir_) {
    auto opened = WorkDir::open(options_.work_dir);
    if (!opened) {
      fail(opened.error());
      return;
    }
    work_dir_ = *std::move(opened);
  }
  Result<void> saved;
  auto files = save_outputs(*work_dir_, options_.stem, index + 1, outputs, saved);
  if (!saved) fail(saved.error());
  for (SavedFile& file : files) {
    const bool known = std::any_of(files_.begin(), files_.end(), [&](const SavedFile& earlier) {
      return earlier.path == file.path;
    });
    if (known) continue;
    console_.note("-> " + shown_path(file.path), Console::Style::dim);
    files_.push_back(std::move(file));
  }
}

void JobReport::on_block_done(std::size_t index, const RunResult& result) {
  console_.status("");
  results_.push_back(result);
  save(index);
  const bool told = result.ok() || result.verdict.outcome == Outcome::error ||
                    result.verdict.outcome == Outcome::cancelled;
  if (!told) console_.note(result.verdict.note, Console::Style::bad);
  if (result.ok() && !result.verdict.note.empty()) console_.note(result.verdict.note);
}

void JobReport::finish(const JobOutcome& outcome, const std::vector<std::string>& extra) {
  console_.status("");
  if (late_) {
    for (std::size_t i = 0; i < results_.size(); ++i) save(i);
  }
  if (outcome.error) console_.error(outcome.error->message);
  if (!options_.headings) return;  // a single program: it has said what there is to say

  const std::string took = " in " + format_duration(Clock::now() - started_);
  const std::size_t failed = failed_blocks();
  if (outcome.signal && !outcome.error && outcome.signal != SIGPIPE) {
    console_.note("interrupted after " + count_of(results_.size(), options_.noun) + took,
                  Console::Style::bad);
  } else if (outcome.failure && outcome.exit_code() != 0) {
    console_.note(options_.noun + " " + std::to_string(results_.size()) + " of " +
                      std::to_string(options_.titles.size()) + " failed" + took,
                  Console::Style::bad);
  } else if (!outcome.error) {
    const std::string failures = failed == 0 ? "" : ", " + std::to_string(failed) + " failed";
    console_.note(count_of(results_.size(), options_.noun) + took + failures,
                  failed == 0 ? Console::Style::good : Console::Style::bad);
  }
  for (const std::string& line : extra) console_.note(line);
  if (!files_.empty()) {
    console_.note(count_of(files_.size(), "file") + " in " + shown_path(work_dir_->path()));
  }
}

void JobReport::fail(const Error& error) {
  if (failure_) return;
  failure_ = error;
  console_.error(error.message);
}

int JobReport::exit_code(const JobOutcome& outcome) const {
  const int code = outcome.exit_code();
  const bool ended_for_it = outcome.signal == SIGPIPE && !console_.broken();
  return failure_ && (code == 0 || ended_for_it) ? perijove::exit_code(failure_->code) : code;
}

std::size_t JobReport::failed_blocks() const {
  return static_cast<std::size_t>(std::count_if(
      results_.begin(), results_.end(), [](const RunResult& result) { return !result.ok(); }));
}

nlohmann::json JobReport::summary(const JobOutcome& outcome, const Kernelspec& spec) const {
  std::string text;
  nlohmann::json blocks = nlohmann::json::array();
  bool state_lost = false;
  for (std::size_t i = 0; i < results_.size(); ++i) {
    const RunResult& result = results_[i];
    nlohmann::json block = {{"block", i + 1},
                            {"status", std::string(to_string(result.verdict.outcome))},
                            {"seconds", std::chrono::duration<double>(result.duration).count()},
                            {"execution_count", nullptr}};
    if (const auto count = result.collected->execution_count()) block["execution_count"] = *count;
    if (!result.verdict.note.empty()) block["note"] = result.verdict.note;
    std::string block_text;
    for (const Output& output : result.collected->outputs()) block_text += text_of(output);
    block["text"] = block_text;
    if (const auto error = result.error()) {
      std::string traceback = strip_ansi(joined_traceback(*error));
      block["error"] = {
          {"name", error->name}, {"message", error->message}, {"traceback", std::move(traceback)}};
    }
    text += block_text;
    state_lost = state_lost || result.verdict.state_lost;
    blocks.push_back(std::move(block));
  }
  nlohmann::json files = nlohmann::json::array();
  for (const SavedFile& file : files_) {
    files.push_back({{"path", file.path},
                     {"mime_type", file.mime_type},
                     {"block", file.block},
                     {"output", file.output}});
  }
  std::string status = "ok";
  if (outcome.error || (failure_ && exit_code(outcome) != outcome.exit_code())) {
    status = "failed";
  } else if (outcome.signal) {
    status = "interrupted";
  } else if (outcome.failure && outcome.exit_code() != 0) {
    status = to_string(outcome.failure->verdict.outcome);
  }
  nlohmann::json made = {
      {"status", status},
      {"exit_code", exit_code(outcome)},
      {"kernel", spec.name},
      {"language", spec.language},
      {"seconds", std::chrono::duration<double>(Clock::now() - started_).count()},
      {"text", text},
      {"state_lost", state_lost},
      {"blocks_total", options_.titles.size()},
      {"blocks_failed", failed_blocks()},
      {"blocks", std::move(blocks)},
      {"files", std::move(files)}};
  if (const auto& error = outcome.error ? outcome.error : failure_) {
    made["error"] = {{"code", std::string(to_string(error->code))}, {"message", error->message}};
  }
  return made;
}

}  // namespace perijove
