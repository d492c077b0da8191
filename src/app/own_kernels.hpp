#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// A kernelspec of one of the kernels that come with this program, as it is to be installed: with
/// the absolute path of the kernel as it lies beside this program now.
struct OwnKernel {
  std::string name;
  std::map<std::string, std::string> files;  ///< Name -> contents, kernel.json among them.
  bool for_tests = false;                    ///< Nobody's language: not installed unless named.
  std::string absence;  ///< Why it cannot be installed, and what to do; empty when it can.
};

/// All that there are: the kernelspecs in share/jupyter/kernels beside this program (in the tree
/// that it was built or installed in), and one for each language file in share/perijove/languages,
/// whose `absence` says when this machine cannot run it. not_found when there are none. Blocks, and
/// runs a program for each language.
Result<std::vector<OwnKernel>> blocking_find_own_kernels();

/// The kernelspec that a language file of the user's makes: named like the file, without `.json`.
/// invalid_argument: it is none. Blocks.
Result<OwnKernel> blocking_read_language_file(const std::string& path);

/// Where kernelspecs go.
struct KernelspecPlace {
  std::string prefix;       ///< `--prefix`; empty: not said.
  bool sys_prefix = false;  ///< That of the active virtual environment.

  /// The directory; else the user's, as Jupyter has it. failed_precondition: there is no active
  /// environment, or no home.
  Result<std::string> directory(const Environment& environment) const;
};

struct InstalledKernel {
  std::string path;
  std::string what;  ///< "installed", "replaced" or "unchanged"
};

/// Writes the kernelspec to `directory`/name; all of it or nothing. already_exists when another one
/// is there and `replace` is false. With `dry_run` it only says what it would do. Blocks.
Result<InstalledKernel> blocking_install_kernel(const OwnKernel& kernel,
                                                const std::string& directory, bool replace,
                                                bool dry_run);

/// Removes the kernelspec `name` from the first of the directories that has it, and returns its
/// path. not_found; permission_denied when it is not one of ours. Blocks.
Result<std::string> blocking_remove_kernel(const std::string& name,
                                           const std::vector<std::string>& directories,
                                           bool dry_run);

}  // namespace perijove
