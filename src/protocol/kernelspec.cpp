#include "protocol/kernelspec.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// exec takes C strings: what follows a NUL would silently be lost.
bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

std::vector<std::string> read_argv(JsonFields& fields) {
  const nlohmann::json* value = fields.find("argv");
  std::vector<std::string> argv;
  if (value == nullptr) {
    fields.refuse("argv", "is missing: it is the command that starts the kernel");
  } else if (!value->is_array()) {
    fields.refuse_type("argv", "an array of strings", *value);
  } else {
    for (const auto& part : *value) {
      const std::string field = "argv[" + std::to_string(argv.size()) + "]";
      if (!part.is_string()) {
        fields.refuse_type(field, "a string", part);
        return {};
      }
      argv.push_back(part.get<std::string>());
      if (has_nul(argv.back())) fields.refuse(field, "must not hold a NUL");
    }
    if (argv.empty() || argv.front().empty()) {
      fields.refuse("argv", "must begin with the program to start");
    }
  }
  return argv;
}

InterruptMode read_interrupt_mode(JsonFields& fields) {
  const std::string mode = to_lower(fields.text("interrupt_mode", "signal"));
  if (mode == "message") return InterruptMode::message;
  if (mode != "signal") fields.refuse("interrupt_mode", "must be 'signal' or 'message'");
  return InterruptMode::signal;
}

Environment read_env(JsonFields& fields) {
  const nlohmann::json* value = fields.find("env");
  Environment env;
  if (value == nullptr) return env;
  if (!value->is_object()) {
    fields.refuse_type("env", "an object of strings", *value);
    return env;
  }
  for (const auto& [name, text] : value->items()) {
    if (!text.is_string()) {
      fields.refuse_type("env." + name, "a string", text);
    } else if (name.empty() || name.find('=') != std::string::npos || has_nul(name)) {
      fields.refuse("env", "holds a name that is empty or has '=' or NUL in it");
    } else if (has_nul(text.get_ref<const std::string&>())) {
      fields.refuse("env." + name, "must not hold a NUL");
    } else {
      env.emplace(name, text.get<std::string>());
    }
  }
  return env;
}

std::string read_metadata(JsonFields& fields) {
  const nlohmann::json* value = fields.find("metadata");
  if (value == nullptr) return "{}";
  if (!value->is_object()) fields.refuse_type("metadata", "an object", *value);
  return dump_json(*value);
}

bool is_bare_python(std::string_view program) {
  if (!program.starts_with("python")) return false;
  program.remove_prefix(6);
  if (program.empty()) return true;
  if (!is_digit(program[0])) return false;
  while (!program.empty() && is_digit(program[0])) program.remove_prefix(1);
  if (program.empty()) return true;
  if (program[0] != '.' || program.size() == 1) return false;
  program.remove_prefix(1);
  while (!program.empty() && is_digit(program[0])) program.remove_prefix(1);
  return program.empty();
}

std::string fill_braces(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open);
    std::size_t length = 1;
    while (length < text.size() && is_word(text[length])) ++length;
    const bool closed = length > 1 && length < text.size() && text[length] == '}';
    const auto value = closed ? values.find(std::string(text.substr(1, length - 1))) : values.end();
    if (value == values.end()) {
      out += '{';
      text.remove_prefix(1);
    } else {
      out += value->second;
      text.remove_prefix(length + 1);
    }
  }
  return out;
}

}  // namespace

std::string_view to_string(InterruptMode mode) {
  return mode == InterruptMode::signal ? "signal" : "message";
}

bool is_valid_kernelspec_name(std::string_view name) {
  if (name.empty() || name.size() > 255 || name == "." || name == "..") return false;
  for (const char c : name) {
    if (!is_word(c) && c != '-' && c != '.') return false;
  }
  return true;
}

Result<Kernelspec> parse_kernelspec(std::string_view name, std::string_view resource_dir,
                                    ByteView text) {
  if (!is_valid_kernelspec_name(name)) {
    return Error{Code::invalid_argument,
                 "kernelspec name must consist of ASCII letters, digits, '-', '.' and '_'"};
  }
  const auto document = parse_json(text);
  if (!document) return Error{Code::invalid_argument, "kernel.json: " + document.error().message};

  JsonFields fields(*document, "kernel.json");
  Kernelspec spec;
  spec.name = to_lower(name);
  spec.argv = read_argv(fields);
  spec.display_name = fields.text("display_name", name);
  spec.language = fields.text("language");
  spec.interrupt_mode = read_interrupt_mode(fields);
  spec.env = read_env(fields);
  spec.metadata = read_metadata(fields);
  spec.kernel_protocol_version = fields.text("kernel_protocol_version");
  spec.resource_dir = resource_dir;
  if (fields.error()) return *fields.error();
  return spec;
}

std::string kernelspec_model(const Kernelspec& spec, const std::vector<std::string>& files,
                             std::string_view base_url) {
  nlohmann::json resources = nlohmann::json::object();
  for (const std::string& file : files) {
    const bool logo = file.starts_with("logo-");
    if (!logo && file != "kernel.js" && file != "kernel.css") continue;
    // Logos are known by their name without the extension, `logo-64x64`.
    const std::string key = logo ? file.substr(0, file.rfind('.')) : file;
    resources[key] = std::string(base_url) + "kernelspecs/" + spec.name + "/" + file;
  }
  auto metadata = parse_json(spec.metadata);
  const nlohmann::json model = {{"name", spec.name},
                                {"spec",
                                 {{"argv", spec.argv},
                                  {"env", spec.env},
                                  {"display_name", spec.display_name},
                                  {"language", spec.language},
                                  {"interrupt_mode", to_string(spec.interrupt_mode)},
                                  {"metadata", metadata ? *metadata : nlohmann::json::object()},
                                  {"kernel_protocol_version", spec.kernel_protocol_version}}},
                                {"resources", std::move(resources)}};
  return dump_json(model);
}

std::string environment_prefix(std::string_view resource_dir) {
  while (resource_dir.ends_with('/')) resource_dir.remove_suffix(1);
  const std::size_t name = resource_dir.rfind('/');
  if (name == std::string_view::npos) return {};
  const std::string_view above = resource_dir.substr(0, name);
  constexpr std::string_view kTail = "/share/jupyter/kernels";
  if (!above.ends_with(kTail)) return {};
  return std::string(above.substr(0, above.size() - kTail.size()));
}

std::string interpreter_candidate(const Kernelspec& spec) {
  const std::string prefix = environment_prefix(spec.resource_dir);
  if (prefix.empty() || spec.argv.empty() || !is_bare_python(spec.argv.front())) return {};
  return prefix + "/bin/" + spec.argv.front();
}

// The object in the metadata that is meant for us; empty when there is none.
static nlohmann::json own_metadata(const Kernelspec& spec) {
  const auto metadata = parse_json(spec.metadata);
  if (!metadata || !metadata->is_object()) return nlohmann::json::object();
  const auto ours = metadata->find("perijove");
  if (ours == metadata->end() || !ours->is_object()) return nlohmann::json::object();
  return *ours;
}

std::string kernelspec_setting(const Kernelspec& spec, std::string_view name) {
  return json_text(own_metadata(spec), name);
}

bool kernelspec_flag(const Kernelspec& spec, std::string_view name) {
  const nlohmann::json ours = own_metadata(spec);
  const auto flag = ours.find(name);
  return flag != ours.end() && flag->is_boolean() && flag->get<bool>();
}

std::vector<std::string> kernelspec_command(const Kernelspec& spec, std::string_view name) {
  const nlohmann::json ours = own_metadata(spec);
  std::vector<std::string> command;
  const auto words = ours.find(name);
  if (words == ours.end() || !words->is_array()) return command;
  for (const nlohmann::json& word : *words) {
    if (!word.is_string()) return {};
    command.push_back(word.get<std::string>());
  }
  return command;
}

bool names_resource_dir(const std::vector<std::string>& command) {
  return std::any_of(command.begin(), command.end(), [](const std::string& word) {
    return word.find("{resource_dir}") != word.npos;
  });
}

bool begins_with_python(const Kernelspec& spec) {
  if (spec.argv.empty()) return false;
  const std::string_view program = spec.argv.front();
  const std::string_view name = program.substr(program.rfind('/') + 1);
  return name.starts_with("python") || name.starts_with("pypy");
}

std::vector<std::string> launch_argv(const Kernelspec& spec,
                                     const std::map<std::string, std::string>& values) {
  std::map<std::string, std::string> known = values;
  known.emplace("resource_dir", spec.resource_dir);
  if (std::string prefix = environment_prefix(spec.resource_dir); !prefix.empty()) {
    known.emplace("prefix", std::move(prefix));
  }
  std::vector<std::string> argv;
  for (const std::string& part : spec.argv) argv.push_back(fill_braces(part, known));
  if (!spec.interpreter.empty() && !argv.empty()) argv.front() = spec.interpreter;
  return argv;
}

}  // namespace perijove
