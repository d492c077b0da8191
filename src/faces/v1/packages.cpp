#include <nlohmann/json.hpp>
#include <utility>

#include "executor/package_installation.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

constexpr double kTimeoutDefaultSeconds = 600;
constexpr double kTimeoutMaxSeconds = 86'400;
constexpr std::size_t kPackagesMax = 200;

std::optional<Installation> read_installation(const CallPtr& call) {
  const auto body = body_object(call);
  if (!body) return std::nullopt;
  JsonFields fields(*body, "packages request");
  fields.refuse_unknown({"install", "upgrade", "timeout_s"});
  Installation what;
  const json* const install = fields.find("install");
  if (install == nullptr || !install->is_array() || install->empty()) {
    fields.refuse("install", "must be an array of at least one package");
  } else if (install->size() > kPackagesMax) {
    fields.refuse("install", "may be " + std::to_string(kPackagesMax) + " packages at most");
  } else {
    for (const json& each : *install) {
      what.packages.push_back(each.is_string() ? each.get<std::string>() : std::string());
    }
  }
  what.upgrade = fields.boolean("upgrade", false);
  what.timeout = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
      fields.number("timeout_s", kTimeoutDefaultSeconds, 1, kTimeoutMaxSeconds)));
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
    return std::nullopt;
  }
  return what;
}

void tell(const CallPtr& call, const CodeResult& result) {
  const auto installed = read_installed(result);
  if (installed) {
    call->json(200, *installed);
    return;
  }
  const Error& error = installed.error();
  switch (error.code) {
    case Code::deadline_exceeded:
      problem(call, 504, "timeout", error.message, "a longer timeout_s may help");
      break;
    case Code::aborted:
      problem(call, error, "cancelled");
      break;
    case Code::permission_denied:
      problem(call, error, "denied");
      break;
    case Code::not_found:
      problem(call, 501, "language_not_supported", error.message);
      break;
    case Code::unavailable:
      problem(call, error, "kernel_died");
      break;
    default:
      problem(call, error);
  }
}

}  // namespace

bool handle_packages(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() != 4 || path[1] != "sessions" || path[3] != "packages") return false;
  if (!method_is(call, "POST")) return true;
  const auto session = find_session(face, call, path);
  if (!session) return true;
  const auto installation = read_installation(call);
  if (!installation) return true;
  auto request = installation_request(*session, *installation);
  if (!request) {
    const bool denied = request.error().code == Code::permission_denied;
    problem(call, request.error(), denied ? "denied" : "validation_failed");
    return true;
  }
  const auto execution = session->execute(*std::move(request));
  if (!execution) {
    const bool busy = execution.error().code == Code::aborted;
    problem(call, execution.error(), busy ? "kernel_busy" : "");
    return true;
  }
  const auto listening = std::make_shared<std::shared_ptr<void>>();
  call->exchange().set_on_disconnect([running = *execution, listening] {
    listening->reset();
    running->cancel();
  });
  *listening = (*execution)->listen([call, running = *execution, listening] {
    if (!running->done()) return;
    const auto last = std::exchange(*listening, nullptr);  // lives to the end of this call
    tell(call, running->result());
  });
  return true;
}

}  // namespace perijove::v1
