#pragma once

#include <string>
#include <string_view>

#include "command/language.hpp"
#include "common/server.hpp"
#include "guest/outputs.hpp"
#include "guest/process.hpp"

namespace perijove::kernels::command {

/// How the program that ran a block ended.
struct BlockEnd {
  guest::Process::End end;
  bool interrupted = false;  ///< an interrupt was wanted while it ran
};

/// Runs each block of code in a process of its own, and leaves none of them behind: what a program
/// started and did not wait for ends with the block.
///
/// An interrupt is a SIGINT to the group of the program. One that does not end by it within a
/// second, or meets a second one, is killed.
///
/// Threads: the main thread only.
class Program {
 public:
  Program(const Language& language, std::string executable, Server& server,
          guest::Outputs& outputs);

  /// Throws std::exception when the program cannot be started.
  BlockEnd run(std::string_view code);

 private:
  bool await_end(const guest::Process& process);

  const Language& language_;
  const std::string executable_;
  Server& server_;
  guest::Outputs& outputs_;
};

}  // namespace perijove::kernels::command
