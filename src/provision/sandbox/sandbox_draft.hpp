#pragma once

#include <optional>
#include <string>
#include <vector>

#include "provision/sandbox/bwrap_command.hpp"
#include "provision/sandbox/sandbox_machine.hpp"

namespace perijove {

/// One sandbox while it is put together: what it shows, and what is kept open until bubblewrap has
/// read it. More than one bubblewrap may be started from it, one after the other.
class SandboxDraft {
 public:
  /// `machine` must outlive it. `first_descriptor` is the number that the first text gets in
  /// bubblewrap: what comes before is the caller's.
  explicit SandboxDraft(const SandboxMachine& machine, int first_descriptor = 3);

  SandboxPlan plan;
  /// Whom bubblewrap runs as, to be set before anything is added; add_bind() stages mounts there.
  std::optional<ProcessIdentity> identity;

  /// Shows what `source` is open on.
  void add_bind(FileDescriptor source, const std::string& path, const std::string& target,
                bool read_only);
  /// What `program` (empty: none) with the command line `argv` needs of this machine beside the
  /// system, but for what is shown already and what is below `except`.
  void add_program_files(const std::string& program, const std::vector<std::string>& argv,
                         const std::string& resource_dir, const std::string& except);
  /// Whether `path` is the system's, or in what has been added until now.
  bool shows(const std::string& path) const;
  /// The system: programs, a little of /etc, who the users are.
  Result<void> add_system();
  /// The filter of system calls.
  Result<void> add_filter();

  /// How bubblewrap is started with `command` in the sandbox, which has this environment. Errors:
  /// invalid_argument (a NUL in it), unavailable.
  Result<SpawnRequest> command(const std::vector<std::string>& command, const Environment& env);
  /// To be called before each start: what one has read can be read again.
  void rewind();
  /// The program of the filter; -1 when there is none.
  int filter() const;
  /// Everything has been read.
  void close();

 private:
  /// Hands a text to bubblewrap; the number of its descriptor there.
  Result<int> add_text(const std::string& text);

  const SandboxMachine& machine_;
  int first_descriptor_;
  std::vector<FileDescriptor> texts_;
  std::vector<FileDescriptor> sources_;
};

}  // namespace perijove
