#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command/language.hpp"

namespace perijove::kernels::command {

/// The last of a text that may be of any length.
class Tail {
 public:
  void add(std::string_view text);
  std::string_view text() const;

 private:
  std::string text_;
};

/// What is known of a failure; nothing where no pattern fits.
struct Failure {
  std::optional<std::string> name;
  std::optional<std::string> message;
  std::optional<int> line;  ///< as the program counts, with the prologue
};

/// Each fact comes from the first pattern that gives it.
Failure read_failure(const std::vector<ErrorPattern>& patterns, std::string_view error_output);

}  // namespace perijove::kernels::command
