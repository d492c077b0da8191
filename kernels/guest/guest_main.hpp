#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/interpreter.hpp"

namespace perijove::kernels::guest {

/// A kernel whose language runs in a process of its own.
struct GuestKernel {
  const char* executable;   ///< the name of this one, for messages
  const char* description;  ///< what --help says below the usage
  /// Throws std::exception when the language is not there; the message says what to install.
  std::function<std::unique_ptr<Interpreter>()> make_interpreter;
};

/// Serves with the connection file named, and leaves no process behind. Returns the exit status.
int serve_guest(const GuestKernel& kernel, const std::string& connection_file);

/// main() of such a kernel: reads the command line (-f FILE, --help, --version), serves, and leaves
/// no process behind. Returns the exit status.
int guest_main(int argc, char** argv, const GuestKernel& kernel);

}  // namespace perijove::kernels::guest
