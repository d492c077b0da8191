#pragma once

#include <string>
#include <vector>

#include "base/environment.hpp"

namespace perijove {

/// The directories that Jupyter searches for data, first one wins, as jupyter_core 5 computes them
/// on Linux:
///   1. JUPYTER_PATH, split at colons;
///   2. the user's: JUPYTER_DATA_DIR, else `jupyter` below XDG_DATA_HOME or ~/.local/share; then
///      share/jupyter below Python's user base (PYTHONUSERBASE or ~/.local), unless
///      PYTHONNOUSERSITE or VIRTUAL_ENV is set;
///   3. the Python environment's: share/jupyter below VIRTUAL_ENV or CONDA_PREFIX, which stand for
///      the sys.prefix that a gateway does not have;
///   4. /usr/local/share/jupyter and /usr/share/jupyter.
/// 3 goes before 2 when JUPYTER_PREFER_ENV_PATH is true, or is absent and VIRTUAL_ENV is set or
/// CONDA_DEFAULT_ENV names an environment other than `base`. No directory comes twice, and empty
/// ones, which would mean the current directory, not at all. Without HOME there is no user's part.
std::vector<std::string> jupyter_data_path(const Environment& environment);

/// The first of the user's directories among them, where `jupyter kernelspec install --user` writes;
/// empty without HOME and other words about it.
std::string jupyter_user_data_directory(const Environment& environment);

/// Where jupyter_client looks for kernelspecs: `kernels` below each data directory, then below
/// IPYTHONDIR or ~/.ipython.
std::vector<std::string> kernelspec_directories(const Environment& environment);

}  // namespace perijove
