#pragma once

#include "base/bytes.hpp"

namespace perijove {

/// Whether two secrets are the same, in a time that tells nothing but their lengths.
bool equal_in_constant_time(ByteView a, ByteView b);

}  // namespace perijove
