#include "code/pip_install.hpp"

#include <algorithm>

#include "protocol/code_blocks.hpp"

namespace perijove {
namespace {

constexpr std::string_view kBlanks = " \t";

// Takes the word and the blanks behind it off the front; false when another word stands there.
bool take_word(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  const std::string_view rest = text.substr(word.size());
  if (!rest.empty() && kBlanks.find(rest[0]) == std::string_view::npos) return false;
  text = rest.substr(std::min(rest.find_first_not_of(kBlanks), rest.size()));
  return true;
}

// Where `-qqq` goes in a line that installs packages: right behind `install`; npos for other lines.
std::size_t place_in(std::string_view line, bool is_python) {
  std::string_view rest = line;
  rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
  if (is_python) {
    if (!rest.starts_with('!') && !rest.starts_with('%')) return std::string_view::npos;
    rest.remove_prefix(1);
    rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
  }
  if (take_word(rest, "python") || take_word(rest, "python3")) {
    if (!take_word(rest, "-m")) return std::string_view::npos;
  }
  if (!take_word(rest, "pip") && !take_word(rest, "pip3")) return std::string_view::npos;
  constexpr std::string_view kInstall = "install";
  const std::size_t begin = line.size() - rest.size();
  return take_word(rest, kInstall) ? begin + kInstall.size() : std::string_view::npos;
}

}  // namespace

std::string silence_pip(std::string_view code, std::string_view language) {
  const std::string name = canonical_language(language);
  const bool is_python = name == "python";
  if (!is_python && name != "bash" && name != "powershell") return std::string(code);
  std::string silent;
  for (std::size_t start = 0; start <= code.size();) {
    const std::size_t end = std::min(code.find('\n', start), code.size());
    const std::string_view line = code.substr(start, end - start);
    const std::size_t place = place_in(line, is_python);
    if (place == std::string_view::npos || line.find("-qqq") != std::string_view::npos) {
      silent += line;
    } else {
      silent += line.substr(0, place);
      silent += " -qqq";
      silent += line.substr(place);
    }
    if (end < code.size()) silent += '\n';
    start = end + 1;
  }
  return silent;
}

}  // namespace perijove
