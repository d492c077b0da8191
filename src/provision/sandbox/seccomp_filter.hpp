#pragma once

#include <string>

#include "perijove/result.hpp"

namespace perijove {

/// The program that every sandboxed kernel runs under, as `bwrap --seccomp` reads it: everything is
/// allowed but a list of calls with which code gets at the kernel of the machine, at other
/// processes or out of its namespaces (the table is in the .cpp, with a reason for each). What is
/// refused fails with EPERM, clone3 with ENOSYS so that the C library takes clone, whose flags can
/// be seen; socket families other than unix, inet, inet6 and netlink with EAFNOSUPPORT. Programs of
/// another architecture get ENOSYS for everything.
Result<std::string> make_seccomp_filter();

}  // namespace perijove
