#include "command/language.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "guest/capture.hpp"
#include "guest/process.hpp"

namespace perijove::kernels::command {

using nlohmann::json;

namespace {

[[noreturn]] void refuse(const std::string& what) { throw std::runtime_error(what); }

/// One object of a language file, whose fields are read one by one; what is left at the end nobody
/// knows.
class Fields {
 public:
  Fields(const json& object, std::string where) : where_(std::move(where)) {
    if (!object.is_object()) refuse((where_.empty() ? "it" : where_) + " must be an object");
    left_ = object;
  }

  std::string text(const char* name, std::optional<std::string> otherwise = std::nullopt) {
    const json value = take(name);
    if (value.is_string()) return value.get<std::string>();
    if (value.is_null() && otherwise) return *std::move(otherwise);
    refuse(path(name) + (value.is_null() ? " is missing: a text" : " must be a text"));
  }

  /// A list of texts; one text is a list of one.
  std::vector<std::string> texts(const char* name) {
    json value = take(name);
    if (value.is_null()) return {};
    if (value.is_string()) value = json::array({value});
    if (!value.is_array() || !std::all_of(value.begin(), value.end(),
                                          [](const json& each) { return each.is_string(); })) {
      refuse(path(name) + " must be a list of texts");
    }
    return value.get<std::vector<std::string>>();
  }

  std::optional<Pattern> pattern(const char* name) {
    const std::string source = text(name, "");
    if (source.empty()) return std::nullopt;
    try {
      return Pattern(source);
    } catch (const std::invalid_argument& error) {
      refuse(path(name) + " is no regular expression: " + error.what());
    }
  }

  /// A number (a group of the pattern) or a text.
  std::optional<ErrorPattern::Fact> fact(const char* name, std::size_t groups) {
    const json value = take(name);
    if (value.is_null()) return std::nullopt;
    if (value.is_string()) return ErrorPattern::Fact{std::nullopt, value.get<std::string>()};
    if (!value.is_number_unsigned() || value.get<std::size_t>() > groups) {
      refuse(path(name) + " must be a text or the number of a group; the pattern has " +
             std::to_string(groups));
    }
    return ErrorPattern::Fact{value.get<std::size_t>(), {}};
  }

  json take(const char* name) {
    const auto found = left_.find(name);
    if (found == left_.end()) return {};
    json value = std::move(*found);
    left_.erase(found);
    return value;
  }

  std::string path(const std::string& name) const {
    return where_.empty() ? name : where_ + "." + name;
  }

  void no_others() const {
    if (!left_.empty()) refuse(path(left_.begin().key()) + " is not known here");
  }

 private:
  std::string where_;
  json left_;
};

ErrorPattern parse_error(const json& value, const std::string& where) {
  Fields fields(value, where);
  auto pattern = fields.pattern("pattern");
  if (!pattern) refuse(fields.path("pattern") + " is missing: a regular expression");
  ErrorPattern made{.pattern = *std::move(pattern)};
  const std::size_t groups = made.pattern.groups();
  made.name = fields.fact("name", groups);
  made.message = fields.fact("message", groups);
  made.line = fields.fact("line", groups);
  const std::string which = fields.text("which", "last");
  if (which != "last" && which != "first")
    refuse(fields.path("which") + R"( must be "first" or "last")");
  made.from_the_end = which == "last";
  fields.no_others();
  return made;
}

json parse_info(const json& value) {
  Fields fields(value, "language_info");
  json info = {{"name", fields.text("name")},
               {"file_extension", fields.text("file_extension")},
               {"mimetype", fields.text("mimetype", "text/plain")},
               {"nbconvert_exporter", "script"}};
  for (const char* const optional : {"pygments_lexer", "codemirror_mode"}) {
    const std::string text = fields.text(optional, "");
    if (!text.empty()) info[optional] = text;
  }
  fields.no_others();
  if (info["file_extension"].get<std::string>().find('/') != std::string::npos) {
    refuse("language_info.file_extension must not have a slash");
  }
  return info;
}

}  // namespace

Language read_language(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.is_open()) refuse("cannot read the language file " + file.string());
  try {
    return parse_language(text);
  } catch (const std::runtime_error& error) {
    refuse(file.string() + ": " + error.what());
  }
}

Language parse_language(std::string_view text) {
  json whole = json::parse(text, nullptr, false);
  if (whole.is_discarded()) refuse("it is not JSON");
  Fields fields(whole, "");
  Language made;
  made.display_name = fields.text("display_name");
  made.executables = fields.texts("executable");
  if (made.executables.empty()) refuse("executable is missing: a program, or a list of them");
  made.remedy = fields.text("remedy", "install it, or put its directory into PATH");
  made.arguments = fields.texts("arguments");
  const std::string passing = fields.text("code", "file");
  if (passing != "file" && passing != "stdin") refuse(R"(code must be "file" or "stdin")");
  made.passing = passing == "file" ? CodePassing::kFile : CodePassing::kStdin;
  const bool names_file =
      std::any_of(made.arguments.begin(), made.arguments.end(),
                  [](const std::string& each) { return each.find("{file}") != std::string::npos; });
  if (names_file != (made.passing == CodePassing::kFile)) {
    refuse(names_file ? R"(arguments must not have {file} when code is "stdin")"
                      : R"(arguments must have {file} when code is "file")");
  }
  made.prologue = fields.text("prologue", "");
  made.prologue_unless = fields.text("prologue_unless", "");
  if (const json environment = fields.take("environment"); !environment.is_null()) {
    Fields variables(environment, "environment");
    for (const auto& [key, value] : environment.items()) {
      made.environment.push_back(key + "=" + variables.text(key.c_str()));
    }
  }
  if (const json version = fields.take("version"); !version.is_null()) {
    Fields how(version, "version");
    made.version_arguments = how.texts("arguments");
    made.version_pattern = how.pattern("pattern");
    how.no_others();
  }
  if (const json errors = fields.take("errors"); errors.is_array()) {
    for (const json& each : errors) {
      made.errors.push_back(
          parse_error(each, "errors[" + std::to_string(made.errors.size()) + "]"));
    }
  } else if (!errors.is_null()) {
    refuse("errors must be a list");
  }
  made.info = parse_info(fields.take("language_info"));
  made.name = made.info["name"];
  made.help_links = json::array();
  if (const std::string manual = fields.text("manual", ""); !manual.empty()) {
    made.help_links.push_back({{"text", made.display_name}, {"url", manual}});
  }
  fields.no_others();
  return made;
}

std::string prologue_for(const Language& language, std::string_view code) {
  if (language.prologue_unless.empty()) return language.prologue;
  const std::size_t begin = std::min(code.find_first_not_of(" \t\r\n"), code.size());
  return code.substr(begin).starts_with(language.prologue_unless) ? "" : language.prologue;
}

std::string find_executable(const Language& language) {
  for (const std::string& each : language.executables) {
    if (each.front() != '/') {
      if (std::string found = guest::find_program(each); !found.empty()) return found;
    } else if (access(each.c_str(), X_OK) == 0) {
      return each;
    }
  }
  return {};
}

std::string absence(const Language& language) {
  std::string names;
  for (const std::string& each : language.executables) {
    names += (names.empty() ? "" : " and no ") + each;
  }
  return "there is no " + names + " on PATH, which " + language.display_name +
         " needs: " + language.remedy;
}

std::string kernelspec(const Language& language, const std::string& program) {
  nlohmann::ordered_json spec;
  spec["argv"] = {program, "--language", "{resource_dir}/language.json", "-f", "{connection_file}"};
  spec["display_name"] = language.display_name;
  spec["language"] = language.info["name"];
  spec["interrupt_mode"] = "message";
  // Outputs wait for whoever reads them slowly (see common/publisher.hpp).
  spec["metadata"] = {{"perijove", {{"slow_subscriber", "wait"}, {"stateless", true}}}};
  return spec.dump(2);
}

std::string ask_version(const Language& language, const std::string& executable) {
  if (language.version_arguments.empty()) return {};
  constexpr std::chrono::seconds kPatience{5};
  std::string text;
  try {
    guest::ProcessOptions options;
    options.file = executable;
    options.argv = {executable};
    options.argv.insert(options.argv.end(), language.version_arguments.begin(),
                        language.version_arguments.end());
    options.environment = guest::environment_without({});
    text = guest::run_and_capture(std::move(options), guest::Captured::kBoth, {}, kPatience).text;
  } catch (const std::exception&) {
    return {};  // the next block says why it cannot be started
  }
  constexpr std::size_t kVersionBytesMax = 1000;
  text.resize(std::min(text.size(), kVersionBytesMax));
  if (language.version_pattern) {
    const auto found = language.version_pattern->find_in(text);
    return found ? (*found)[found->size() > 1 ? 1 : 0] : std::string();
  }
  return text.substr(0, text.find_first_of("\r\n"));
}

}  // namespace perijove::kernels::command
