#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/time.hpp"
#include "io/child_process.hpp"
#include "io/shard.hpp"
#include "model/process_exit.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// What a program that ran to its end has left.
struct ProcessOutput {
  ProcessExit exit;
  std::string output;        ///< Its standard output.
  std::string error_output;  ///< The last kErrorOutputBytesMax of its standard error.
};
inline constexpr std::size_t kErrorOutputBytesMax = std::size_t{16} * 1024;

/// How long a program may run and how much it may say.
struct RunBounds {
  Duration time_max = std::chrono::seconds(30);
  std::size_t output_bytes_max = std::size_t{1} << 20;
};

/// Runs a program to its end, for what it writes. `done` is called once, from the loop and never
/// during this call. Errors: those of ChildProcess::spawn; deadline_exceeded and resource_exhausted
/// when a bound was reached, and then the program and what it started have been killed.
///
/// The returned share owns the process: dropping it kills it, and `done` is not called any more.
/// Shard thread only.
[[nodiscard]] std::shared_ptr<void> run_process(Shard& shard, const SpawnRequest& request,
                                                const RunBounds& bounds,
                                                std::function<void(Result<ProcessOutput>)> done);

}  // namespace perijove
