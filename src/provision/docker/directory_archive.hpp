#pragma once

#include <cstddef>
#include <string>

#include "perijove/result.hpp"

namespace perijove::docker {

/// A tar archive of the files and directories below `directory`, in the order of their names, each
/// under `prefix` (`a/b/`, or empty). Symbolic links and what is neither file nor directory are
/// left out; owners are root. Blocks. Errors, which begin with `what`: not_found (cannot be read),
/// resource_exhausted (more than `bytes_max` bytes).
Result<std::string> pack_directory(const std::string& what, const std::string& directory,
                                   const std::string& prefix, std::size_t bytes_max);

}  // namespace perijove::docker
