#pragma once

#include <string>
#include <vector>

#include "provision/sandbox/mount_policy.hpp"

namespace perijove {

/// Directories and files outside the system's own that a kernel's command line needs to run, each
/// an absolute path as it is named there:
/// - of the program, and of every program that it is a symbolic link to (a virtual environment's
///   python): the parts of its prefix that hold code (bin, lib, share/jupyter, pyvenv.cfg ...) when
///   it lies in a `bin` beside them, else its directory; the file alone where that directory may
///   not be shown (may_be_shown()) or is everybody's, for then it is not the program's own;
/// - files that other arguments name;
/// - the kernelspec's `resource_dir`.
/// What is below one of `already_there` is left out, and what may not be shown.
std::vector<std::string> program_files(const std::string& program,
                                       const std::vector<std::string>& argv,
                                       const std::string& resource_dir, const MountPolicy& policy,
                                       const std::vector<std::string>& already_there);

}  // namespace perijove
