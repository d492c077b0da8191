#include "protocol/environment.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

// What a program needs to find its files, its user and its language. No PYTHONPATH, LD_* or the
// like: what changes the code that runs is the operator's decision.
const std::vector<std::string>& base_patterns() {
  static const std::vector<std::string> patterns = {
      "PATH",   "HOME",  "USER",        "LOGNAME",      "SHELL",
      "TERM",   "LANG",  "LC_*",        "LANGUAGE",     "TZ",
      "TMPDIR", "XDG_*", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"};
  return patterns;
}

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

bool is_variable_name(std::string_view name) {
  if (name.empty() || !is_name_start(name.front())) return false;
  for (const char c : name) {
    if (!is_name_part(c)) return false;
  }
  return true;
}

// Python's string.Template.safe_substitute, which jupyter_client applies: `$NAME`, `${NAME}`, `$$`;
// whatever is unknown or malformed stays. One pass: what was filled in is not looked at again.
std::string substitute(std::string_view text, const Environment& first, const Environment& second) {
  std::string out;
  while (!text.empty()) {
    const std::size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    if (text.starts_with('$')) {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    const bool braced = text.starts_with('{');
    const std::size_t start = braced ? 1 : 0;
    std::size_t end = start;
    while (end < text.size() && is_name_part(text[end])) ++end;
    const std::string name(text.substr(start, end - start));
    const bool whole =
        is_variable_name(name) && (!braced || (end < text.size() && text[end] == '}'));
    const std::string* value = nullptr;
    if (whole) {
      if (const auto found = first.find(name); found != first.end()) {
        value = &found->second;
      } else if (const auto other = second.find(name); other != second.end()) {
        value = &other->second;
      }
    }
    if (value == nullptr) {
      out += '$';
    } else {
      out += *value;
      text.remove_prefix(braced ? end + 1 : end);
    }
  }
  return out;
}

}  // namespace

Result<Environment> read_client_environment(const nlohmann::json& env) {
  Environment variables;
  if (env.is_null()) return variables;

  JsonFields fields(env, "env");
  if (fields.error()) return *fields.error();
  std::size_t total_bytes = 0;
  for (const auto& [name, value] : env.items()) {
    if (!is_variable_name(name)) {
      return Error{Code::invalid_argument,
                   "env: variable names must consist of letters, digits and '_' and not begin with "
                   "a digit"};
    }
    if (!value.is_string()) {
      fields.refuse_type(name, "a string", value);
      return *fields.error();
    }
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > kEnvironmentValueBytesMax) {
      fields.refuse(name, "is longer than " + std::to_string(kEnvironmentValueBytesMax) + " bytes");
    } else if (text.find_first_of(std::string_view("\0\n\r", 3)) != std::string::npos) {
      fields.refuse(name, "must not hold a NUL or a line break");
    }
    if (fields.error()) return *fields.error();
    total_bytes += name.size() + text.size();
    if (total_bytes > kClientEnvironmentBytesMax) {
      return Error{Code::invalid_argument, "env: all variables together are longer than " +
                                               std::to_string(kClientEnvironmentBytesMax) +
                                               " bytes"};
    }
    variables.emplace(name, text);
  }
  return variables;
}

bool is_gateway_secret(std::string_view name) {
  // Ours, and those of jupyter_kernel_gateway, enterprise_gateway, jupyter_server and its
  // GatewayClient, JupyterHub, and the `TOKEN` that AutoGen's images set.
  for (const std::string_view secret :
       {"PERIJOVE_TOKEN", "KG_AUTH_TOKEN", "EG_AUTH_TOKEN", "JUPYTER_TOKEN", "TOKEN",
        "JUPYTER_GATEWAY_AUTH_TOKEN", "JUPYTER_GATEWAY_HTTP_PWD", "JUPYTERHUB_API_TOKEN",
        "JPY_API_TOKEN"}) {
    if (name == secret) return true;
  }
  return false;
}

bool matches_name_pattern(std::string_view name, const std::vector<std::string>& patterns) {
  for (const std::string_view pattern : patterns) {
    if (pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1))
                               : name == pattern) {
      return true;
    }
  }
  return false;
}

KernelEnvironment make_kernel_environment(const EnvironmentRequest& request) {
  KernelEnvironment made;
  Environment& variables = made.variables;
  for (const auto& [name, value] : request.gateway) {
    if (is_gateway_secret(name)) continue;
    if (matches_name_pattern(name, base_patterns()) ||
        matches_name_pattern(name, request.inherited)) {
      variables.emplace(name, value);
    }
  }

  Environment from_client;
  for (const auto& [name, value] : request.client) {
    if (name.starts_with("KERNEL_") || matches_name_pattern(name, request.client_allowed)) {
      from_client.emplace(name, value);
    } else {
      made.ignored.push_back(name);
    }
  }

  // All of them are filled in before any takes effect: `PATH=/opt/bin:${PATH}` means the old PATH,
  // and the order of the kernelspec's members does not matter.
  Environment from_spec;
  for (const auto& [name, value] : request.spec.env) {
    from_spec.emplace(name, substitute(value, from_client, variables));
  }
  for (auto& [name, value] : from_spec) variables.insert_or_assign(name, std::move(value));
  for (auto& [name, value] : from_client) variables.insert_or_assign(name, std::move(value));

  // As jupyter_client: this one breaks any Python that it was not made for.
  if (to_lower(request.spec.language).starts_with("python")) variables.erase("PYTHONEXECUTABLE");

  variables.insert_or_assign("KERNEL_GATEWAY", "1");
  variables.insert_or_assign("KERNEL_ID", request.kernel_id);
  if (!request.session_name.empty()) {
    variables.insert_or_assign("JPY_SESSION_NAME", request.session_name);
  }
  if (!request.parent_pid.empty()) {
    variables.insert_or_assign("JPY_PARENT_PID", request.parent_pid);
  }
  return made;
}

}  // namespace perijove
