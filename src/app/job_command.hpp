#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "app/job.hpp"

namespace perijove {

/// The options that `run` and `exec` share, as they stand on the command line.
struct JobFlags {
  std::string kernel;
  std::string cwd;
  std::string isolation;
  std::string work_dir;
  std::string timeout;
  std::string start_timeout = "60";
  std::string runtime_dir;
  std::vector<std::string> env;
  std::vector<std::string> inherit_env;
  std::string log_level = "error";
  bool allow_errors = false;
  bool json = false;
  bool quiet = false;
  bool no_progress = false;
};

void add_job_flags(CLI::App& command, JobFlags& flags, const std::string& cwd_description);

/// `default_cwd` is where the kernel runs when --cwd does not say. Errors: invalid_argument for
/// what cannot be read, not_found for a directory that does not exist.
Result<JobOptions> to_job_options(const JobFlags& flags, const std::string& default_cwd);

/// Reads the NAME=VALUE of --env.
Result<Environment> read_env_flags(const std::vector<std::string>& flags);

/// Says why nothing was run, as JSON too when that was asked for, and returns the exit code.
int report_failure(const JobFlags& flags, const Error& error);

/// The file's text; `-` is standard input. Errors name the file.
Result<std::string> read_input_file(const std::string& path, std::size_t bytes_max);

}  // namespace perijove
