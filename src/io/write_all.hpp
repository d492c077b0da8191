#pragma once

#include "base/bytes.hpp"

namespace perijove {

/// Writes all of it to an open file, however many calls that takes; false, with errno set, when it
/// could not. Some of the bytes may have been written then.
bool write_all(int file, ByteView bytes);

}  // namespace perijove
