#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// Whose the kernel's files are, as numbers that hold where it runs.
struct FileOwner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// A program to run where a kernel is.
struct PlacedCommand {
  std::vector<std::string> argv;  ///< Found by the PATH there; run in the kernel's work directory.
  Environment env;                ///< On top of what the kernel has.
};

/// What is told of it, from the loop; nothing after its RunningCommand was destroyed.
struct PlacedCommandEvents {
  std::function<void(bool is_error, std::string_view bytes)> on_output;
  /// Its exit code (128 + n when signal n ended it), or why it could not be run. Once.
  std::function<void(Result<int>)> on_end;
};

/// Destroying it kills what still runs.
class RunningCommand {
 public:
  virtual ~RunningCommand() = default;
  virtual void interrupt() = 0;  ///< SIGINT to it and what it started in its group.
  virtual void kill() = 0;       ///< SIGKILL, likewise.
};

/// What can be done where a kernel runs, besides running code in it. As long as the kernel's
/// process; afterwards everything fails.
class KernelPlace {
 public:
  virtual ~KernelPlace() = default;

  virtual std::unique_ptr<RunningCommand> run(PlacedCommand command,
                                              PlacedCommandEvents events) = 0;

  /// Whether the kernel's work directory is the one that its launch named. If not, files come and
  /// go by the next two.
  virtual bool shares_files() const = 0;
  virtual FileOwner file_owner() const = 0;
  /// Unpacks a tar archive in the work directory.
  virtual void put_files(std::string tar, std::function<void(Result<void>)> done) = 0;
  /// All that is in the work directory, as a tar archive, as long as the share is held.
  [[nodiscard]] virtual std::shared_ptr<void> get_files(
      std::function<void(std::string_view bytes)> on_bytes,
      std::function<void(Result<void>)> done) = 0;
};

}  // namespace perijove
