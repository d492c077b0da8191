#include "bash/syntax.hpp"

#include <exception>
#include <utility>
#include <vector>

#include "guest/capture.hpp"
#include "guest/process.hpp"

namespace perijove::kernels::bash {
namespace {

using guest::Capture;
using guest::Captured;

/// Runs bash on its own.
Capture run_bash(const std::string& bash, const std::vector<std::string>& arguments,
                 std::string_view input, Captured captured) {
  guest::ProcessOptions options;
  options.file = bash;
  options.argv = {"bash"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.environment = guest::environment_without({"BASH_ENV", "LC_ALL", "LC_MESSAGES"});
  options.environment.emplace_back("LC_ALL=C");
  return guest::run_and_capture(std::move(options), captured, input);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// True for an odd number of backslashes at the end.
bool continues_on_next_line(std::string_view code) {
  const std::size_t last = code.find_last_not_of('\\');
  const std::size_t others = last == std::string_view::npos ? 0 : last + 1;
  return (code.size() - others) % 2 == 1;
}

// With extended patterns, which the shell may have put on.
Capture check(const std::string& bash, std::string_view code) {
  return run_bash(bash, {"-n", "-O", "extglob"}, code, Captured::kStderr);
}

bool ends_too_early(std::string_view complaint) {
  return contains(complaint, "unexpected end of file") ||
         contains(complaint, "unexpected EOF while looking for");
}

}  // namespace

Completeness check_syntax(const std::string& bash, std::string_view code) {
  const Capture run = check(bash, code);
  if (ends_too_early(run.text) || contains(run.text, "delimited by end-of-file") ||
      continues_on_next_line(code)) {
    return Completeness::kIncomplete;
  }
  return run.status == 0 ? Completeness::kComplete : Completeness::kInvalid;
}

std::optional<std::string> fatal_fault(const std::string& bash, std::string_view code) {
  // Most blocks need not pay for a process.
  if (!contains(code, "$(") && !contains(code, "<(") && !contains(code, ">(")) return std::nullopt;
  Capture run = check(bash, code);
  if (ends_too_early(run.text)) return std::move(run.text);
  return std::nullopt;
}

std::string bash_version(const std::string& bash) {
  try {
    return run_bash(bash, {"-c", "printf %s \"$BASH_VERSION\""}, {}, Captured::kStdout).text;
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace perijove::kernels::bash
