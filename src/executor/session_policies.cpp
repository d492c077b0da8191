#include "executor/session_policies.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "protocol/code_blocks.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

using nlohmann::json;

std::vector<std::string> read_texts(JsonFields& fields, std::string_view field) {
  std::vector<std::string> texts;
  const json* const value = fields.find(field);
  if (value == nullptr || value->is_null()) return texts;
  if (!value->is_array()) {
    fields.refuse_type(field, "an array of strings", *value);
    return texts;
  }
  for (const json& each : *value) {
    if (!each.is_string()) {
      fields.refuse_type(field, "an array of strings", each);
      return texts;
    }
    texts.push_back(each.get<std::string>());
  }
  return texts;
}

// A list of languages, or an object with the kernelspec for each.
void read_languages(JsonFields& fields, SessionPolicies& policies) {
  const json* const value = fields.find("languages");
  if (value == nullptr || !value->is_object()) {
    for (const std::string& each : read_texts(fields, "languages")) {
      policies.languages.push_back(canonical_language(each));
    }
    return;
  }
  for (const auto& [name, how] : value->items()) {
    const std::string language = canonical_language(name);
    policies.languages.push_back(language);
    JsonFields members(how, "languages." + name);
    members.refuse_unknown({"kernel", "executable", "file_extension"});
    const std::string kernel = members.text("kernel");
    if (!kernel.empty()) policies.kernels[language] = kernel;
    LanguageProgram program{members.text("executable"), members.text("file_extension")};
    if (!program.extension.empty() && program.extension.front() != '.') {
      program.extension.insert(0, ".");
    }
    if (program.extension.find('/') != std::string::npos) {
      members.refuse("file_extension", "must not hold a slash");
    }
    if (!kernel.empty() && !program.executable.empty()) {
      members.refuse("executable", "and 'kernel' are two ways to run one language: choose one");
    }
    policies.programs[language] = std::move(program);
    if (members.error()) fields.refuse("languages", members.error()->message);
  }
}

void read_execution(JsonFields& fields, std::map<std::string, bool>& execution) {
  const json* const value = fields.find("execution_policies");
  if (value == nullptr || value->is_null()) return;
  if (!value->is_object()) {
    fields.refuse_type("execution_policies", "an object of booleans", *value);
    return;
  }
  for (const auto& [name, runs] : value->items()) {
    if (!runs.is_boolean()) {
      fields.refuse_type("execution_policies", "an object of booleans", runs);
      return;
    }
    execution[canonical_language(name)] = runs.get<bool>();
  }
}

void read_limits(JsonFields& fields, SessionPolicies& policies) {
  policies.profile = fields.text("profile");
  if (!policies.profile.empty()) {
    const auto profile = find_resource_profile(policies.profile);
    if (!profile) {
      fields.refuse("profile", "is unknown: " + profile.error().message);
      return;
    }
    policies.limits.memory_bytes_max = profile->memory_bytes_max;
    policies.limits.processors_max = profile->cpus_max;
  }
  const json* const value = fields.find("limits");
  if (value == nullptr || value->is_null()) return;
  JsonFields limits(*value, "limits");
  limits.refuse_unknown(
      {"memory_bytes", "cpu_time_s", "processors", "processes", "file_bytes", "open_files"});
  constexpr double kMemoryMin = 1 << 20;
  if (const double most = limits.number("memory_bytes", 0, kMemoryMin, 1e15); most > 0) {
    policies.limits.memory_bytes_max = static_cast<std::uint64_t>(most);
  }
  if (const double most = limits.number("cpu_time_s", 0, 1, 1e9); most > 0) {
    policies.limits.cpu_time_max = std::chrono::seconds(static_cast<std::int64_t>(most));
  }
  if (const double most = limits.number("processors", 0, 0.01, 1024); most > 0) {
    policies.limits.processors_max = most;
  }
  const auto count = [&limits](std::string_view name, std::optional<std::uint64_t>& limit) {
    if (const double most = limits.number(name, 0, 1, 1e15); most > 0) {
      limit = static_cast<std::uint64_t>(most);
    }
  };
  count("processes", policies.limits.processes_max);
  count("file_bytes", policies.limits.file_bytes_max);
  count("open_files", policies.limits.open_files_max);
  if (limits.error()) fields.refuse("limits", limits.error()->message);
}

template <typename T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

}  // namespace

bool SessionPolicies::allows(const std::string& language) const {
  return languages.empty() ||
         std::find(languages.begin(), languages.end(), language) != languages.end();
}

bool SessionPolicies::runs(const std::string& language) const {
  const auto found = execution.find(language);
  return found == execution.end() || found->second;
}

const LanguageProgram* SessionPolicies::program_of(const std::string& language) const {
  const auto found = programs.find(language);
  return found == programs.end() || found->second.executable.empty() ? nullptr : &found->second;
}

std::string SessionPolicies::extension_of(const std::string& language) const {
  const auto found = programs.find(language);
  if (found != programs.end() && !found->second.extension.empty()) return found->second.extension;
  return language == "python" ? ".py" : "." + language;
}

void read_session_policies(JsonFields& fields, SessionPolicies& policies) {
  read_languages(fields, policies);
  read_execution(fields, policies.execution);
  policies.sanitize = fields.boolean("sanitize", false);
  const std::size_t mode = fields.choice("mode", {"normal", "restricted", "off"}, 0);
  policies.restricted = mode == 1;
  policies.off = mode == 2;
  read_limits(fields, policies);
}

void read_session_setup(JsonFields& fields, SessionSetupOptions& setup) {
  if (const json* const functions = fields.find("functions");
      functions != nullptr && !functions->is_null()) {
    if (functions->is_array()) {
      // A function may be given as its source alone.
      json list = json::array();
      for (const json& each : *functions) {
        list.push_back(each.is_string() ? json{{"source", each}} : each);
      }
      setup.functions = dump_json(list);
    } else {
      fields.refuse_type("functions", "an array", *functions);
    }
  }
  setup.module = fields.text("functions_module", setup.module);
  setup.requirements = read_texts(fields, "requirements");
  for (const std::string& each : setup.requirements) {
    if (each.empty() || each.front() == '-') {
      fields.refuse("requirements", "must be packages, not options of pip");
    }
  }
  setup.virtual_env = fields.text("virtual_env");
  if (!setup.virtual_env.empty() && setup.virtual_env.front() != '/') {
    fields.refuse("virtual_env", "must be an absolute path");
  }
}

json to_json(const SessionPolicies& policies) {
  json limits = {{"memory_bytes", or_null(policies.limits.memory_bytes_max)},
                 {"cpu_time_s", json()},
                 {"processors", or_null(policies.limits.processors_max)},
                 {"processes", or_null(policies.limits.processes_max)},
                 {"file_bytes", or_null(policies.limits.file_bytes_max)},
                 {"open_files", or_null(policies.limits.open_files_max)}};
  if (policies.limits.cpu_time_max) limits["cpu_time_s"] = policies.limits.cpu_time_max->count();
  json shown = {{"mode", policies.off          ? "off"
                         : policies.restricted ? "restricted"
                                               : "normal"},
                {"languages", policies.languages.empty() ? json() : json(policies.languages)},
                {"execution_policies", policies.execution},
                {"sanitize", policies.sanitize},
                {"profile", policies.profile.empty() ? json() : json(policies.profile)},
                {"limits", limits}};
  if (policies.restricted) shown["isolation"] = "advisory";
  return shown;
}

}  // namespace perijove
