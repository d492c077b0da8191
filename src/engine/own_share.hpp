#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/environment.hpp"

namespace perijove {

/// `share` of the tree that this program, or this library, was built or installed in: with the
/// kernels that come with it. nullopt: it was taken away from there, or `share` belongs neither to
/// the owner of the program nor to root.
std::optional<std::string> find_own_share_directory();

/// Where kernelspecs are looked for.
struct KernelspecPath {
  std::vector<std::string> directories;  ///< First one wins.
  /// The last of them, when it is none of Jupyter's; empty: it is, or there is none. What is there
  /// for tests is nobody's language.
  std::string own = {};
};

/// Where Jupyter looks with this environment (data_path.hpp), then what comes with this program.
KernelspecPath kernelspec_path(const Environment& environment);

}  // namespace perijove
