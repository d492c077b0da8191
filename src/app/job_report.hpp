#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/console.hpp"
#include "app/job.hpp"
#include "engine/output_files.hpp"

namespace perijove {

/// What `run` and `exec` have in common towards their user: progress, the text of the code on the
/// terminal, the files of its outputs, and the summary.
class JobReport : public JobObserver {
 public:
  struct Options {
    std::string work_dir;  ///< Made when the first file is.
    std::string stem;      ///< Of the files' names.
    bool json = false;
    bool quiet = false;
    bool progress = true;
    bool headings = true;             ///< A line before each block, and one at the end.
    std::string noun = "block";       ///< What a block is called.
    std::vector<std::string> titles;  ///< Of the blocks: their first lines.
  };

  explicit JobReport(Options options);

  Console& console() { return console_; }
  const std::vector<SavedFile>& files() const { return files_; }

  void on_started(const std::string&) override {}
  void on_block(std::size_t index) override;
  void on_output(const Output& output) override;
  void on_block_done(std::size_t index, const RunResult& result) override;
  void on_late_output() override { late_ = true; }
  void on_prompt(const InputRequest& request) override;
  void on_answer(const InputRequest& request) override;
  void on_tick(std::size_t index, Duration running) override;
  /// When what it gives can go nowhere.
  bool wants_end() override { return console_.broken(); }

  /// The job's, or that of a failure to store what it gave.
  int exit_code(const JobOutcome& outcome) const;

  /// Saves what late output has changed, and says how it went: errors, time, where the files are.
  /// `extra` are lines such as where the notebook is.
  void finish(const JobOutcome& outcome, const std::vector<std::string>& extra);

  /// The summary as JSON; `run` and `exec` add what is theirs.
  nlohmann::json summary(const JobOutcome& outcome, const Kernelspec& spec) const;

 protected:
  /// The results so far, one for each block that has run.
  const std::vector<RunResult>& results() const { return results_; }
  bool late() const { return late_; }

  /// Tells what kept results from being stored, the first time only, and remembers it.
  void fail(const Error& error);

 private:
  void save(std::size_t index);
  std::string heading(std::size_t index) const;
  std::size_t failed_blocks() const;

  Options options_;
  Console console_;
  std::optional<WorkDir> work_dir_;
  std::vector<RunResult> results_;
  std::vector<SavedFile> files_;
  std::optional<Error> failure_;
  TimePoint started_;
  bool late_ = false;
};

/// The line by which a block is known: its first that says something.
std::string title_of(std::string_view code);

/// A path as a person would type it: relative when it is below the current directory.
std::string shown_path(const std::string& path);

}  // namespace perijove
