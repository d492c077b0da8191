#include "model/process_exit.hpp"

#include <string_view>
#include <utility>

namespace perijove {
namespace {

/// Linux's numbers on every architecture that Debian runs on except MIPS. Not from <csignal>, whose
/// names for most of these are POSIX and not C++.
std::string_view signal_name(int signal) {
  constexpr std::pair<int, std::string_view> kNames[] = {
      {1, "SIGHUP"},   {2, "SIGINT"},   {3, "SIGQUIT"},  {4, "SIGILL"},   {5, "SIGTRAP"},
      {6, "SIGABRT"},  {7, "SIGBUS"},   {8, "SIGFPE"},   {9, "SIGKILL"},  {10, "SIGUSR1"},
      {11, "SIGSEGV"}, {12, "SIGUSR2"}, {13, "SIGPIPE"}, {14, "SIGALRM"}, {15, "SIGTERM"},
      {24, "SIGXCPU"}, {25, "SIGXFSZ"}, {31, "SIGSYS"},
  };
  for (const auto& [number, name] : kNames) {
    if (number == signal) return name;
  }
  return {};
}

}  // namespace

std::string describe(const ProcessExit& exit) {
  if (exit.out_of_memory.value_or(false)) return "was killed because it ran out of memory";
  if (exit.signal) {
    std::string text = "was killed by signal " + std::to_string(*exit.signal);
    const std::string_view name = signal_name(*exit.signal);
    if (!name.empty()) text.append(" (").append(name).append(")");
    if (name == "SIGXCPU") text += ", its limit of CPU time";
    if (name == "SIGKILL" && !exit.out_of_memory) {
      text += ", which the system also sends to processes when memory runs out";
    }
    return text;
  }
  if (exit.code) return "exited with code " + std::to_string(*exit.code);
  return "ended in an unknown way";
}

}  // namespace perijove
