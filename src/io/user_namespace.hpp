#pragma once

#include <sys/types.h>

#include <vector>

#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// Users outside and what they are called inside; the groups of the same numbers go with them.
struct MappedUsers {
  uid_t inside = 0;
  uid_t outside = 0;
  uid_t count = 1;
};

/// A user namespace below ours without a process in it; it lives as long as the descriptor, or what
/// is made in it. Who enters it has every capability there and none outside. Root may map any users
/// into it; others one, themselves, and then no process in it can change its groups.
/// Errors: failed_precondition (this system or user may have none; the message says why).
Result<FileDescriptor> make_user_namespace(const std::vector<MappedUsers>& users);

}  // namespace perijove
