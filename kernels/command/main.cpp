#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "command/interpreter.hpp"
#include "command/language.hpp"
#include "guest/guest_main.hpp"

namespace {

using namespace perijove::kernels;

constexpr const char* kName = "perijove-kernel-command";
constexpr const char* kUsage =
    R"(usage: perijove-kernel-command --language FILE -f CONNECTION_FILE
       perijove-kernel-command --kernelspec FILE

A Jupyter kernel for any language whose programs a command can run: each block of code is a program
of its own, and no variable is kept. FILE says which command that is, and how its errors are read.

--kernelspec prints the kernel.json of such a kernel, for a directory in which FILE lies as
language.json. Exit status 3: its command is not on PATH.

The kernel ends with the process whose id JPY_PARENT_PID holds, if that is set.
)";

int print_kernelspec(const std::string& file) {
  constexpr int kAbsent = 3;
  try {
    const command::Language language = command::read_language(file);
    if (command::find_executable(language).empty()) {
      std::cerr << command::absence(language) << '\n';
      return kAbsent;
    }
    const auto program = std::filesystem::read_symlink("/proc/self/exe");
    std::cout << command::kernelspec(language, program.string()) << '\n';
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::cerr << kName << ": " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}

int serve(const std::string& file, const std::string& connection_file) {
  const auto make_interpreter = [&file] {
    command::Language language = command::read_language(file);
    std::string executable = command::find_executable(language);
    if (executable.empty()) throw std::runtime_error(command::absence(language));
    return std::make_unique<command::CommandInterpreter>(std::move(language),
                                                         std::move(executable));
  };
  return guest::serve_guest({kName, "", make_interpreter}, connection_file);
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kUsageError = 2;
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 1 && (words[0] == "--help" || words[0] == "-h")) {
    std::cout << kUsage;
    return EXIT_SUCCESS;
  }
  if (words.size() == 1 && words[0] == "--version") {
    std::cout << kName << " " PERIJOVE_KERNEL_VERSION "\n";
    return EXIT_SUCCESS;
  }
  if (words.size() == 2 && words[0] == "--kernelspec") return print_kernelspec(words[1]);
  if (words.size() == 4 && words[0] == "--language" && words[2] == "-f") {
    return serve(words[1], words[3]);
  }
  std::cerr << kName << ": wanted: --language FILE -f CONNECTION_FILE; see --help\n";
  return kUsageError;
}
