#include "app/job_command.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "app/console.hpp"
#include "app/standard_input.hpp"
#include "app/units.hpp"
#include "base/log.hpp"
#include "protocol/json.hpp"

namespace perijove {

namespace fs = std::filesystem;

Result<Environment> read_env_flags(const std::vector<std::string>& flags) {
  nlohmann::json variables = nlohmann::json::object();
  for (const std::string& flag : flags) {
    const std::size_t equals = flag.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error{Code::invalid_argument, "--env takes NAME=VALUE, not '" + flag +
                                               "'; to pass on a variable of yours: " + flag +
                                               "=\"$" + flag + "\""};
    }
    variables[flag.substr(0, equals)] = flag.substr(equals + 1);
  }
  return read_client_environment(variables);
}

void add_job_flags(CLI::App& command, JobFlags& flags, const std::string& cwd_description) {
  command
      .add_option("-k,--kernel", flags.kernel,
                  "Kernelspec (python3) or language (python, R); see `perijove kernelspec list`")
      ->option_text("NAME");
  command
      .add_option("--work-dir", flags.work_dir,
                  "Where images, HTML and other outputs are saved [out/NAME]")
      ->option_text("DIR");
  command.add_option("--cwd", flags.cwd, cwd_description)->option_text("DIR");
  command
      .add_option("--isolation", flags.isolation,
                  "What keeps the kernel from this machine: none, sandbox, docker, or auto, the "
                  "strongest that can be had. Without it the code is taken for your own, as by any "
                  "interpreter [none]")
      ->option_text("KIND");
  command
      .add_option("--timeout", flags.timeout,
                  "Seconds that one block may take (also 250ms, 10m, 2h); it is then interrupted, "
                  "and the exit code is 124 [no limit]")
      ->option_text("SECONDS");
  command
      .add_option("--start-timeout", flags.start_timeout,
                  "Seconds that the kernel may take to start [60]")
      ->option_text("SECONDS");
  command.add_option("--env", flags.env, "A variable for the kernel; may be repeated")
      ->option_text("NAME=VALUE")
      ->allow_extra_args(false);
  command
      .add_option("--inherit-env", flags.inherit_env,
                  "A variable of this environment that the kernel gets too, or a pattern such as "
                  "'AWS_*'; may be repeated. Without it kernels get PATH, HOME, LANG and the like")
      ->option_text("NAME")
      ->allow_extra_args(false);
  command.add_flag("--allow-errors", flags.allow_errors,
                   "Go on after a block that failed; the exit code is 0 then");
  command.add_flag("--json", flags.json, "Print one JSON summary, and nothing else, on stdout");
  command.add_flag("-q,--quiet", flags.quiet, "Only what the code prints, and errors");
  command.add_flag("--no-progress", flags.no_progress, "No line that changes in place");
  command
      .add_option("--runtime-dir", flags.runtime_dir,
                  "Base directory of sockets and connection files")
      ->option_text("DIR");
  command.add_option("--log-level", flags.log_level, "debug, info, warning, error or off [error]")
      ->option_text("LEVEL");
}

Result<JobOptions> to_job_options(const JobFlags& flags, const std::string& default_cwd) {
  JobOptions options;
  options.kernel = flags.kernel;
  options.inherit_env = flags.inherit_env;
  options.isolation = flags.isolation;
  options.runtime_base = flags.runtime_dir;
  options.allow_errors = flags.allow_errors;
  options.allow_input = StandardInput::is_terminal();
  if (!log::set_level(flags.log_level)) {
    return Error{Code::invalid_argument,
                 "--log-level must be debug, info, warning, error or off, "
                 "not '" +
                     flags.log_level + "'"};
  }
  auto env = read_env_flags(flags.env);
  if (!env) return env.error();
  options.env = *std::move(env);
  if (!flags.timeout.empty()) {
    const auto timeout = parse_duration(flags.timeout, "--timeout");
    if (!timeout) return timeout.error();
    if (*timeout > Duration::zero()) options.timeout = *timeout;
  }
  const auto start_timeout = parse_duration(flags.start_timeout, "--start-timeout");
  if (!start_timeout) return start_timeout.error();
  options.start_timeout = *start_timeout;

  std::error_code error;
  const fs::path cwd = fs::canonical(flags.cwd.empty() ? default_cwd : flags.cwd, error);
  if (error || !fs::is_directory(cwd, error)) {
    return Error{Code::not_found, "--cwd " + flags.cwd + ": no such directory"};
  }
  options.cwd = cwd;
  return options;
}

int report_failure(const JobFlags& flags, const Error& error) {
  Console console({.quiet = flags.quiet});
  console.error(error.message);
  const int code = exit_code(error.code);
  if (flags.json) {
    const nlohmann::json summary = {
        {"status", "failed"},
        {"exit_code", code},
        {"error", {{"code", std::string(to_string(error.code))}, {"message", error.message}}}};
    console.result(dump_json_pretty(summary));
  }
  return code;
}

Result<std::string> read_input_file(const std::string& path, std::size_t bytes_max) {
  const bool standard = path == "-";
  std::error_code ignored;
  if (!standard && fs::is_directory(path, ignored)) {
    return Error{Code::not_found, "cannot read " + path + ": it is a directory"};
  }
  std::ifstream file;
  if (!standard) file.open(path, std::ios::binary);
  std::istream& in = standard ? std::cin : file;
  if (!in) return Error{Code::not_found, "cannot read " + path + ": " + std::strerror(errno)};
  std::string text;
  char chunk[64 * 1024];
  while (in.read(chunk, sizeof chunk) || in.gcount() > 0) {
    text.append(chunk, static_cast<std::size_t>(in.gcount()));
    if (text.size() > bytes_max) {
      return Error{Code::resource_exhausted, path + " is larger than " + bytes_text(bytes_max)};
    }
  }
  if (in.bad())
    return Error{Code::unavailable, "cannot read " + path + ": " + std::strerror(errno)};
  return text;
}

}  // namespace perijove
