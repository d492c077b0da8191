#include <nlohmann/json.hpp>
#include <utility>

#include "code/python_scripts.hpp"
#include "code/requirement.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

constexpr double kTimeoutDefaultSeconds = 600;
constexpr double kTimeoutMaxSeconds = 86'400;
constexpr std::size_t kPackagesMax = 200;

// kPackagesScript's request, and how long it may take.
struct Installation {
  json request;
  Duration timeout{};
};

std::optional<Installation> read_installation(const CallPtr& call) {
  const auto body = body_object(call);
  if (!body) return std::nullopt;
  JsonFields fields(*body, "packages request");
  fields.refuse_unknown({"install", "upgrade", "timeout_s"});
  json texts = json::array();
  json names = json::array();
  const json* const install = fields.find("install");
  if (install == nullptr || !install->is_array() || install->empty()) {
    fields.refuse("install", "must be an array of at least one package");
  } else if (install->size() > kPackagesMax) {
    fields.refuse("install", "may be " + std::to_string(kPackagesMax) + " packages at most");
  } else {
    for (const json& each : *install) {
      const auto read = parse_requirement(each.is_string() ? each.get<std::string>() : "");
      if (!read) {
        fields.refuse("install", "has something else in it: " + read.error().message);
        break;
      }
      texts.push_back(read->text);
      names.push_back(read->name);
    }
  }
  const bool upgrade = fields.boolean("upgrade", false);
  const double timeout = fields.number("timeout_s", kTimeoutDefaultSeconds, 1, kTimeoutMaxSeconds);
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
    return std::nullopt;
  }
  return Installation{
      .request = {{"install", texts}, {"names", names}, {"upgrade", upgrade}},
      .timeout = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(timeout))};
}

CodeRequest to_code(const Installation& installation, const CodeRequest& defaults) {
  CodeRequest request = defaults;
  // A JSON string is a literal of Python, too. Its names live in a dictionary of their own.
  request.blocks = {{.language = "python",
                     .code = "(lambda b, n: (b.exec(" + dump_json(kPackagesScript) +
                             ", n), n[\"install\"](" + dump_json(dump_json(installation.request)) +
                             "))[1])(__import__(\"builtins\"), {\"__name__\": \"perijove\"})"}};
  request.timeout = installation.timeout;
  request.total_timeout = std::nullopt;
  request.quiet_timeout = std::nullopt;
  request.store_history = false;
  request.capture_files = false;
  request.interactive = false;
  request.output = OutputPolicy();
  return request;
}

// The last line of what was printed; nullopt when that is no answer.
std::optional<json> answer_in(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  auto answer = parse_json(text.substr(text.rfind('\n') + 1));
  if (!answer || !answer->is_object() || !answer->contains("installed")) return std::nullopt;
  return *std::move(answer);
}

void tell(const CallPtr& call, const CodeResult& result) {
  if (result.status == CodeStatus::ok) {
    if (auto answer = answer_in(result.stdout_text)) {
      (*answer)["execution_id"] = result.execution_id;
      call->json(200, *answer);
      return;
    }
  }
  const std::string why = result.error ? result.error->message : result.note;
  const std::string detail = "pip did not end in order" + (why.empty() ? "" : ": " + why);
  switch (result.status) {
    case CodeStatus::timeout:
      problem(call, 504, "timeout", detail, "a longer timeout_s may help");
      break;
    case CodeStatus::cancelled:
    case CodeStatus::interrupted:
      problem(call, 409, "cancelled", detail);
      break;
    case CodeStatus::rejected:
      problem(call, 501, "language_not_supported", detail);
      break;
    case CodeStatus::out_of_memory:
    case CodeStatus::kernel_died:
      problem(call, 503, "kernel_died", detail);
      break;
    default:
      problem(call, 500, "internal", detail);
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
  const auto execution = session->execute(to_code(*installation, session->options().defaults));
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
