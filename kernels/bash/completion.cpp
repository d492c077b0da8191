#include "bash/completion.hpp"

#include <algorithm>

namespace perijove::kernels::bash {
namespace {

constexpr std::size_t kMatchesMax = 500;
constexpr std::string_view kBetweenWords = " \t\n;|&()<>\"'`=";
constexpr std::string_view kBeforeCommands = "\n;|&(`{!";

std::string quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') {
      result += R"('\'')";
    } else {
      result += c;
    }
  }
  return result + '\'';
}

}  // namespace

CompletedWord word_to_complete(std::string_view code) {
  const std::size_t begin = code.find_last_of(kBetweenWords) + 1;  // npos + 1 is 0
  const std::string_view text = code.substr(begin);
  CompletedWord word;
  if (const std::size_t dollar = text.rfind('$'); dollar != std::string_view::npos) {
    std::size_t name = dollar + 1;
    if (text.substr(name).starts_with('{')) ++name;
    if (text.find_first_of("/}:", name) == std::string_view::npos) {
      word.kind = WordKind::kVariable;
      word.kept = text.substr(0, name);
      word.prefix = text.substr(name);
      return word;
    }
  }
  word.prefix = text;
  const std::string_view before = code.substr(0, begin);
  const std::size_t last = before.find_last_not_of(" \t");
  const bool is_command = last == std::string_view::npos ||
                          kBeforeCommands.find(before[last]) != std::string_view::npos;
  word.kind =
      is_command && text.find('/') == std::string_view::npos ? WordKind::kCommand : WordKind::kFile;
  return word;
}

std::string command_to_complete(const CompletedWord& word) {
  const char* const actions = word.kind == WordKind::kCommand    ? "-A command"
                              : word.kind == WordKind::kVariable ? "-A variable"
                                                                 : "-A file";
  const std::string each = std::string("compgen ") + actions + " -- " + quoted(word.prefix);
  if (word.kind != WordKind::kFile) return "\\builtin " + each;
  // A folder ends in a slash, so that what is in it can be completed next.
  return "\\builtin " + each +
         R"( | while IFS= read -r name; do if [[ -d ${name/#\~/$HOME} ]]; then printf '%s/\n' "$name"; else printf '%s\n' "$name"; fi; done)";
}

std::vector<std::string> matches_in(std::string_view answer) {
  std::vector<std::string> matches;
  while (!answer.empty()) {
    const std::size_t end = std::min(answer.find('\n'), answer.size());
    std::string match(answer.substr(0, end));
    if (!match.empty() && !match.starts_with("__perijove_")) matches.push_back(std::move(match));
    answer.remove_prefix(std::min(end + 1, answer.size()));
  }
  std::sort(matches.begin(), matches.end());
  matches.erase(std::unique(matches.begin(), matches.end()), matches.end());
  if (matches.size() > kMatchesMax) matches.resize(kMatchesMax);
  return matches;
}

}  // namespace perijove::kernels::bash
