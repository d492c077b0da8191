#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "guest/descriptor.hpp"

namespace perijove::kernels::guest {

struct ProcessOptions {
  std::string file;               ///< an absolute path
  std::vector<std::string> argv;  ///< with argv[0]
  std::vector<std::string> environment;
  /// Descriptors of the new process: {ours, theirs}. It gets no others.
  struct Handed {
    int ours;
    int theirs;
  };
  std::vector<Handed> descriptors;
  /// A terminal that becomes the controlling one of the new session; "" for none.
  std::string terminal;
};

/// A child process that leads a session of its own, with signals as they are by default. Signals to
/// the kernel's group do not reach it.
class Process {
 public:
  Process() = default;
  /// Throws std::runtime_error that says what cannot be started and why.
  explicit Process(const ProcessOptions& options);

  pid_t id() const noexcept { return id_; }

  /// Readable once the process has ended.
  int exit_fd() const noexcept { return exit_.get(); }

  struct End {
    int status = 0;  ///< as a shell says it: the exit status, or 128 plus the number of the signal
    bool by_signal = false;
  };
  /// Waits for the end. To be called once.
  End wait();

 private:
  pid_t id_ = -1;
  Descriptor exit_;
};

/// The absolute path of a program on PATH, or "".
std::string find_program(std::string_view name);

/// The environment of this process but for the variables named.
std::vector<std::string> environment_without(const std::vector<std::string_view>& names);

/// From now on what a descendant leaves behind is a child of this process, whatever sessions it
/// opened, so that end_descendants() finds it.
void adopt_orphans();

/// Collects orphans that have ended; not the process `spared`, whose end somebody else waits for.
void reap_orphans(pid_t spared);

/// The time on the clock by which the system dates the start of processes, in its ticks.
long long start_clock();

/// True when a process of this group was started at or after that time.
bool has_newcomer(pid_t group, long long since);

/// Kills every descendant of this process and waits for their ends, in a bounded number of rounds:
/// what forks faster than it is killed does not hold up the kernel. Also takes the exit status of
/// children, so that nobody else can wait for them any more.
void end_descendants();

}  // namespace perijove::kernels::guest
