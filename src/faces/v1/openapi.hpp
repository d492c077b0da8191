#pragma once

#include <string_view>

namespace perijove::v1 {

/// src/faces/v1/openapi.json as it stands.
extern const std::string_view kOpenApiDocument;

}  // namespace perijove::v1
