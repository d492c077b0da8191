#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/server.hpp"
#include "guest/descriptor.hpp"
#include "guest/outputs.hpp"
#include "guest/process.hpp"

namespace perijove::kernels::bash {

/// How a block of code ended.
struct BlockEnd {
  int status = 0;
  std::optional<int> line;   ///< of the command that failed, where bash tells
  bool interrupted = false;  ///< an interrupt was wanted while it ran
  bool shell_ended = false;  ///< by `exit`, `exec`, a signal: the next block gets a fresh shell
  bool by_signal = false;    ///< ... by a signal
};

/// One long-lived interactive bash, so that an interrupt unwinds it to its top level and no
/// further.
///
/// It reads two lines per block from a pipe of its own: the first one sources the code, the second
/// one reports the status on another pipe. Whatever the code does (syntax errors, interrupts,
/// errors that abandon the line), bash goes on with the next line, so the end of a block is always
/// reported; nothing that the code prints or reads has a part in it. A terminal that nobody sees is
/// the controlling one of the session, for job control: its foreground group is whom an interrupt
/// concerns.
///
/// Threads: the main thread only.
class Shell {
 public:
  /// Nothing is started yet. `bash` is the path of the program.
  Shell(std::string bash, Server& server, guest::Outputs& outputs);
  ~Shell();
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  /// Runs a block in the shell, which is started if there is none. When the kernel is to end, all
  /// that bash started is killed. Throws std::exception when bash cannot be started.
  BlockEnd run(std::string_view code);

  /// What this code, the kernel's own, prints on stdout: nothing of it is published. It leaves `$?`
  /// as it is. Throws as run() does.
  std::string ask(std::string_view code);

  /// Lets bash run its EXIT trap, for a moment, and kills everything that it has started.
  void stop();

 private:
  struct Terminal {
    guest::Descriptor master;
    guest::Descriptor slave;  ///< kept open, so that the master can be read at any time
    std::string name;
  };
  static Terminal open_terminal();

  void start();
  void begin(std::string_view code, const char* redirections);
  /// False when the kernel is to end.
  bool await_end();
  bool has_ended() const { return exited_ || reported_ >= awaited_; }
  void await_event();
  void handle_events();
  BlockEnd end();
  BlockEnd abandon();

  void send(const std::string& line);
  void send_report_line(int number, bool after_interrupt);
  void interrupt(pid_t group);
  void repeat_lost_interrupt();
  void read_reports();
  void take_report(std::string_view report);
  void read_answer();
  void write_code(std::string_view code);

  const std::string bash_;
  Server& server_;
  Interrupt& interrupt_;
  guest::Outputs& outputs_;

  bool alive_ = false;
  guest::Process process_;
  Terminal terminal_;
  guest::Descriptor code_;      ///< an anonymous file that bash sources
  guest::Descriptor commands_;  ///< the lines that bash reads
  guest::Descriptor reports_;
  guest::Descriptor answers_;  ///< stdout of what ask() runs
  std::string partial_report_;
  std::string answer_;
  int last_status_ = 0;   ///< what `$?` is between the blocks
  bool errexit_ = false;  ///< `set -e` was on at the end of the last block

  // The block that runs.
  int last_number_ = 0;  ///< of a report; they ascend
  int number_ = 0;
  int awaited_ = 0;  ///< the report after which bash is surely idle
  int reported_ = 0;
  BlockEnd end_;
  bool exited_ = false;
  pid_t interrupted_group_ = 0;  ///< of the command that was sent a SIGINT, while it may be lost
  long long interrupted_at_ = 0;
  int repeats_left_ = 0;
};

}  // namespace perijove::kernels::bash
