#pragma once

#include <map>
#include <string>

namespace perijove {

/// Environment variables by name.
using Environment = std::map<std::string, std::string>;

/// Sets what an assignment says, `NAME=value`.
inline void add_variable(Environment& environment, const std::string& assignment) {
  const std::size_t sign = assignment.find('=');
  environment[assignment.substr(0, sign)] = assignment.substr(sign + 1);
}

}  // namespace perijove
