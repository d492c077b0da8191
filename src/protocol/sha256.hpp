#pragma once

#include <string>

#include "base/bytes.hpp"

namespace perijove {

/// The SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
std::string sha256_hex(ByteView bytes);

}  // namespace perijove
