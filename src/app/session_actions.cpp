#include "app/session_actions.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/exec_source.hpp"
#include "app/job_command.hpp"
#include "app/session_checkpoints.hpp"
#include "app/session_stream.hpp"
#include "app/table.hpp"
#include "app/units.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr std::size_t kSourceBytesMax = std::size_t{64} * 1024 * 1024;
constexpr std::size_t kConfigBytesMax = std::size_t{4} * 1024 * 1024;

Result<std::vector<json>> get_sessions(const GatewayClient& client) {
  const auto answer = ask_object(client, "GET", "v1/sessions");
  if (!answer) return answer.error();
  std::vector<json> sessions;
  for (const json& each : answer->value("sessions", json::array())) {
    if (each.is_object()) sessions.push_back(each);
  }
  return sessions;
}

// The id of the session that `wanted` means: an id, the beginning of one, or a key.
Result<std::string> resolve(const std::vector<json>& sessions, const std::string& wanted) {
  std::vector<std::string> matching;
  for (const json& session : sessions) {
    const std::string id = json_text(session, "session_id");
    if (id == wanted || json_text(session, "key") == wanted) return id;
    if (!wanted.empty() && (id.starts_with(wanted) || id.starts_with("s_" + wanted))) {
      matching.push_back(id);
    }
  }
  if (matching.size() == 1) return matching.front();
  if (matching.empty()) {
    return Error{Code::not_found,
                 "there is no session '" + wanted +
                     "'; `perijove session list` shows those that live, `perijove session start "
                     "--key " +
                     wanted + "` makes one"};
  }
  return Error{Code::invalid_argument, std::to_string(matching.size()) +
                                           " sessions have an id that begins with '" + wanted +
                                           "'; give more of it"};
}

std::string shown(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "-" : dump_json(value);
}

constexpr std::uint64_t kCountMax = 1'000'000;  // the gateway knows better

// `field` of the body as seconds, when the flag was given; 0 means no limit.
Result<void> add_seconds(json& body, const char* field, const std::string& text, const char* flag) {
  if (text.empty()) return {};
  const auto duration = parse_duration(text, flag);
  if (!duration) return duration.error();
  const double seconds = std::chrono::duration<double>(*duration).count();
  body[field] = seconds > 0 ? json(seconds) : json();
  return {};
}

// The flags of checkpoints that a session takes by itself.
Result<void> add_auto_checkpoint(json& body, const SessionFlags& flags) {
  json given = json::object();
  if (!flags.checkpoint_every.empty()) {
    const auto every = parse_count(flags.checkpoint_every, "--checkpoint-every", 1, kCountMax);
    if (!every) return every.error();
    given["every"] = *every;
  }
  if (!flags.checkpoint_before_risky.empty()) given["before_risky"] = flags.checkpoint_before_risky;
  if (flags.recover) given["recover"] = true;
  const auto idle = add_seconds(given, "idle_s", flags.checkpoint_idle, "--checkpoint-idle");
  if (!idle || given.empty()) return idle;
  json& options = body["auto_checkpoint"];
  if (!options.is_object()) options = json::object();
  options.update(given);
  return {};
}

Result<json> exec_request(const SessionFlags& flags) {
  if (flags.code.empty() == flags.file.empty()) {
    return Error{Code::invalid_argument,
                 "name one source of code: a FILE, - for standard input, or -c CODE"};
  }
  std::string text = flags.code;
  std::string language = flags.language;
  if (!flags.file.empty()) {
    auto read = read_input_file(flags.file, kSourceBytesMax);
    if (!read) return read.error();
    text = *std::move(read);
    if (language.empty() && flags.file != "-") language = language_of_file(flags.file);
  }
  json request = json::object();
  if (flags.markdown || language == "markdown") {
    request["markdown"] = text;
  } else {
    request["code"] = text;
    if (!language.empty()) request["language"] = language;
  }
  if (const auto added = add_seconds(request, "timeout", flags.timeout, "--timeout"); !added) {
    return added.error();
  }
  const auto env = read_env_flags(flags.env);
  if (!env) return env.error();
  if (!env->empty()) request["env"] = *env;
  request["stop_on_error"] = !flags.allow_errors;
  if (flags.checkpoint_before) request["checkpoint"] = true;
  // As with any interpreter: input() reads what is piped in, unless the program itself came so.
  if (flags.file != "-") request["stdin"] = "interactive";
  return request;
}

Result<int> act(const GatewayClient& client, const SessionFlags& flags, Console& console,
                std::string_view method, const std::string& action, std::string_view done) {
  if (flags.ids.empty() && !flags.all) {
    return Error{Code::invalid_argument,
                 "name a session by its id or key; `perijove session list` shows them"};
  }
  const auto sessions = get_sessions(client);
  if (!sessions) return sessions.error();
  std::vector<std::string> ids;
  for (const json& session : *sessions) {
    if (flags.all) ids.push_back(json_text(session, "session_id"));
  }
  for (const std::string& wanted : flags.ids) {
    const auto id = resolve(*sessions, wanted);
    if (!id) return id.error();
    if (std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  }
  for (const std::string& id : ids) {
    HttpCall call;
    call.method = method;
    call.path = session_path(id) + action;
    call.timeout = std::chrono::minutes(2);  // a kernel may take its time to end and to start
    const auto answer = client.ask(std::move(call));
    if (!answer) return answer.error();
    if (!flags.as_json) console.note(id + " " + std::string(done));
  }
  if (flags.as_json) console.result(dump_json_pretty(json(ids)));
  return 0;
}

}  // namespace

std::string session_path(const std::string& id) { return "v1/sessions/" + percent_encode_path(id); }

Result<json> ask_object(const GatewayClient& client, std::string_view method,
                        const std::string& path, const std::string& body) {
  auto answer = client.ask_json(method, path, body);
  if (answer && !answer->is_object()) {
    return Error{Code::data_loss, client.url() + " does not answer as a Perijove gateway"};
  }
  return answer;
}

Result<json> read_session_config(const std::string& path) {
  if (path.empty()) return json::object();
  const auto text = read_input_file(path, kConfigBytesMax);
  if (!text) return text.error();
  auto config = parse_json(*text);
  if (!config) return Error{Code::invalid_argument, path + ": " + config.error().message};
  if (!config->is_object()) {
    return Error{Code::invalid_argument,
                 path + ": must be a JSON object, not " + std::string(json_type(*config))};
  }
  return config;
}

Result<std::string> resolve_session(const GatewayClient& client, const std::string& wanted) {
  const auto sessions = get_sessions(client);
  if (!sessions) return sessions.error();
  return resolve(*sessions, wanted);
}

Result<int> list_sessions(const GatewayClient& client, const SessionFlags& flags,
                          Console& console) {
  const auto sessions = get_sessions(client);
  if (!sessions) return sessions.error();
  if (flags.as_json) {
    console.result(dump_json_pretty(*sessions));
    return 0;
  }
  if (sessions->empty()) {
    console.note("no session lives at " + client.url() + "; `perijove session start` makes one");
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {
      {"ID", "KEY", "KERNEL", "STATE", "QUEUED", "CREATED", "DIRECTORY"}};
  for (const json& session : *sessions) {
    rows.push_back({json_text(session, "session_id"), json_text(session, "key"),
                    json_text(session, "kernel"), json_text(session, "state"),
                    std::to_string(session.value("queued", 0)),
                    json_text(session, "created").substr(0, 19), json_text(session, "work_dir")});
  }
  console.result(format_table(rows));
  return 0;
}

Result<int> show_session(const GatewayClient& client, const SessionFlags& flags, Console& console) {
  const auto id = resolve_session(client, flags.id);
  if (!id) return id.error();
  const auto session = ask_object(client, "GET", session_path(*id));
  if (!session) return session.error();
  if (flags.as_json) {
    console.result(dump_json_pretty(*session));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : session->items()) {
    if (name != "kernels") rows.push_back({name, shown(value)});
  }
  for (const json& kernel : session->value("kernels", json::array())) {
    rows.push_back({"kernel", json_text(kernel, "name") + " " + json_text(kernel, "id") + " " +
                                  json_text(kernel, "execution_state")});
  }
  console.result(format_table(rows));
  return 0;
}

Result<int> start_session(const GatewayClient& client, const SessionFlags& flags,
                          Console& console) {
  if (flags.reuse && flags.key.empty()) {
    return Error{Code::invalid_argument,
                 "--reuse needs --key: the session of that key is the one that is reused"};
  }
  if (!flags.image.empty() && !flags.isolation.empty() && flags.isolation != "docker") {
    return Error{Code::invalid_argument,
                 "--image is of a container: leave out --isolation " + flags.isolation};
  }
  auto config = read_session_config(flags.config);
  if (!config) return config.error();
  json body = *std::move(config);
  const auto add = [&body](const char* field, const std::string& value) {
    if (!value.empty()) body[field] = value;
  };
  add("pool", flags.pool);
  add("checkpoint", flags.checkpoint);
  add("kernel", flags.kernel);
  add("work_dir", flags.work_dir);
  add("isolation", flags.isolation);
  add("network", flags.network);
  add("virtual_env", flags.virtual_env);
  if (!flags.image.empty()) {
    body["isolation"] = "docker";
    json& docker = body["docker"];
    if (!docker.is_object()) docker = json::object();
    docker["image"] = flags.image;
  }
  if (!flags.reuse) add("key", flags.key);
  const auto env = read_env_flags(flags.env);
  if (!env) return env.error();
  if (!env->empty()) body["env"] = *env;
  for (const auto& added :
       {add_seconds(body, "timeout", flags.timeout, "--timeout"),
        add_seconds(body, "idle_timeout_s", flags.idle_timeout, "--idle-timeout"),
        add_seconds(body, "max_lifetime_s", flags.lifetime, "--max-lifetime"),
        add_auto_checkpoint(body, flags)}) {
    if (!added) return added.error();
  }
  const auto session =
      flags.reuse
          ? ask_object(client, "PUT", "v1/sessions/by-key/" + percent_encode_path(flags.key),
                       dump_json(body))
          : ask_slowly(client, "v1/sessions", body);
  if (!session) return session.error();
  console.result(flags.as_json ? dump_json_pretty(*session) : json_text(*session, "session_id"));
  if (!flags.as_json && session->contains("restored")) {
    tell_restored(session->value("restored", json::object()), console);
  }
  return 0;
}

Result<int> exec_in_session(const GatewayClient& client, const SessionFlags& flags,
                            Console& console) {
  const auto request = exec_request(flags);
  if (!request) return request.error();
  const auto id = resolve_session(client, flags.id);
  if (!id) return id.error();
  SessionStream stream(client, console, {.quiet = flags.as_json, .notes = !flags.quiet});
  const auto result = stream.run(session_path(*id), *request);
  if (!result) return result.error();
  if (flags.as_json) {
    console.result(dump_json_pretty(*result));
  } else if (const std::string note = json_text(*result, "note"); !note.empty()) {
    console.note(note);
  }
  return result->value("exit_code", 1);
}

Result<int> interrupt_sessions(const GatewayClient& client, const SessionFlags& flags,
                               Console& console) {
  return act(client, flags, console, "POST", "/interrupt", "interrupted");
}

Result<int> restart_sessions(const GatewayClient& client, const SessionFlags& flags,
                             Console& console) {
  return act(client, flags, console, "POST", "/restart", "restarted");
}

Result<int> release_sessions(const GatewayClient& client, const SessionFlags& flags,
                             Console& console) {
  return act(client, flags, console, "POST", "/release", "released");
}

Result<int> fork_session(const GatewayClient& client, const SessionFlags& flags, Console& console) {
  const auto count = parse_count(flags.count, "--count", 1, kCountMax);
  if (!count) return count.error();
  const auto id = resolve_session(client, flags.id);
  if (!id) return id.error();
  const auto forks = ask_slowly(client, session_path(*id) + "/fork", {{"count", *count}});
  if (!forks) return forks.error();
  if (flags.as_json) {
    console.result(dump_json_pretty(*forks));
    return 0;
  }
  for (const json& session : forks->value("sessions", json::array())) {
    console.result(json_text(session, "session_id"));
  }
  for (const json& warning : forks->value("warnings", json::array())) {
    console.note("note: " + shown(warning));
  }
  return 0;
}

Result<int> stop_sessions(const GatewayClient& client, const SessionFlags& flags,
                          Console& console) {
  return act(client, flags, console, "DELETE", "", "stopped");
}

}  // namespace perijove
