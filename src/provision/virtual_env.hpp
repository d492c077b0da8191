#pragma once

#include <string>

#include "perijove/result.hpp"

namespace perijove {

/// A virtual environment of Python's (PEP 405) on this machine, as its files are: nothing in it is
/// run, for whoever can write there is not to be trusted with that.
struct VirtualEnv {
  std::string directory;  ///< Absolute.
  /// Prefix of the Python that it was made with, which has been seen to be one: whoever can write
  /// to the environment can name any directory. Empty: it names none.
  std::string base;
  bool sees_base = false;  ///< Packages of `base` are found, too.

  std::string python() const { return directory + "/bin/python"; }
};

/// Blocks. not_found: it is none.
Result<VirtualEnv> blocking_read_virtual_env(const std::string& directory);

/// Whether a module of that name is installed there, or in its base where that counts. Packages
/// that only a .pth file leads to are not seen. Blocks.
bool blocking_has_module(const VirtualEnv& environment, const std::string& module);

}  // namespace perijove
