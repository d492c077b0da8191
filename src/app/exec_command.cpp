#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/commands.hpp"
#include "app/exec_source.hpp"
#include "app/job_command.hpp"
#include "app/job_report.hpp"
#include "base/text.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSourceBytesMax = 64 * 1024 * 1024;

struct ExecFlags {
  JobFlags job;
  std::string file;
  std::string code;
  std::string language;
  bool markdown = false;
  bool skip_others = false;
};

Result<std::string> read_text(const ExecFlags& flags) {
  if (flags.code.empty() == flags.file.empty()) {
    return Error{Code::invalid_argument,
                 "name one source of code: a FILE, - for standard input, or -c CODE"};
  }
  if (to_lower(flags.file).ends_with(".ipynb")) {
    return Error{Code::invalid_argument,
                 flags.file + " is a notebook; use `perijove run " + flags.file + "`"};
  }
  if (!flags.code.empty()) return flags.code;
  return read_input_file(flags.file, kSourceBytesMax);
}

// The language that the flags or the file's name tell; empty for any.
Result<std::string> wanted_language(const ExecFlags& flags) {
  if (!flags.language.empty()) return flags.language;
  if (!flags.code.empty() || flags.file == "-") return std::string();
  const std::string by_name = language_of_file(flags.file);
  if (!by_name.empty() || flags.markdown || !flags.job.kernel.empty()) return by_name;
  return Error{Code::invalid_argument, "cannot tell the language of " + flags.file +
                                           " by its name; say it with --language or --kernel"};
}

// `kernel_language` is that of the kernel, when it is known already.
Result<ExecSource> split_source(const ExecFlags& flags, std::string text,
                                const std::string& language, const std::string& kernel_language) {
  if (flags.markdown || language == "markdown") {
    const bool said = !flags.language.empty() && flags.language != "markdown";
    return read_markdown(text, said ? flags.language : kernel_language, flags.skip_others);
  }
  ExecSource source;
  source.language = language;
  source.titles.push_back(title_of(text));
  source.blocks.push_back(std::move(text));
  return source;
}

int exec_code(const ExecFlags& flags) {
  auto text = read_text(flags);
  if (!text) return report_failure(flags.job, text.error());
  const auto language = wanted_language(flags);
  if (!language) return report_failure(flags.job, language.error());
  auto options = to_job_options(flags.job, ".");
  if (!options) return report_failure(flags.job, options.error());
  // As with any interpreter: input() reads what is piped in, unless the program itself came so.
  options->allow_input = flags.file != "-";

  // A kernel that was named decides which blocks are its own; without one, the blocks name theirs.
  std::unique_ptr<Job> job;
  if (!options->kernel.empty()) {
    auto created = Job::create(*options);
    if (!created) return report_failure(flags.job, created.error());
    job = *std::move(created);
  }
  auto source = split_source(flags, *std::move(text), *language, job ? job->spec().language : "");
  if (!source) return report_failure(flags.job, source.error());
  if (!job) {
    options->kernel = source->language;
    auto created = Job::create(*std::move(options));
    if (!created) return report_failure(flags.job, created.error());
    job = *std::move(created);
  }
  const Kernelspec& spec = job->spec();
  const bool named = !flags.file.empty() && flags.file != "-";
  const std::string stem =
      named ? output_stem(flags.file) : std::string(flags.code.empty() ? "stdin" : "code");
  JobReport report({.work_dir = flags.job.work_dir.empty() ? "out/" + stem : flags.job.work_dir,
                    .stem = stem,
                    .json = flags.job.json,
                    .quiet = flags.job.quiet,
                    .progress = !flags.job.no_progress,
                    .headings = source->blocks.size() > 1,
                    .titles = source->titles});
  if (source->skipped > 0) {
    report.console().note(std::to_string(source->skipped) + " blocks of other languages than " +
                          source->language + " are skipped");
  }
  const JobOutcome outcome = job->run(std::move(source->blocks), report);
  report.finish(outcome, {});
  if (flags.job.json) report.console().result(dump_json_pretty(report.summary(outcome, spec)));
  return report.exit_code(outcome);
}

}  // namespace

void add_exec_command(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ExecFlags>();
  CLI::App* const command = app.add_subcommand(
      "exec", "Execute a program, or the code blocks of a markdown text, in one kernel");
  command
      ->add_option("FILE", flags->file,
                   "A .py, .R, .sh, .js, .jl ... or .md file; - is standard input")
      ->option_text(" ");
  command->add_option("-c,--code", flags->code, "The code itself")->option_text("CODE");
  command
      ->add_option("-l,--language", flags->language,
                   "The code's language, when FILE does not end in it")
      ->option_text("NAME");
  command->add_flag("--markdown", flags->markdown, "The text is markdown whatever its name says");
  command->add_flag("--skip-others", flags->skip_others,
                    "Pass over markdown blocks in other languages instead of refusing them");
  add_job_flags(*command, flags->job, "Directory that the kernel runs in [the current one]");
  command->footer(
      "The exit code is that of the code: 0, 1 for an exception, N for SystemExit(N);\n"
      "124 out of time, 130 interrupted, 64 and above for what kept it from running.");
  command->callback([flags, &action] { action = [flags] { return exec_code(*flags); }; });
}

}  // namespace perijove
