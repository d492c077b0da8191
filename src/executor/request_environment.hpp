#pragma once

#include <map>
#include <string>
#include <string_view>

#include "perijove/result.hpp"

namespace perijove {

enum class EnvironmentStep {
  set,      ///< Before a block; remembers what there was.
  restore,  ///< After it.
};

/// Code that sets environment variables in a running kernel for one request, or puts back what
/// there was before. It leaves no name behind that code could trip over. Python and Bash
/// (`language` is canonical); unimplemented for others, invalid_argument for a name that is none.
Result<std::string> environment_code(const std::map<std::string, std::string>& variables,
                                     std::string_view language, EnvironmentStep step);

}  // namespace perijove
