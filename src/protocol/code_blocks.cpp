#include "protocol/code_blocks.hpp"

#include <optional>
#include <utility>

#include "base/text.hpp"

namespace perijove {
namespace {

constexpr std::size_t kTabColumns = 4;

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Columns of white space at the start of `line`, and the bytes they take.
struct Indentation {
  std::size_t columns = 0;
  std::size_t bytes = 0;
};

Indentation indentation_of(std::string_view line) {
  Indentation found;
  while (found.bytes < line.size() && is_blank(line[found.bytes])) {
    found.columns += line[found.bytes] == '\t' ? kTabColumns - found.columns % kTabColumns : 1;
    ++found.bytes;
  }
  return found;
}

// Length of a list marker with the white space behind it (`- `, `12. `); 0 when there is none.
std::size_t list_marker_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && length < 9 && text[length] >= '0' && text[length] <= '9') ++length;
  if (length > 0) {
    if (length == text.size() || (text[length] != '.' && text[length] != ')')) return 0;
    ++length;
  } else {
    if (text.empty() || (text[0] != '-' && text[0] != '*' && text[0] != '+')) return 0;
    length = 1;
  }
  const std::size_t marker = length;
  while (length < text.size() && is_blank(text[length])) ++length;
  return length == marker ? 0 : length;
}

struct Fence {
  char mark = '`';
  std::size_t length = 0;
  std::size_t columns = 0;  // of its indentation
  std::string_view info;
};

std::size_t fence_length(std::string_view text) {
  if (text.empty() || (text[0] != '`' && text[0] != '~')) return 0;
  std::size_t length = 0;
  while (length < text.size() && text[length] == text[0]) ++length;
  return length >= 3 ? length : 0;
}

std::optional<Fence> opening_fence(std::string_view line) {
  const Indentation indentation = indentation_of(line);
  line.remove_prefix(indentation.bytes);
  const std::size_t marker = list_marker_length(line);
  line.remove_prefix(marker);
  const std::size_t length = fence_length(line);
  if (length == 0) return std::nullopt;
  Fence fence{line[0], length, indentation.columns + marker, trim(line.substr(length))};
  // Otherwise it is code in a line: ```x```.
  if (fence.mark == '`' && fence.info.find('`') != std::string_view::npos) return std::nullopt;
  return fence;
}

bool closes(const Fence& fence, std::string_view line) {
  const Indentation indentation = indentation_of(line);
  if (indentation.columns > fence.columns + 3) return false;
  line.remove_prefix(indentation.bytes);
  const std::size_t length = fence_length(line);
  return length >= fence.length && line[0] == fence.mark && trim(line.substr(length)).empty();
}

// Takes up to `columns` columns of white space off the start of a line.
std::string_view without_indentation(std::string_view line, std::size_t columns) {
  std::size_t done = 0;
  while (!line.empty() && is_blank(line[0])) {
    const std::size_t width = line[0] == '\t' ? kTabColumns - done % kTabColumns : 1;
    if (done + width > columns) break;
    done += width;
    line.remove_prefix(1);
  }
  return line;
}

// The first word of an info string: `python` of `python title="x"`, `{r, echo=FALSE}` -> `r`.
std::string_view info_language(std::string_view info) {
  if (info.starts_with('{')) info.remove_prefix(1);
  if (info.starts_with('.')) info.remove_prefix(1);  // pandoc's {.python}
  return info.substr(0, info.find_first_of(" \t,:;{}=("));
}

// Lines of a text without their line breaks, LF or CRLF.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text), done_(text.empty()) {}

  std::optional<std::string_view> next() {
    if (done_) return std::nullopt;
    const std::size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    done_ = end == std::string_view::npos || end + 1 == rest_.size();
    if (!done_) rest_.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number_;
    return line;
  }
  std::size_t number() const { return number_; }

 private:
  std::string_view rest_;
  bool done_;
  std::size_t number_ = 0;
};

FencedBlock read_block(const Fence& fence, Lines& lines) {
  FencedBlock block;
  block.info = fence.info;
  block.language = canonical_language(info_language(fence.info));
  block.line = lines.number();
  block.closed = false;
  bool first = true;
  while (const auto line = lines.next()) {
    if (closes(fence, *line)) {
      block.closed = true;
      break;
    }
    if (!first) block.code += '\n';
    first = false;
    block.code += without_indentation(*line, fence.columns);
  }
  block.file_name = file_name_directive(block.code);
  return block;
}

}  // namespace

std::vector<FencedBlock> extract_code_blocks(std::string_view markdown) {
  std::vector<FencedBlock> blocks;
  Lines lines(markdown);
  while (const auto line = lines.next()) {
    if (const auto fence = opening_fence(*line)) blocks.push_back(read_block(*fence, lines));
  }
  return blocks;
}

std::string first_code_or_text(std::string_view markdown) {
  for (FencedBlock& block : extract_code_blocks(markdown)) {
    if (block.language.empty() || block.language == "python") return std::move(block.code);
  }
  return std::string(trim(markdown));
}

std::string file_name_directive(std::string_view code) {
  std::string_view line = trim(code.substr(0, code.find('\n')));
  for (const std::string_view opening : {"<!--", "/*", "//", "--", "#", "%", ";"}) {
    if (!line.starts_with(opening)) continue;
    line = trim(line.substr(opening.size()));
    constexpr std::string_view kKey = "filename:";
    if (!line.starts_with(kKey)) return {};
    line.remove_prefix(kKey.size());
    for (const std::string_view closing : {"-->", "*/"}) {
      if (line.ends_with(closing)) line.remove_suffix(closing.size());
    }
    return std::string(trim(line));
  }
  return {};
}

std::string canonical_language(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
      {"py", "python"},       {"python3", "python"},    {"ipython", "python"},
      {"ipython3", "python"}, {"sh", "bash"},           {"shell", "bash"},
      {"zsh", "bash"},        {"js", "javascript"},     {"mjs", "javascript"},
      {"node", "javascript"}, {"nodejs", "javascript"}, {"ts", "typescript"},
      {"jl", "julia"},        {"rb", "ruby"},           {"rs", "rust"},
      {"golang", "go"},       {"cpp", "c++"},           {"cxx", "c++"},
      {"cs", "c#"},           {"csharp", "c#"},         {"kt", "kotlin"},
      {"ps1", "powershell"},  {"pwsh", "powershell"},   {"md", "markdown"},
  };
  std::string lower = to_lower(name);
  for (const auto& [alias, canonical] : kAliases) {
    if (lower == alias) return std::string(canonical);
  }
  return lower;
}

}  // namespace perijove
