#include "executor/namespace_code.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "code/namespace_scripts.hpp"
#include "code/python_scripts.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

// kNamespaceScript says what this is. A JSON string is a literal of Python, and of JavaScript, too.
NamespaceCode python_code(std::string_view function, const json& request) {
  return {.code = {},
          .expression = "(lambda b, n, u: (b.exec(" + dump_json(kNamespaceScript) + ", n), n[" +
                        dump_json(function) + "](u, " + dump_json(dump_json(request)) +
                        "))[1])(__import__(\"builtins\"), {\"__name__\": \"perijove\"}, "
                        "(lambda: 0).__globals__)"};
}

std::string bash_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

NamespaceCode bash_code(std::string_view function, const HandOver& files,
                        const std::vector<std::string>& saved, std::string_view text) {
  std::string code = std::string(kNamespaceBash);
  code += "__perijove_file=" + bash_quoted(files.file) + "\n";
  code += "__perijove_report_file=" + bash_quoted(files.report) + "\n";
  code += "__perijove_directories=(";
  for (const std::string& each : files.directories) code += ' ' + bash_quoted(each);
  code += " )\n";
  if (!text.empty()) {
    const std::size_t header = text.find('\n');
    const std::string_view payload =
        header == std::string_view::npos ? std::string_view() : text.substr(header + 1);
    code += "__perijove_saved=(";
    for (const std::string& each : saved) code += ' ' + bash_quoted(each);
    code += " )\n__perijove_find \"$__perijove_report_file\"\n" + std::string(payload) + "\n";
  }
  return {.code = code + std::string(function) + "\n", .expression = {}};
}

NamespaceCode javascript_code(std::string_view function, const HandOver& files,
                              std::string_view text) {
  json request = {{"file", files.file},
                  {"report", files.report},
                  {"directories", files.directories},
                  {"text", std::string(text)}};
  return {.code = "await (\n" + std::string(kNamespaceJavaScript) + ")(" + dump_json(function) + ", " +
                  dump_json(request) + ", require);",
          .expression = {}};
}

void read_names(const json& object, const char* name, std::vector<std::string>& into) {
  for (const json& each : object.value(name, json::array())) {
    if (each.is_string()) into.push_back(each.get<std::string>());
  }
}

void read_left_out(const json& object, const char* name, std::vector<NotCarried>& into) {
  for (const json& each : object.value(name, json::array())) {
    if (each.is_object()) into.push_back({json_text(each, "name"), json_text(each, "reason")});
  }
}

Result<json> parse_told(std::string_view text, const char* name) {
  auto told = parse_json(text);
  const bool sound = told && told->is_object() && told->value(name, json()).is_array();
  if (!sound) {
    return Error{
        Code::unavailable,
        "the kernel's file is not what it was asked for; it may have been changed by code"};
  }
  return told;
}

}  // namespace

bool can_carry_namespace(std::string_view language) {
  return language == "python" || loads_from_text(language);
}

bool loads_from_text(std::string_view language) {
  return language == "bash" || language == "javascript";
}

NamespaceCode save_namespace(std::string_view language, const HandOver& files) {
  if (language == "bash") return bash_code("__perijove_save", files, {}, {});
  if (language == "javascript") return javascript_code("save", files, {});
  return python_code("save", {{"file", files.file}, {"directories", files.directories}});
}

NamespaceCode load_namespace(const SavedNamespace& saved, const HandOver& files,
                             std::string_view text) {
  if (saved.language == "bash") return bash_code("__perijove_load", files, saved.saved, text);
  if (saved.language == "javascript") return javascript_code("load", files, text);
  return python_code("load", {{"file", files.file},
                              {"report", files.report},
                              {"directories", files.directories},
                              {"sha256", saved.sha256}});
}

Result<void> read_namespace_header(std::string_view line, SavedNamespace& into) {
  const auto header = parse_told(line, "saved");
  if (!header) return header.error();
  read_names(*header, "saved", into.saved);
  read_left_out(*header, "skipped", into.skipped);
  return {};
}

Result<void> read_load_report(std::string_view text, Restoration::Namespace& into) {
  const auto report = parse_told(text, "restored");
  if (!report) return report.error();
  read_names(*report, "restored", into.restored);
  read_left_out(*report, "failed", into.failed);
  return {};
}

}  // namespace perijove
