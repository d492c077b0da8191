#pragma once

#include <memory>
#include <string>

#include "common/interpreter.hpp"

namespace perijove::kernels {

struct KernelOptions {
  std::string connection_file;
  bool iopub_welcome = true;
};

/// Serves a kernel on the calling thread until a client shuts it down or the process named by
/// JPY_PARENT_PID is gone. SIGINT interrupts the running cell.
///
/// Throws std::exception when the kernel cannot start; the message says why.
void run_kernel(const KernelOptions& options, std::unique_ptr<Interpreter> interpreter);

}  // namespace perijove::kernels
