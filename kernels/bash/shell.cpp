#include "bash/shell.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <utility>
#include <vector>

namespace perijove::kernels::bash {
namespace {

using guest::Descriptor;

// Far away from what scripts use. Only the kernel's own lines see them: the first line of a block
// closes them for the code.
constexpr int kStdout = 200;
constexpr int kStderr = 201;
constexpr int kReports = 202;
constexpr int kAnswers = 203;

/// What every shell is told first. Not one line may depend on what a user may redefine.
///
/// The ERR trap notes where and how the last command failed. Under `set -e` it also unwinds bash to
/// its top level, as an interrupt does, instead of letting it exit: the block ends there, and the
/// shell's state is kept. Outside of blocks (no source file) and in subshells it does nothing.
constexpr const char* kSetUp = R"(set +o history +H
unset HISTFILE MAILCHECK
__perijove_report() { builtin set +e; builtin printf '%s %s %s %s %s\0' "$1" "$2" "${__perijove_failed:--}" "${__perijove_errexit:--}" "$3" >&202; __perijove_failed= __perijove_errexit=; return "$2"; }
readonly -f __perijove_report
set -E
trap '__perijove_last=$?:$LINENO; if [[ ${#BASH_SOURCE[@]} -gt 0 && $BASHPID == $$ ]]; then __perijove_failed=$__perijove_last; if [[ $- == *e* ]]; then __perijove_errexit=${__perijove_failed%%:*}; builtin kill -INT $$; fi; fi' ERR
)";

/// Variables that would make an interactive shell do things by itself.
const std::vector<std::string_view> kUnwanted = {"PROMPT_COMMAND", "PS0",  "PS1",     "PS2",
                                                 "TMOUT",          "MAIL", "MAILPATH"};

std::system_error system_failure(const char* what) {
  return {errno, std::generic_category(), what};
}

Descriptor open_null() { return Descriptor(open("/dev/null", O_RDWR | O_CLOEXEC)); }

std::optional<int> take_number(std::string_view& text) {
  int number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.empty()) text.remove_prefix(1);
  return number;
}

std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

}  // namespace

Shell::Shell(std::string bash, Server& server, guest::Outputs& outputs)
    : bash_(std::move(bash)),
      server_(server),
      interrupt_(server.interrupt()),
      outputs_(outputs),
      code_(memfd_create("code", MFD_CLOEXEC)) {
  if (code_.get() < 0) throw system_failure("memfd_create");
}

Shell::~Shell() { stop(); }

Shell::Terminal Shell::open_terminal() {
  Terminal made;
  made.master = Descriptor(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, 64> name{};
  if (made.master.get() < 0 || grantpt(made.master.get()) != 0 ||
      unlockpt(made.master.get()) != 0 ||
      ptsname_r(made.master.get(), name.data(), name.size()) != 0) {
    throw system_failure("cannot open a terminal for bash");
  }
  made.name = name.data();
  made.slave = Descriptor(open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  termios modes;
  if (made.slave.get() < 0 || tcgetattr(made.slave.get(), &modes) != 0) {
    throw system_failure("cannot open a terminal for bash");
  }
  modes.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  modes.c_oflag &= ~static_cast<tcflag_t>(OPOST);
  tcsetattr(made.slave.get(), TCSANOW, &modes);
  return made;
}

void Shell::start() {
  terminal_ = open_terminal();
  auto commands = guest::pipe_to_write();
  auto reports = guest::pipe_to_read();
  auto answers = guest::pipe_to_read();
  auto standard_output = guest::pipe_to_read();
  auto standard_error = guest::pipe_to_read();
  // Prompts and notices about jobs, which an interactive shell writes by itself.
  const Descriptor null = open_null();

  guest::ProcessOptions options;
  options.file = bash_;
  options.argv = {"bash", "--norc", "--noprofile", "--noediting", "-i"};
  options.environment = guest::environment_without(kUnwanted);
  options.terminal = terminal_.name;
  options.descriptors = {{commands.theirs.get(), STDIN_FILENO},
                         {null.get(), STDOUT_FILENO},
                         {null.get(), STDERR_FILENO},
                         {standard_output.theirs.get(), kStdout},
                         {standard_error.theirs.get(), kStderr},
                         {reports.theirs.get(), kReports},
                         {answers.theirs.get(), kAnswers}};
  process_ = guest::Process(options);
  alive_ = true;
  commands_ = std::move(commands.ours);
  reports_ = std::move(reports.ours);
  answers_ = std::move(answers.ours);
  partial_report_.clear();
  errexit_ = false;
  std::vector<guest::Outputs::Source> sources;
  sources.push_back({std::move(standard_output.ours), "stdout"});
  sources.push_back({std::move(standard_error.ours), "stderr"});
  // What programs write past their stdout to the terminal: questions for passwords and the like.
  sources.push_back({Descriptor(fcntl(terminal_.master.get(), F_DUPFD_CLOEXEC, 0)), "stderr"});
  outputs_.attach(std::move(sources));
  send(kSetUp);
}

void Shell::send(const std::string& line) {
  // A false is no news: that bash is gone, or stopped, shows elsewhere.
  guest::write_all(commands_.get(), line.data(), line.size());
}

void Shell::write_code(std::string_view code) {
  if (ftruncate(code_.get(), 0) != 0 || lseek(code_.get(), 0, SEEK_SET) != 0 ||
      !guest::write_all(code_.get(), code.data(), code.size())) {
    throw system_failure("cannot hand the code to bash");
  }
}

void Shell::begin(std::string_view code, const char* redirections) {
  write_code(code);
  number_ = awaited_ = ++last_number_;
  end_ = {};
  exited_ = false;
  interrupted_group_ = 0;
  answer_.clear();
  // The inversion keeps a `set -e` of the block from looking at the status of the block itself.
  send("! \\. /proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(code_.get()) +
       " </dev/null " + redirections + " 200>&- 201>&- 202>&- 203>&-\n");
  send_report_line(number_, false);
}

BlockEnd Shell::run(std::string_view code) {
  if (!alive_) start();
  // `set -e` is put off between the blocks, where a status other than 0 is no reason to exit, and
  // on again in the block. On the code's first line, so that its lines keep their numbers.
  begin((errexit_ ? "\\builtin set -e;" : "") + std::string(code), ">&200 2>&201");
  return await_end() ? end() : abandon();
}

std::string Shell::ask(std::string_view code) {
  if (!alive_) start();
  const bool errexit = errexit_;
  begin(std::string(code) + "\nreturn " + std::to_string(last_status_), ">&203");
  if (!await_end()) {
    abandon();
    return {};
  }
  end();
  errexit_ = errexit;
  return std::move(answer_);
}

bool Shell::await_end() {
  while (!has_ended()) {
    await_event();
    if (interrupt_.requested() && server_.stopping()) return false;
    handle_events();
  }
  return true;
}

void Shell::send_report_line(int number, bool after_interrupt) {
  // An interrupt makes bash forget the line that it is reading, or its beginning.
  send((after_interrupt ? "\n\n\n\n\n\n\n\n" : "") + std::string("\\__perijove_report ") +
       std::to_string(number) + " \"${PIPESTATUS[0]}\" \"$-\"\n");
}

void Shell::await_event() {
  constexpr int kRepeatMilliseconds = 20;
  std::array polled = {pollfd{reports_.get(), POLLIN, 0}, pollfd{answers_.get(), POLLIN, 0},
                       pollfd{interrupt_.fd(), POLLIN, 0}, pollfd{process_.exit_fd(), POLLIN, 0}};
  const bool may_be_lost = interrupted_group_ != 0 && repeats_left_ > 0;
  poll(polled.data(), polled.size(), may_be_lost ? kRepeatMilliseconds : -1);
  if ((polled[3].revents & POLLIN) != 0) exited_ = true;
}

void Shell::handle_events() {
  read_answer();
  if (interrupt_.requested()) {
    constexpr int kRepeatsMax = 10;
    interrupt_.forget();
    end_.interrupted = true;
    repeats_left_ = kRepeatsMax;
    const pid_t foreground = tcgetpgrp(terminal_.master.get());
    interrupt(foreground > 0 ? foreground : process_.id());
  } else {
    repeat_lost_interrupt();
  }
  read_reports();
}

void Shell::interrupt(pid_t group) {
  interrupted_group_ = group;
  constexpr long long kStartingTicks =
      5;  // a child forgets a signal that comes before it is set up
  interrupted_at_ = guest::start_clock() - kStartingTicks;
  kill(-group, SIGINT);
  // Bash may have been reporting already, and may handle the interrupt only now: the block is over
  // when it has read one more line after it.
  awaited_ = ++last_number_;
  send_report_line(awaited_, true);
}

// The signal may have come between two commands, or while bash was starting one: then it is another
// group that runs now, or there are processes in this one that are hardly older than the signal.
// What ran already when it came is not sent a second one: programs take that for "at once".
void Shell::repeat_lost_interrupt() {
  if (interrupted_group_ == 0 || repeats_left_-- <= 0) return;
  const pid_t foreground = tcgetpgrp(terminal_.master.get());
  if (foreground == interrupted_group_ && !guest::has_newcomer(foreground, interrupted_at_)) return;
  if (foreground > 0) interrupt(foreground);
}

void Shell::read_answer() {
  std::array<char, 4096> bytes;
  for (ssize_t count; (count = read(answers_.get(), bytes.data(), bytes.size())) > 0;) {
    answer_.append(bytes.data(), static_cast<std::size_t>(count));
  }
}

void Shell::read_reports() {
  std::array<char, 4096> bytes;
  for (ssize_t count; (count = read(reports_.get(), bytes.data(), bytes.size())) > 0;) {
    partial_report_.append(bytes.data(), static_cast<std::size_t>(count));
  }
  for (std::size_t end; (end = partial_report_.find('\0')) != std::string::npos;) {
    take_report(std::string_view(partial_report_).substr(0, end));
    partial_report_.erase(0, end + 1);
  }
}

// "NUMBER STATUS STATUS:LINE|- STATUS|- FLAGS": of the report, of the block, of the last command
// that failed, of the command that ended the block under `set -e`.
void Shell::take_report(std::string_view report) {
  const auto number = take_number(report);
  const auto status = take_number(report);
  if (!number || !status || *number < number_ || *number > last_number_) return;
  const bool is_first = reported_ < number_;
  reported_ = std::max(reported_, *number);
  if (!is_first) return;
  std::string_view failed = take_word(report);
  std::string_view errexit = take_word(report);
  end_.status = take_number(errexit).value_or(*status);
  if (take_number(failed) == end_.status) end_.line = take_number(failed);
  errexit_ = report.find('e') != std::string_view::npos;
}

BlockEnd Shell::end() {
  outputs_.catch_up();
  if (exited_) {
    const auto [status, by_signal] = process_.wait();
    end_.status = status;
    end_.by_signal = by_signal;
    end_.shell_ended = true;
    alive_ = false;
    guest::end_descendants();
    outputs_.catch_up();
  } else {
    guest::reap_orphans(process_.id());
  }
  last_status_ = end_.shell_ended ? 0 : end_.status;
  return end_;
}

BlockEnd Shell::abandon() {
  stop();
  end_.interrupted = true;
  end_.shell_ended = true;
  end_.status = 128 + SIGINT;
  return end_;
}

void Shell::stop() {
  if (alive_) {
    constexpr int kGraceMilliseconds = 200;
    commands_.close();
    kill(process_.id(), SIGHUP);
    pollfd exited{process_.exit_fd(), POLLIN, 0};
    poll(&exited, 1, kGraceMilliseconds);
    outputs_.catch_up();
    alive_ = false;
  }
  guest::end_descendants();
}

}  // namespace perijove::kernels::bash
