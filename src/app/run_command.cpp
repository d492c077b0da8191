#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/commands.hpp"
#include "app/job_command.hpp"
#include "app/job_report.hpp"
#include "base/text.hpp"
#include "protocol/json.hpp"
#include "protocol/nbformat.hpp"
#include "protocol/parameters.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNotebookBytesMax = std::size_t{512} * 1024 * 1024;

struct RunFlags {
  JobFlags job;
  std::string notebook;
  std::string output;
  std::vector<std::string> parameters;  // name, value, name, value ...
  std::string parameters_file;
};

Result<Parameters> read_parameters(const RunFlags& flags) {
  Parameters parameters;
  if (!flags.parameters_file.empty()) {
    constexpr std::size_t kParametersBytesMax = 16 * 1024 * 1024;
    const auto text = read_input_file(flags.parameters_file, kParametersBytesMax);
    if (!text) return text.error();
    const auto object = parse_json(*text);
    if (!object) {
      return Error{Code::invalid_argument,
                   "--params-file " + flags.parameters_file + ": " + object.error().message};
    }
    auto read = perijove::read_parameters(*object);
    if (!read) {
      return Error{read.error().code,
                   "--params-file " + flags.parameters_file + ": " + read.error().message};
    }
    parameters = *std::move(read);
  }
  for (std::size_t i = 0; i + 1 < flags.parameters.size(); i += 2) {
    parameters.push_back({flags.parameters[i], flags.parameters[i + 1]});
  }
  return parameters;
}

// The notebook gets each result as soon as it is there, and its file with it: whatever ends this
// process, what has run is kept.
class NotebookReport final : public JobReport {
 public:
  NotebookReport(Options options, Notebook notebook, std::vector<std::size_t> cells,
                 std::string output_path)
      : JobReport(std::move(options)),
        notebook_(std::move(notebook)),
        cells_(std::move(cells)),
        output_path_(std::move(output_path)) {}

  void on_started(const std::string& language_info) override {
    if (const auto info = parse_json(language_info)) notebook_.set_language_info(*info);
    write();
  }

  void on_block_done(std::size_t index, const RunResult& result) override {
    JobReport::on_block_done(index, result);
    set_result(index);
    write();
  }

  /// What came late is written, too.
  void write_last() {
    if (late()) {
      for (std::size_t i = 0; i < results().size(); ++i) set_result(i);
    }
    write();
  }

  bool wants_end() override { return unwritable_ || JobReport::wants_end(); }

  /// Whether there is a file that holds what has run.
  bool is_written() const { return written_; }

 private:
  void set_result(std::size_t index) {
    const OutputCollector& collected = *results()[index].collected;
    notebook_.set_result(cells_[index], collected.execution_count(), collected.outputs());
  }

  void write() {
    const auto written = write_file_atomically(output_path_, notebook_.to_text());
    written_ = written_ || written;
    unwritable_ = !written;
    if (!written) fail(written.error());
  }

  Notebook notebook_;
  std::vector<std::size_t> cells_;  // of each block
  std::string output_path_;
  bool written_ = false;
  bool unwritable_ = false;  // the last time
};

int run_notebook(const RunFlags& flags) {
  const auto text = read_input_file(flags.notebook, kNotebookBytesMax);
  if (!text) return report_failure(flags.job, text.error());
  auto notebook = Notebook::parse(*text);
  if (!notebook) {
    const std::string extension = to_lower(fs::path(flags.notebook).extension().string());
    const bool is_program = !extension.empty() && extension != ".ipynb" && extension != ".json";
    return report_failure(
        flags.job,
        {notebook.error().code,
         is_program ? flags.notebook + " is no notebook; use `perijove exec " + flags.notebook + "`"
                    : flags.notebook + ": " + notebook.error().message});
  }
  const auto parameters = read_parameters(flags);
  if (!parameters) return report_failure(flags.job, parameters.error());

  const bool standard_input = flags.notebook == "-";
  const fs::path file = standard_input ? "notebook.ipynb" : fs::path(flags.notebook).filename();
  const std::string stem = output_stem(file.string());
  const std::string work_dir = flags.job.work_dir.empty() ? "out/" + stem : flags.job.work_dir;
  const std::string output =
      flags.output.empty() ? (fs::path(work_dir) / file).string() : flags.output;
  const fs::path own_directory = fs::path(flags.notebook).parent_path();
  auto options = to_job_options(
      flags.job, standard_input || own_directory.empty() ? "." : own_directory.string());
  if (!options) return report_failure(flags.job, options.error());
  if (options->kernel.empty()) options->kernel = notebook->kernel_name();
  if (options->kernel.empty()) options->kernel = notebook->language();

  auto job = Job::create(*std::move(options));
  if (!job) {
    Error error = job.error();
    if (error.code == Code::not_found && flags.job.kernel.empty()) {
      error.message += "; the notebook asks for it, --kernel NAME runs it in another";
    }
    return report_failure(flags.job, error);
  }
  const Kernelspec& spec = (*job)->spec();
  if (const auto injected = inject_parameters(*notebook, *parameters, spec.language); !injected) {
    return report_failure(flags.job, injected.error());
  }
  notebook->clear_results();
  notebook->set_kernelspec(spec.name, spec.display_name, spec.language);

  std::vector<std::string> blocks;
  std::vector<std::size_t> cells;
  JobReport::Options report_options{.work_dir = work_dir,
                                    .stem = stem,
                                    .json = flags.job.json,
                                    .quiet = flags.job.quiet,
                                    .progress = !flags.job.no_progress,
                                    .noun = "cell",
                                    .titles = {}};
  for (std::size_t i = 0; i < notebook->size(); ++i) {
    Cell cell = notebook->cell(i);
    if (cell.type != CellType::code || trim(cell.source).empty()) continue;
    report_options.titles.push_back(title_of(cell.source));
    blocks.push_back(std::move(cell.source));
    cells.push_back(i);
  }
  const std::size_t count = blocks.size();
  NotebookReport report(std::move(report_options), *std::move(notebook), cells, output);
  report.console().note((standard_input ? "standard input" : flags.notebook) + ": " +
                        std::to_string(count) + (count == 1 ? " code cell" : " code cells") +
                        " in kernel " + spec.name);
  const JobOutcome outcome = (*job)->run(std::move(blocks), report);
  if (!outcome.error) report.write_last();
  std::vector<std::string> places;
  if (report.is_written()) {
    places.push_back("notebook in " + shown_path(fs::absolute(output).string()));
  }
  report.finish(outcome, places);

  if (flags.job.json) {
    nlohmann::json summary = report.summary(outcome, spec);
    summary["notebook"] = fs::absolute(output).lexically_normal().string();
    for (nlohmann::json& block : summary["blocks"]) {
      block["cell"] = cells[block["block"].get<std::size_t>() - 1];
    }
    report.console().result(dump_json_pretty(summary));
  }
  return report.exit_code(outcome);
}

}  // namespace

void add_run_command(CLI::App& app, Action& action) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* const command = app.add_subcommand(
      "run", "Execute a notebook in one kernel; write it with its outputs, and those as files");
  command->add_option("NOTEBOOK", flags->notebook, "An .ipynb file; - is standard input")
      ->option_text(" ")
      ->required();
  command
      ->add_option("-o,--output", flags->output,
                   "Where the executed notebook is written [WORK_DIR/NOTEBOOK]")
      ->option_text("FILE");
  command
      ->add_option("-p,--parameter", flags->parameters,
                   "Set in a cell after the one tagged `parameters`; may be repeated")
      ->type_size(2)
      ->option_text("NAME VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--params-file", flags->parameters_file,
                   "A JSON object of parameters; -p wins over it")
      ->option_text("FILE");
  add_job_flags(*command, flags->job, "Directory that the kernel runs in [the notebook's]");
  command->footer(
      "Exit codes: 0; 1 when a cell failed; 124 out of time; 130 interrupted (the notebook has "
      "what\n"
      "ran); 64 and above for what kept it from running.");
  command->callback([flags, &action] { action = [flags] { return run_notebook(*flags); }; });
}

}  // namespace perijove
