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

/// Puts a directory in front of those that a variable lists (PATH, PYTHONPATH).
inline void prepend_directory(Environment& environment, const std::string& name,
                              const std::string& directory) {
  std::string& list = environment[name];
  list = list.empty() ? directory : directory + ":" + list;
}

}  // namespace perijove
