#pragma once

#include <cstddef>
#include <memory>

#include "perijove/executor.hpp"

namespace perijove {

/// Executors that are started before they are needed.
///
/// Each has a work directory of its own below ExecutorOptions::work_dir and is handed out once; one
/// that is given back is ended, and a fresh one takes its place. So nothing that code of one user
/// has left, in memory or on disk, comes to the next.
///
/// Threads: every member may be called from any thread. The pool has a thread of its own, which
/// starts executors one after another.
/// Lifetime: the destructor ends the executors that nobody has taken, removes their directories,
/// and waits for that. Those that were taken live on.
class PERIJOVE_API ExecutorPool {
 public:
  /// Begins to start `size` executors (at least one) and returns when the first is ready.
  /// Errors: those of Executor::start.
  static Result<ExecutorPool> create(const ExecutorOptions& options, std::size_t size);

  ExecutorPool(ExecutorPool&&) noexcept;
  ExecutorPool& operator=(ExecutorPool&&) noexcept;
  ~ExecutorPool();

  /// Hands out an executor: one that is ready, else one that is started now. Errors: those of
  /// Executor::start.
  Result<Executor> acquire();

  /// Takes one back: its kernels end, as in its destructor, and its work directory is removed with
  /// all that is in it. An executor that is destroyed instead keeps its files. Errors:
  /// invalid_argument (it is not of this pool; it is ended, and its files stay), permission_denied
  /// and others of the file system (some files are left).
  Result<void> release(Executor executor);

  /// How many are ready now.
  std::size_t ready() const;

 private:
  class Impl;
  explicit ExecutorPool(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;  // null when moved from
};

}  // namespace perijove
