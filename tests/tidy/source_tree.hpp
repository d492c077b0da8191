#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

/// What the tidy tests share: the files of this source tree, and code without what is not code.
namespace perijove::tidy {

struct SourceFile {
  std::string path;  ///< From the top of the tree: "src/base/ids.cpp".
  std::string text;
};

inline bool is_cpp(std::string_view path) {
  return path.ends_with(".cpp") || path.ends_with(".hpp");
}

/// Every regular file below these directories of the tree, in order; what builds, interpreters and
/// package managers leave there is passed over.
inline std::vector<SourceFile> read_tree(const std::vector<std::string>& directories) {
  namespace fs = std::filesystem;
  const fs::path top = PERIJOVE_SOURCE_DIR;
  std::vector<SourceFile> files;
  for (const std::string& directory : directories) {
    if (!fs::exists(top / directory)) continue;
    for (auto entry = fs::recursive_directory_iterator(top / directory);
         entry != fs::recursive_directory_iterator(); ++entry) {
      const std::string name = entry->path().filename();
      if (name == "build" || name == "node_modules" || name == "__pycache__" || name[0] == '.') {
        if (entry->is_directory()) entry.disable_recursion_pending();
        continue;
      }
      if (!entry->is_regular_file()) continue;
      std::ifstream in(entry->path(), std::ios::binary);
      std::ostringstream text;
      text << in.rdbuf();
      files.push_back({fs::relative(entry->path(), top).generic_string(), text.str()});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

inline std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// `code` with the characters of comments and of string and character literals replaced by spaces;
/// line breaks stay, so that lines keep their numbers.
inline std::string without_comments_and_literals(std::string_view code) {
  std::string out(code);
  const auto blank = [&out](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < std::min(to, out.size()); ++i) {
      if (out[i] != '\n') out[i] = ' ';
    }
  };
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  for (std::size_t at = 0; at < code.size();) {
    std::size_t end = at + 1;
    if (code.substr(at, 2) == "//") {
      end = std::min(code.find('\n', at), code.size());
      blank(at, end);
    } else if (code.substr(at, 2) == "/*") {
      const std::size_t close = code.find("*/", at + 2);
      end = close == code.npos ? code.size() : close + 2;
      blank(at, end);
    } else if (code.substr(at, 2) == "R\"") {
      const std::string_view mark = code.substr(at + 2, code.find('(', at) - at - 2);
      const std::string closer = ")" + std::string(mark) + "\"";
      const std::size_t close = code.find(closer, at);
      end = close == code.npos ? code.size() : close + closer.size();
      blank(at + 1, end);
    } else if (code[at] == '"' || (code[at] == '\'' && (at == 0 || !is_word(code[at - 1])))) {
      while (end < code.size() && code[end] != code[at] && code[end] != '\n') {
        end += code[end] == '\\' ? 2 : 1;
      }
      blank(at + 1, end);
      ++end;
    }
    at = end;
  }
  return out;
}

/// The numbers of the lines where `name` is called, as a function or qualified, not as a member.
inline std::vector<std::size_t> calls_of(std::string_view code, std::string_view name) {
  std::vector<std::size_t> found;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(code)) {
    ++number;
    for (std::size_t at = line.find(name); at != line.npos; at = line.find(name, at + 1)) {
      const char before = at == 0 ? ' ' : line[at - 1];
      const bool begins = !(before == '_' || before == '.' || before == '>' || before == '~' ||
                            std::isalnum(static_cast<unsigned char>(before)) != 0);
      const std::size_t behind = line.find_first_not_of(' ', at + name.size());
      if (begins && behind != line.npos && line[behind] == '(') found.push_back(number);
    }
  }
  return found;
}

}  // namespace perijove::tidy
