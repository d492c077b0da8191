#include "executor/request_environment.hpp"

#include <nlohmann/json.hpp>

#include "protocol/json.hpp"

namespace perijove {
namespace {

bool is_variable_name(std::string_view name) {
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  for (const char c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!plain) return false;
  }
  return true;
}

// The text of a JSON string is that of a Python string, as long as nothing is escaped but what both
// escape alike; so the object goes as a string that json.loads() reads.
std::string python_code(const std::map<std::string, std::string>& variables, EnvironmentStep step) {
  if (step == EnvironmentStep::restore) {
    return "(lambda os: [os.environ.pop(k, None) if v is None else os.environ.__setitem__(k, v)"
           " for k, v in os.__dict__.pop('_perijove_environ', {}).items()])(__import__('os'))";
  }
  return "(lambda os, new: (os.__dict__.__setitem__('_perijove_environ',"
         " {k: os.environ.get(k) for k in new}), os.environ.update(new)))(__import__('os'),"
         " __import__('json').loads(" +
         dump_json(dump_json(variables)) + "))";
}

std::string shell_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string bash_code(const std::map<std::string, std::string>& variables, EnvironmentStep step) {
  std::string code;
  for (const auto& [name, value] : variables) {
    const std::string had = "_perijove_had_" + name, was = "_perijove_was_" + name;
    if (step == EnvironmentStep::set) {
      // `s` when it is set, with an `x` in what follows when it is exported.
      code += had + "=${" + name + "+s${" + name + "@a}}; " + was + "=\"${" + name +
              "-}\"; export " + name + "=" + shell_quoted(value) + "\n";
    } else {
      code += "if [ -n \"$" + had + "\" ]; then " + name + "=\"$" + was + "\"; case $" + had +
              " in *x*) export " + name + ";; *) export -n " + name + ";; esac; else unset " +
              name + "; fi; unset " + had + " " + was + "\n";
    }
  }
  return code;
}

}  // namespace

Result<std::string> environment_code(const std::map<std::string, std::string>& variables,
                                     std::string_view language, EnvironmentStep step) {
  for (const auto& [name, value] : variables) {
    if (!is_variable_name(name) || value.find('\0') != std::string::npos) {
      return Error{Code::invalid_argument, "'" + name +
                                               "' cannot be set as an environment variable: a name "
                                               "is [A-Za-z_][A-Za-z0-9_]*, a value has no NUL"};
    }
  }
  if (language == "python") return python_code(variables, step);
  if (language == "bash") return bash_code(variables, step);
  return Error{Code::unimplemented,
               "environment variables of one request are set in Python and "
               "Bash only, not in " +
                   std::string(language) + "; give them to the session"};
}

}  // namespace perijove
