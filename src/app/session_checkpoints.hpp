#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "app/console.hpp"
#include "app/gateway_client.hpp"

namespace perijove {

/// Posts what may take as long as variables and files do, and hands over the answer, an object.
Result<nlohmann::json> ask_slowly(const GatewayClient& client, const std::string& path,
                                  const nlohmann::json& body);

/// Tells each `name` of a list with its `reason`: "'NAME' WHAT: REASON".
void tell_names(const nlohmann::json& list, const std::string& what, Console& console);

/// Names what of a checkpoint did not come back.
void tell_restored(const nlohmann::json& restored, Console& console);

}  // namespace perijove
