#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace perijove::kernels::bash {

enum class WordKind { kCommand, kVariable, kFile };

/// The word at the end of the code, taken apart: `echo "${HO` -> kept `${`, prefix `HO`.
struct CompletedWord {
  WordKind kind = WordKind::kCommand;
  std::string kept;    ///< stands before every match
  std::string prefix;  ///< what a match begins with
};

CompletedWord word_to_complete(std::string_view code);

/// Bash code that prints the matches, one to a line.
std::string command_to_complete(const CompletedWord& word);

/// At most a few hundred matches, in order and each once.
std::vector<std::string> matches_in(std::string_view answer);

}  // namespace perijove::kernels::bash
