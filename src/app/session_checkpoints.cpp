#include "app/session_checkpoints.hpp"

#include <nlohmann/json.hpp>
#include <vector>

#include "app/session_actions.hpp"
#include "app/table.hpp"
#include "app/units.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

Result<std::vector<json>> get_checkpoints(const GatewayClient& client) {
  const auto answer = ask_object(client, "GET", "v1/checkpoints");
  if (!answer) return answer.error();
  std::vector<json> checkpoints;
  for (const json& each : answer->value("checkpoints", json::array())) {
    if (each.is_object()) checkpoints.push_back(each);
  }
  return checkpoints;
}

// The id that `wanted` means: an id, its beginning, or a label that only one has.
Result<std::string> resolve_checkpoint(const GatewayClient& client, const std::string& wanted) {
  const auto checkpoints = get_checkpoints(client);
  if (!checkpoints) return checkpoints.error();
  std::vector<std::string> matching;
  for (const json& each : *checkpoints) {
    const std::string id = json_text(each, "checkpoint_id");
    if (id == wanted) return id;
    if (!wanted.empty() && (id.starts_with(wanted) || id.starts_with("c_" + wanted) ||
                            json_text(each, "label") == wanted)) {
      matching.push_back(id);
    }
  }
  if (matching.size() == 1) return matching.front();
  if (matching.empty()) {
    return Error{Code::not_found, "there is no checkpoint '" + wanted +
                                      "'; `perijove session checkpoints` shows those there are"};
  }
  return Error{Code::invalid_argument, std::to_string(matching.size()) +
                                           " checkpoints have an id that begins with '" + wanted +
                                           "', or that label; give the id"};
}

}  // namespace

Result<json> ask_slowly(const GatewayClient& client, const std::string& path, const json& body) {
  HttpCall call;
  call.method = "POST";
  call.path = path;
  call.body = dump_json(body);
  call.timeout = std::chrono::minutes(60);
  const auto text = client.ask(std::move(call));
  if (!text) return text.error();
  auto answer = parse_json(*text);
  if (!answer || !answer->is_object()) {
    return Error{Code::data_loss, client.url() + " does not answer as a Perijove gateway"};
  }
  return answer;
}

void tell_names(const json& list, const std::string& what, Console& console) {
  for (const json& each : list) {
    if (each.is_object()) {
      console.note("note: '" + json_text(each, "name") + "' " + what + ": " +
                   json_text(each, "reason"));
    }
  }
}

void tell_restored(const json& restored, Console& console) {
  for (const json& each : restored.value("namespaces", json::array())) {
    if (!each.is_object()) continue;
    if (const std::string problem = json_text(each, "problem"); !problem.empty()) {
      console.note("note: " + json_text(each, "language") + ": " + problem);
    }
    tell_names(each.value("failed", json::array()), "did not come back", console);
  }
}

Result<int> take_checkpoint(const GatewayClient& client, const SessionFlags& flags,
                            Console& console) {
  const auto id = resolve_session(client, flags.id);
  if (!id) return id.error();
  const auto taken = ask_slowly(client, session_path(*id) + "/checkpoints",
                                {{"label", flags.label}, {"keep", flags.keep}});
  if (!taken) return taken.error();
  if (flags.as_json) {
    console.result(dump_json_pretty(*taken));
    return 0;
  }
  console.result(json_text(*taken, "checkpoint_id"));
  for (const json& warning : taken->value("warnings", json::array())) {
    if (warning.is_string()) console.note("note: " + warning.get<std::string>());
  }
  return 0;
}

Result<int> list_checkpoints(const GatewayClient& client, const SessionFlags& flags,
                             Console& console) {
  if (!flags.checkpoint.empty()) {
    const auto id = resolve_checkpoint(client, flags.checkpoint);
    if (!id) return id.error();
    HttpCall call;
    call.method = "DELETE";
    call.path = "v1/checkpoints/" + *id;
    const auto removed = client.ask(std::move(call));
    if (!removed) return removed.error();
    if (flags.as_json) {
      console.result(dump_json_pretty(json(*id)));
    } else {
      console.note(*id + " removed");
    }
    return 0;
  }
  auto checkpoints = get_checkpoints(client);
  if (!checkpoints) return checkpoints.error();
  if (!flags.id.empty()) {
    const auto session = resolve_session(client, flags.id);
    if (!session) return session.error();
    std::erase_if(*checkpoints,
                  [&](const json& each) { return json_text(each, "session_id") != *session; });
  }
  if (flags.as_json) {
    console.result(dump_json_pretty(*checkpoints));
    return 0;
  }
  if (checkpoints->empty()) {
    console.note("there is no checkpoint; `perijove session checkpoint ID` takes one");
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {
      {"ID", "LABEL", "SESSION", "METHOD", "SIZE", "KEPT", "CREATED"}};
  for (const json& each : *checkpoints) {
    rows.push_back(
        {json_text(each, "checkpoint_id"), json_text(each, "label"), json_text(each, "session_id"),
         json_text(each, "method"), bytes_text(each.value("bytes", std::uint64_t{0})),
         each.value("keep", false) ? "yes" : "no", json_text(each, "created").substr(0, 19)});
  }
  console.result(format_table(rows));
  return 0;
}

Result<int> restore_checkpoint(const GatewayClient& client, const SessionFlags& flags,
                               Console& console) {
  const auto id = resolve_session(client, flags.id);
  if (!id) return id.error();
  const auto checkpoint = resolve_checkpoint(client, flags.checkpoint);
  if (!checkpoint) return checkpoint.error();
  const auto restored = ask_slowly(
      client, session_path(*id) + "/checkpoints/" + *checkpoint + "/restore", json::object());
  if (!restored) return restored.error();
  if (flags.as_json) {
    console.result(dump_json_pretty(*restored));
    return 0;
  }
  std::size_t names = 0;
  for (const json& each : restored->value("namespaces", json::array())) {
    names += each.value("restored", json::array()).size();
  }
  console.note(*id + " restored: " + std::to_string(restored->value("files", 0)) + " files, " +
               std::to_string(names) + " names");
  tell_restored(*restored, console);
  return 0;
}

}  // namespace perijove
