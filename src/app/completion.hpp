#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace perijove {

/// What can be typed at one point of the command line.
struct CompletionLevel {
  std::string path;  ///< The commands before it: "", "run", "kernel list".
  std::vector<std::string> commands;
  std::vector<std::string> options;  ///< `--json`, `-o` ...
};

/// A script that completes perijove's commands, options and file names; empty for another shell
/// than bash, zsh and fish.
std::string completion_script(std::string_view shell, const std::vector<CompletionLevel>& levels);

}  // namespace perijove
