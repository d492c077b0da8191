#include "app/completion.hpp"

namespace perijove {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Walks the words before the cursor down to the deepest command, then offers what fits there; zsh
// runs the same function.
std::string bash_script(const std::vector<CompletionLevel>& levels) {
  std::string script =
      "_perijove() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} path= word words=\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$path/$word\" in\n";
  for (const CompletionLevel& level : levels) {
    for (const std::string& command : level.commands) {
      const std::string next = level.path.empty() ? command : level.path + " " + command;
      script += "      '" + level.path + "/" + command + "') path='" + next + "' ;;\n";
    }
  }
  script +=
      "    esac\n"
      "  done\n"
      "  case \"$path\" in\n";
  for (const CompletionLevel& level : levels) {
    std::vector<std::string> words = level.commands;
    words.insert(words.end(), level.options.begin(), level.options.end());
    script += "    '" + level.path + "') words='" + joined(words) + "' ;;\n";
  }
  script +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  [[ $current == -* || -z $path ]] || COMPREPLY+=($(compgen -f -- \"$current\"))\n"
      "}\n"
      "complete -o filenames -F _perijove perijove\n";
  return script;
}

std::string fish_script(const std::vector<CompletionLevel>& levels) {
  std::string script;
  for (const CompletionLevel& level : levels) {
    std::string condition = "__fish_use_subcommand";
    if (!level.path.empty()) {
      condition.clear();
      for (std::size_t start = 0; start < level.path.size();) {
        const std::size_t end = std::min(level.path.find(' ', start), level.path.size());
        condition += (condition.empty() ? "" : "; and ") +
                     ("__fish_seen_subcommand_from " + level.path.substr(start, end - start));
        start = end + 1;
      }
    }
    const std::string head = "complete -c perijove -n '" + condition + "' ";
    for (const std::string& command : level.commands) script += head + "-f -a " + command + "\n";
    for (const std::string& option : level.options) {
      script += head +
                (option.starts_with("--") ? "-l " + option.substr(2) : "-s " + option.substr(1)) +
                "\n";
    }
  }
  return script;
}

}  // namespace

std::string completion_script(std::string_view shell, const std::vector<CompletionLevel>& levels) {
  if (shell == "bash") return bash_script(levels);
  if (shell == "zsh") {
    return "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n" +
           bash_script(levels);
  }
  if (shell == "fish") return fish_script(levels);
  return {};
}

}  // namespace perijove
