#include "bash/syntax.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "guest/descriptor.hpp"
#include "guest/process.hpp"

namespace perijove::kernels::bash {
namespace {

using guest::Descriptor;

struct Run {
  int status = 0;
  std::string text;
};

/// Runs bash on its own; the text is what it writes to `captured`, its stdout or stderr.
Run run_bash(const std::string& bash, const std::vector<std::string>& arguments,
             std::string_view input, int captured) {
  const Descriptor code(memfd_create("code", MFD_CLOEXEC));
  if (code.get() < 0 || !guest::write_all(code.get(), input.data(), input.size()) ||
      lseek(code.get(), 0, SEEK_SET) != 0) {
    throw std::system_error(errno, std::generic_category(), "memfd_create");
  }
  const Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  auto pipe = guest::pipe_to_read();
  guest::ProcessOptions options;
  options.file = bash;
  options.argv = {"bash"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.environment = guest::environment_without({"BASH_ENV", "LC_ALL", "LC_MESSAGES"});
  options.environment.emplace_back("LC_ALL=C");
  const int other = captured == STDOUT_FILENO ? STDERR_FILENO : STDOUT_FILENO;
  options.descriptors = {
      {code.get(), STDIN_FILENO}, {pipe.theirs.get(), captured}, {null.get(), other}};
  guest::Process process(options);
  pipe.theirs.close();

  Run run;
  for (;;) {
    std::array<char, 4096> bytes;
    const ssize_t count = read(pipe.ours.get(), bytes.data(), bytes.size());
    if (count > 0) {
      run.text.append(bytes.data(), static_cast<std::size_t>(count));
    } else if (count == 0) {
      break;
    } else if (errno == EAGAIN) {
      pollfd readable{pipe.ours.get(), POLLIN, 0};
      poll(&readable, 1, -1);
    } else if (errno != EINTR) {
      break;
    }
  }
  run.status = process.wait().status;
  return run;
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
Run check(const std::string& bash, std::string_view code) {
  return run_bash(bash, {"-n", "-O", "extglob"}, code, STDERR_FILENO);
}

bool ends_too_early(std::string_view complaint) {
  return contains(complaint, "unexpected end of file") ||
         contains(complaint, "unexpected EOF while looking for");
}

}  // namespace

Completeness check_syntax(const std::string& bash, std::string_view code) {
  const Run run = check(bash, code);
  if (ends_too_early(run.text) || contains(run.text, "delimited by end-of-file") ||
      continues_on_next_line(code)) {
    return Completeness::kIncomplete;
  }
  return run.status == 0 ? Completeness::kComplete : Completeness::kInvalid;
}

std::optional<std::string> fatal_fault(const std::string& bash, std::string_view code) {
  // Most blocks need not pay for a process.
  if (!contains(code, "$(") && !contains(code, "<(") && !contains(code, ">(")) return std::nullopt;
  Run run = check(bash, code);
  if (ends_too_early(run.text)) return std::move(run.text);
  return std::nullopt;
}

std::string bash_version(const std::string& bash) {
  try {
    return run_bash(bash, {"-c", "printf %s \"$BASH_VERSION\""}, {}, STDOUT_FILENO).text;
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace perijove::kernels::bash
