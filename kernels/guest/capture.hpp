#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "guest/process.hpp"

namespace perijove::kernels::guest {

enum class Captured { kStdout, kStderr, kBoth };

struct Capture {
  int status = 0;  ///< as Process::End has it
  std::string text;
};

/// Runs a program to its end for what it writes; what is not captured is thrown away. `options`
/// needs no descriptors. `input` is its standard input. One that takes longer than `patience` is
/// killed; nullopt: any time. The text is read to the end of the program and of all that still
/// holds its output.
///
/// Throws std::exception when it cannot be started.
Capture run_and_capture(ProcessOptions options, Captured captured, std::string_view input = {},
                        std::optional<std::chrono::milliseconds> patience = std::nullopt);

}  // namespace perijove::kernels::guest
