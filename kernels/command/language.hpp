#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command/pattern.hpp"

namespace perijove::kernels::command {

/// How the program that runs a block gets its code.
enum class CodePassing {
  kFile,   ///< in a file, which `{file}` in the arguments stands for
  kStdin,  ///< on its standard input
};

/// Finds one or more facts about a failure in the lines that the program wrote to stderr.
struct ErrorPattern {
  /// A fact is a group of the pattern, or a fixed text.
  struct Fact {
    std::optional<std::size_t> group;
    std::string text;
  };

  Pattern pattern;
  bool from_the_end = true;  ///< the last line that matches counts, else the first
  std::optional<Fact> name = std::nullopt;
  std::optional<Fact> message = std::nullopt;
  std::optional<Fact> line = std::nullopt;
};

/// What makes the command kernel one for a certain language: the contents of a language file, which
/// README.md describes.
struct Language {
  std::string name;  ///< as messages have it
  std::string display_name;
  std::vector<std::string> executables;  ///< names or absolute paths; the first that is found
  std::string remedy;                    ///< what to do when none is
  std::vector<std::string> arguments;
  CodePassing passing = CodePassing::kFile;
  std::string prologue;         ///< stands before the code ...
  std::string prologue_unless;  ///< ... unless that begins with this text; "" means always
  std::vector<std::string> environment;
  std::vector<std::string> version_arguments;
  std::optional<Pattern> version_pattern;
  std::vector<ErrorPattern> errors;
  nlohmann::json info;        ///< language_info of kernel_info_reply, without the version
  nlohmann::json help_links;  ///< [{"text", "url"}]
};

/// Throws std::runtime_error that names the file, the field and what is wanted there.
Language read_language(const std::filesystem::path& file);

/// The same for the text of such a file; messages name the field only.
Language parse_language(std::string_view text);

/// What stands before this code.
std::string prologue_for(const Language& language, std::string_view code);

/// The absolute path of its program, or "".
std::string find_executable(const Language& language);

/// Why there is no kernel for it here, and what to do.
std::string absence(const Language& language);

/// The text of a kernel.json for this language, by which `program` is started with the language
/// file `language.json` of the kernelspec's own directory.
std::string kernelspec(const Language& language, const std::string& program);

/// The version that its program tells, "" when it tells none within a few seconds.
std::string ask_version(const Language& language, const std::string& executable);

}  // namespace perijove::kernels::command
