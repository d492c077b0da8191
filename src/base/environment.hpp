#pragma once

#include <map>
#include <string>

namespace perijove {

/// Environment variables by name.
using Environment = std::map<std::string, std::string>;

}  // namespace perijove
