#pragma once

namespace perijove {

/// The whole program: reads the command line, runs the command that it names, and returns the exit
/// code. Called by the name `jupyter-kernelgateway` it takes that program's options instead.
int run_command_line(int argc, char** argv);

}  // namespace perijove
