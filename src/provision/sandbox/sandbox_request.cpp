#include "provision/sandbox/sandbox_request.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {

Result<SandboxRequest> parse_sandbox_request(const IsolationRequest& request) {
  SandboxRequest parsed;
  if (request.network == "host") {
    parsed.host_network = true;
  } else if (!request.network.empty() && request.network != "none") {
    return Error{Code::invalid_argument, "a sandbox has no network '" + request.network +
                                             "'; it may be none or host (docker knows others)"};
  }
  const auto options = parse_json(request.options);
  if (!options) return options.error();
  if (!options->is_object()) {
    return Error{Code::invalid_argument, "the options of a sandbox must be an object, not " +
                                             std::string(json_type(*options))};
  }
  constexpr double kTmpBytesMin = 1 << 20;
  constexpr double kTmpBytesMax = static_cast<double>(std::uint64_t{1} << 40);
  JsonFields fields(*options, "sandbox");
  fields.refuse_unknown({"tmp_bytes"});
  parsed.tmp_bytes = static_cast<std::uint64_t>(fields.number(
      "tmp_bytes", static_cast<double>(parsed.tmp_bytes), kTmpBytesMin, kTmpBytesMax));
  if (fields.error()) return *fields.error();
  return parsed;
}

bool has_own_path(const Environment& env) {
  const char* const own = std::getenv("PATH");
  const auto found = env.find("PATH");
  return own != nullptr && found != env.end() && found->second == own;
}

}  // namespace perijove
