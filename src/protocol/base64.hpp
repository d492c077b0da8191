#pragma once

#include <string>

#include "base/bytes.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// The bytes of a base64 text (RFC 4648, the usual alphabet, padded). White space in it is skipped:
/// kernels break lines. invalid_argument for anything else.
Result<std::string> decode_base64(ByteView text);

}  // namespace perijove
