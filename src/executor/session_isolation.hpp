#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "protocol/json_fields.hpp"
#include "provision/isolation.hpp"

namespace perijove {

/// The names of the fields that read_isolation() reads.
inline const std::vector<std::string> kIsolationFields = {"isolation", "network", "mounts",
                                                          "sandbox", "docker"};

/// What a client wants of isolation: `isolation` (a kind), `network`, `mounts` and, in an object
/// named like the kind, the options that only its provisioner knows and checks.
void read_isolation(JsonFields& fields, IsolationRequest& request);

/// What holds a kernel, as the REST models of sessions and kernels show it: `isolation`, `network`,
/// `limits`, `notes`.
nlohmann::json to_json(const IsolationReport& report);

}  // namespace perijove
