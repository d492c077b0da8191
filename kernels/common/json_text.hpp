#pragma once

#include <string>
#include <string_view>

namespace perijove::kernels {

/// This text as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace perijove::kernels
