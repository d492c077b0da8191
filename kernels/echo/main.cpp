#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>
#include <xeus/xeus.hpp>

#include "common/run_kernel.hpp"
#include "echo/interpreter.hpp"

namespace {

using namespace perijove::kernels;
using namespace perijove::kernels::echo;

constexpr int kUsageError = 2;
constexpr int kFailedStart = 3;
constexpr int kCannotStart = 1;

constexpr const char* kUsage = R"(usage: perijove-kernel-echo [OPTIONS] -f CONNECTION_FILE

A Jupyter kernel for tests and benchmarks: each line of a cell is a command, and any
other line comes back as the result.

  -f FILE               the connection file
  --start-delay SECONDS wait before the sockets are bound
  --fail-start          complain on stderr and exit with status 3 instead of starting
  --no-kernel-info      never answer a kernel_info_request
  --no-iopub-welcome    do not greet new iopub subscribers (JEP 65), as older kernels
  --version, --help

PERIJOVE_ECHO_OPTIONS may hold further options, separated by spaces.
The kernel ends with the process whose id JPY_PARENT_PID holds, if that is set.

Commands of a cell (empty lines and lines that begin with # are skipped):
)";

struct CommandLine {
  KernelOptions kernel;
  EchoOptions echo;
  std::chrono::duration<double> start_delay{};
  bool fail_start = false;
  bool help = false;
  bool version = false;
};

CommandLine parse(const std::vector<std::string>& words) {
  CommandLine line;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto value = [&]() -> const std::string& {
      if (i + 1 == words.size()) throw UsageError(words[i] + " wants a value");
      return words[++i];
    };
    if (words[i] == "-f") {
      line.kernel.connection_file = value();
    } else if (words[i] == "--start-delay") {
      line.start_delay = Arguments(value()).seconds();
    } else if (words[i] == "--fail-start") {
      line.fail_start = true;
    } else if (words[i] == "--no-kernel-info") {
      line.echo.answers_kernel_info = false;
    } else if (words[i] == "--no-iopub-welcome") {
      line.kernel.iopub_welcome = false;
    } else if (words[i] == "--help" || words[i] == "-h") {
      line.help = true;
    } else if (words[i] == "--version") {
      line.version = true;
    } else {
      throw UsageError("there is no option '" + words[i] + "'; see --help");
    }
  }
  if (line.kernel.connection_file.empty() && !line.help && !line.version && !line.fail_start) {
    throw UsageError("the connection file is missing: -f FILE");
  }
  return line;
}

std::vector<std::string> all_words(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (const char* const more = std::getenv("PERIJOVE_ECHO_OPTIONS")) {
    std::istringstream text(more);
    for (std::string word; text >> word;) words.push_back(word);
  }
  return words;
}

int run(const CommandLine& line) {
  if (line.help) {
    std::cout << kUsage << command_manual();
    return EXIT_SUCCESS;
  }
  if (line.version) {
    std::cout << "perijove-kernel-echo " PERIJOVE_KERNEL_VERSION " (xeus " << XEUS_VERSION_MAJOR
              << '.' << XEUS_VERSION_MINOR << '.' << XEUS_VERSION_PATCH << ")\n";
    return EXIT_SUCCESS;
  }
  std::this_thread::sleep_for(line.start_delay);
  if (line.fail_start) {
    std::cerr << "perijove-kernel-echo: not starting, as --fail-start asks\n";
    return kFailedStart;
  }
  run_kernel(line.kernel, std::make_unique<EchoInterpreter>(line.echo));
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(all_words(argc, argv)));
  } catch (const UsageError& error) {
    std::cerr << "perijove-kernel-echo: " << error.what() << '\n';
    return kUsageError;
  } catch (const std::exception& error) {
    std::cerr << "perijove-kernel-echo: " << error.what() << '\n';
    return kCannotStart;
  }
}
