#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "echo/command.hpp"

namespace perijove::kernels::echo {
namespace {

/// Ends the process by a signal, without the core file that nobody wants of a death by request.
void die_of(int signal_number) {
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  signal(signal_number, SIG_DFL);
  kill(getpid(), signal_number);
}

void ignore_interrupt(Cell& cell, Arguments arguments) {
  cell.server.interrupt().ignore(arguments.on_or_off());
}

void ignore_shutdown(Cell& cell, Arguments arguments) {
  cell.state.ignores_shutdown = arguments.on_or_off();
}

void ignore_sigterm(Cell&, Arguments arguments) {
  signal(SIGTERM, arguments.on_or_off() ? SIG_IGN : SIG_DFL);
}

void die(Cell&, Arguments arguments) {
  _exit(static_cast<int>(arguments.number_or("CODE", 1, 255)));
}

void abort(Cell&, Arguments) { die_of(SIGABRT); }

void segv(Cell&, Arguments) { die_of(SIGSEGV); }

void send_signal(Cell&, Arguments arguments) {
  const auto highest = static_cast<std::uint64_t>(SIGRTMAX);
  kill(getpid(), static_cast<int>(arguments.number("SIGNAL", highest)));
}

/// Leaves a copy of this process that sleeps. It was not exec'ed, so it holds what a worker of
/// Python's multiprocessing would hold: stdout, stderr, and the kernel's sockets.
void fork_sleeper(Cell& cell, bool own_session) {
  std::array<int, 2> pipe_ends;
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) throw CellError{"OSError", "cannot make a pipe", {}};
  const pid_t child = fork();
  if (child == 0) {
    // Other threads may have held any lock at the fork: only async-signal-safe calls from here on.
    if (own_session) setsid();
    signal(SIGINT, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    constexpr unsigned kSecondsMax = 600;  // should the tests forget it
    alarm(kSecondsMax);
    close(pipe_ends[1]);
    for (;;) pause();
  }
  // The pid is told once the child is where it should be, and has closed its end of the pipe.
  close(pipe_ends[1]);
  char nothing;
  while (read(pipe_ends[0], &nothing, 1) < 0 && errno == EINTR) {
  }
  close(pipe_ends[0]);
  if (child < 0) throw CellError{"OSError", "cannot fork", {}};
  cell.write("stdout", std::to_string(child) + '\n');
}

void fork_child(Cell& cell, Arguments) { fork_sleeper(cell, false); }

void fork_daemon(Cell& cell, Arguments) { fork_sleeper(cell, true); }

void steal_socket(Cell& cell, Arguments arguments) {
  const Connection& connection = cell.server.connection();
  if (connection.transport != "ipc") throw CellError{"OSError", "this kernel is on tcp", {}};
  const std::array<std::pair<std::string_view, int>, 5> ports = {
      {{"shell", connection.shell_port},
       {"control", connection.control_port},
       {"stdin", connection.stdin_port},
       {"iopub", connection.iopub_port},
       {"hb", connection.hb_port}}};
  const std::string_view channel = arguments.word("CHANNEL");
  const std::string target(arguments.word("PATH"));
  for (const auto& [name, port] : ports) {
    if (name != channel) continue;
    const std::string path = connection.ipc_path(port);
    unlink(path.c_str());
    if (symlink(target.c_str(), path.c_str()) != 0) throw CellError{"OSError", path, {}};
    return;
  }
  throw UsageError("CHANNEL must be shell, control, stdin, iopub or hb");
}

constexpr Command kCommands[] = {
    {"ignore-interrupt", "on|off", "interrupts are acknowledged and do nothing", ignore_interrupt},
    {"ignore-shutdown", "on|off", "shutdown_requests are acknowledged and do nothing",
     ignore_shutdown},
    {"ignore-sigterm", "on|off", "SIGTERM does nothing", ignore_sigterm},
    {"die", "[CODE]", "the process exits at once, without a reply", die},
    {"abort", "", "the process dies of SIGABRT", abort},
    {"segv", "", "the process dies of SIGSEGV", segv},
    {"kill", "SIGNAL", "the process sends itself this signal number", send_signal},
    {"fork-child", "", "leaves a sleeping child in the process group and prints its pid",
     fork_child},
    {"fork-daemon", "", "leaves a sleeping child in a session of its own and prints its pid",
     fork_daemon},
    {"steal-socket", "CHANNEL PATH", "puts a symlink to PATH in the place of an ipc socket",
     steal_socket},
};

}  // namespace

std::span<const Command> process_commands() { return kCommands; }

}  // namespace perijove::kernels::echo
