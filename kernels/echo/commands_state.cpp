#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "echo/command.hpp"

namespace perijove::kernels::echo {
namespace {

void set(Cell& cell, Arguments arguments) {
  const std::string name(arguments.word("NAME"));
  cell.state.variables[name] = arguments.rest();
}

void get(Cell& cell, Arguments arguments) {
  const std::string_view name = arguments.word("NAME");
  const auto found = cell.state.variables.find(name);
  if (found == cell.state.variables.end()) {
    throw CellError{"NameError", "name '" + std::string(name) + "' is not set", {}};
  }
  cell.result(found->second);
}

void count(Cell& cell, Arguments) { cell.result(std::to_string(cell.execution_count)); }

void env(Cell& cell, Arguments arguments) {
  if (arguments.empty()) {
    std::vector<std::string> lines;
    for (char** entry = environ; *entry != nullptr; ++entry) lines.emplace_back(*entry);
    std::sort(lines.begin(), lines.end());
    std::string text;
    for (const std::string& line : lines) text += line + '\n';
    return cell.write("stdout", text);
  }
  const std::string name(arguments.word("NAME"));
  const char* const value = std::getenv(name.c_str());
  if (value == nullptr) throw CellError{"KeyError", name, {}};
  cell.result(value);
}

void cwd(Cell& cell, Arguments) { cell.result(std::filesystem::current_path().string()); }

void pid(Cell& cell, Arguments) { cell.result(std::to_string(getpid())); }

constexpr Command kCommands[] = {
    {"set", "NAME VALUE", "keeps a value until the kernel ends", set},
    {"get", "NAME", "that value, as a result; user_expressions are such names too", get},
    {"count", "", "the execution count, as a result", count},
    {"env", "[NAME]", "a variable of the environment as a result; without NAME, all on stdout",
     env},
    {"cwd", "", "the working directory, as a result", cwd},
    {"pid", "", "the process id, as a result", pid},
};

}  // namespace

std::span<const Command> state_commands() { return kCommands; }

}  // namespace perijove::kernels::echo
