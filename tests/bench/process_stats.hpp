#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace bench {

/// What the operating system tells about a server process on this machine. Every call reads afresh;
/// a process that is gone gives zeros.
class ProcessStats {
 public:
  explicit ProcessStats(pid_t pid) : pid_(pid) {}

  pid_t pid() const { return pid_; }
  /// User and system time of all its threads, dead ones included, to the nanosecond.
  double cpu_microseconds() const;
  double rss_mib() const;
  /// Its share of shared pages counted once among all their users (PSS).
  double pss_mib() const;
  /// The same of all processes that it has started, and they, together.
  double descendants_pss_mib() const;
  /// Highest RSS since reset_peak() (VmHWM).
  double peak_rss_mib() const;
  /// False when the peak cannot be reset (another user's process): it then dates from the start.
  bool reset_peak() const;
  std::size_t open_descriptors() const;

 private:
  double status_mib(const char* file, const char* key) const;

  pid_t pid_;
};

/// The process that listens on a TCP port of this machine, when it may be looked at.
std::optional<pid_t> process_listening_on(std::uint16_t port);

/// Share of this machine's CPU time in use during `seconds`, 0 to 1: to tell a quiet machine.
double machine_busy_share(double seconds);

}  // namespace bench
