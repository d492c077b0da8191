#include "executor/executor_config.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/suggest.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr const char* kOwnProvider = "perijove.Session";

// One executor of another library: its options, each with our field for it. An empty field: it says
// what is so here anyway.
struct Executor {
  const char* name;
  std::map<std::string, std::string> fields;
  json fixed;  // fields that its name stands for
};

const std::vector<Executor>& executors() {
  static const std::map<std::string, std::string> command_line = {
      {"timeout", "timeout"},
      {"work_dir", "work_dir"},
      {"functions_module", "functions_module"},
      {"execution_policies", "execution_policies"},
      {"cleanup_temp_files", ""}};
  static const std::map<std::string, std::string> jupyter = {
      {"kernel_name", "kernel"}, {"timeout", "timeout"}, {"output_dir", "work_dir"}};
  static const std::map<std::string, std::string> docker = {
      {"image", "docker.image"},
      {"timeout", "timeout"},
      {"work_dir", "work_dir"},
      {"functions_module", "functions_module"}};
  static const std::vector<Executor> all = {
      {"commandline-local", command_line, json::object()},
      {"LocalCommandLineCodeExecutor", command_line, json::object()},
      {"ipython-embedded", jupyter, json::object()},
      {"JupyterCodeExecutor", jupyter, json::object()},
      {"DockerCommandLineCodeExecutor", docker, {{"isolation", "docker"}}}};
  return all;
}

Error refusal(const std::string& message) { return {Code::invalid_argument, "config: " + message}; }

Result<json> translate(const std::string& name, const json& options) {
  const Executor* found = nullptr;
  std::vector<std::string> known;
  for (const Executor& each : executors()) {
    known.emplace_back(each.name);
    if (name == each.name) found = &each;
  }
  if (found == nullptr) {
    const std::string hint = did_you_mean(name, known);
    return refusal("there is no executor '" + name + "' here" + (hint.empty() ? "" : "; " + hint));
  }
  json fields = found->fixed;
  for (const auto& [option, value] : options.items()) {
    const auto field = found->fields.find(option);
    if (field == found->fields.end()) {
      return refusal("'" + option + "' of " + name + " has no meaning here");
    }
    if (value.is_null() || field->second.empty()) continue;
    if (field->second == "docker.image") {
      fields["docker"]["image"] = value;
    } else {
      fields[field->second] = value;
    }
  }
  return fields;
}

// AG2's code_execution_config of before there were executors.
Result<json> translate_legacy(const json& config) {
  JsonFields members(config, "config");
  members.refuse_unknown({"work_dir", "use_docker", "timeout", "last_n_messages"});
  if (members.error()) return *members.error();
  json fields = json::object();
  for (const char* const same : {"work_dir", "timeout"}) {
    if (config.contains(same) && !config[same].is_null()) fields[same] = config[same];
  }
  if (const json* const last = members.find("last_n_messages"); last != nullptr) {
    fields["labels"]["last_n_messages"] =
        last->is_string() ? last->get<std::string>() : last->dump();
  }
  const json* docker = members.find("use_docker");
  if (docker == nullptr || docker->is_null() || *docker == false) return fields;
  fields["isolation"] = "docker";
  if (docker->is_array() && !docker->empty()) docker = &docker->front();
  if (docker->is_string()) fields["docker"]["image"] = *docker;
  return fields;
}

}  // namespace

Result<json> session_fields_of(const json& config) {
  if (config == false) return json{{"mode", "off"}};
  if (!config.is_object()) return refusal("must be an object or false");
  const bool component = config.contains("provider");
  const std::string named = json_text(config, component ? "provider" : "executor");
  if (!component && !config.contains("executor")) return translate_legacy(config);
  if (named.empty()) return refusal("the executor must be given by its name");
  const char* const where = component ? "config" : named.c_str();
  const json options = config.value(where, json::object());
  if (!options.is_object()) return refusal("'" + std::string(where) + "' must be an object");
  for (const auto& [name, value] : config.items()) {
    // What dump_component() writes besides, and what other executors of the same dictionary have.
    const bool harmless = name == "executor" || name == "provider" || name == "component_type" ||
                          name == "version" || name == "component_version" ||
                          name == "description" || name == "label" || name == "last_n_messages";
    if (!harmless && name != where) return refusal("'" + name + "' has no meaning here");
  }
  if (named == kOwnProvider) return options;
  auto fields = translate(named.substr(named.rfind('.') + 1), options);
  if (fields && config.contains("last_n_messages")) {
    const json& last = config["last_n_messages"];
    (*fields)["labels"]["last_n_messages"] =
        last.is_string() ? last.get<std::string>() : last.dump();
  }
  return fields;
}

json session_config(json fields) {
  for (const char* const name : {"key", "files", "env", "config"}) fields.erase(name);
  return {{"provider", kOwnProvider}, {"config", std::move(fields)}};
}

}  // namespace perijove
