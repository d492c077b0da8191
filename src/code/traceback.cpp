#include "code/traceback.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "base/text.hpp"

namespace perijove {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool take(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

// Takes a number off the start of the text; nullopt when there is none or it is no int.
std::optional<int> take_number(std::string_view& text) {
  int number = 0;
  const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || !is_digit(text[0])) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return number;
}

std::size_t indentation_of(std::string_view line) {
  return std::min(line.find_first_not_of(" \t"), line.size());
}

std::string cell_name(int number) { return "<cell " + std::to_string(number) + ">"; }

bool contains(std::string_view text, std::string_view what) {
  return text.find(what) != std::string_view::npos;
}

// One line of the text and where it begins.
struct Line {
  std::string_view text;
  std::size_t begin = 0;
};

std::vector<Line> split_lines(std::string_view text) {
  std::vector<Line> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back({text.substr(begin, end - begin), begin});
    begin = end + 1;
  }
  return lines;
}

// `^^^^` alone on a line: its column, from 0.
std::optional<std::size_t> caret_of(std::string_view line) {
  const std::size_t at = indentation_of(line);
  if (at == line.size() || line.find_first_not_of("^~ ", at) != std::string_view::npos) {
    return std::nullopt;
  }
  const std::size_t caret = line.find('^', at);
  return caret == std::string_view::npos ? std::nullopt : std::optional(caret);
}

// ---- Python ----

bool is_python_library(std::string_view file) {
  return contains(file, "site-packages/") || contains(file, "dist-packages/") ||
         contains(file, "/lib/python") || file.starts_with("<frozen ") ||
         file.starts_with("<__array_function__");
}

// The function in `f(a, b)`; IPython shows arguments, and <module> or <cell line: 5> at top level.
std::string python_function(std::string_view text) {
  text = text.substr(0, text.find('('));
  const bool top_level = text.starts_with("<module>") || text.starts_with("<cell line");
  return top_level ? std::string() : std::string(trim(text));
}

// What a file name of a traceback stands for. The code of a %%time cell begins below that line.
void name_python_file(std::string_view file, SourceFrame& source) {
  if (take(file, "<ipython-input-")) {
    const auto number = take_number(file);
    source.file = number ? cell_name(*number) : std::string(kSomeCell);
  } else if (file.starts_with("<timed ")) {
    source.file = kSomeCell;
    if (source.line > 0) ++source.line;
  } else if (contains(file, "/ipykernel_") && file.ends_with(".py")) {
    source.file = kSomeCell;
  } else {
    source.file = file;
  }
}

// `Cell In[4], line 3, in f(x)` and the older `Input In [4], in f(x)`.
std::optional<SourceFrame> ipython_cell_header(std::string_view line) {
  if (!take(line, "Cell In") && !take(line, "Input In")) return std::nullopt;
  take(line, " ");
  if (!take(line, "[")) return std::nullopt;
  const auto number = take_number(line);
  if (!number || !take(line, "]")) return std::nullopt;
  SourceFrame source{cell_name(*number), 0, {}, {}};
  if (take(line, ", line ")) source.line = take_number(line).value_or(0);
  if (take(line, ", in ")) {
    source.function = python_function(line);
    if (take(line, "<cell line: ")) source.line = take_number(line).value_or(0);
  }
  return source;
}

// `File "x.py", line 3, in f` and IPython's `File x.py:3, in f(x)`.
std::optional<SourceFrame> python_file_header(std::string_view line) {
  if (!take(line, "File ")) return std::nullopt;
  SourceFrame source;
  if (take(line, "\"")) {
    const std::size_t end = line.find("\", line ");
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view file = line.substr(0, end);
    line.remove_prefix(end + std::string_view("\", line ").size());
    const auto number = take_number(line);
    if (!number) return std::nullopt;
    source.line = *number;
    name_python_file(file, source);
    if (take(line, ", in ")) source.function = python_function(line);
    return source;
  }
  for (std::size_t colon = line.find(':'); colon != std::string_view::npos;
       colon = line.find(':', colon + 1)) {
    std::string_view rest = line.substr(colon + 1);
    const auto number = take_number(rest);
    if (!number || !(rest.empty() || rest[0] == ',' || rest[0] == ' ')) continue;
    source.line = *number;
    name_python_file(line.substr(0, colon), source);
    take(rest, ",");
    if (take(rest, " in ")) source.function = python_function(rest);
    return source;
  }
  return std::nullopt;
}

// IPython 7: `/x.py in f(x)`, `<ipython-input-4-...> in <module>`.
std::optional<SourceFrame> old_ipython_header(std::string_view line) {
  if (line.empty() || (line[0] != '/' && line[0] != '~' && line[0] != '<')) return std::nullopt;
  const std::size_t in = line.find(" in ");
  if (in == std::string_view::npos || !(line.ends_with(')') || line.ends_with('>'))) {
    return std::nullopt;
  }
  const std::string_view file = line.substr(0, in);
  if (file[0] == '<' ? !file.ends_with('>') : !contains(file, ".")) return std::nullopt;
  SourceFrame source;
  name_python_file(file, source);
  source.function = python_function(line.substr(in + 4));
  return source;
}

std::optional<SourceFrame> python_header(std::string_view line) {
  const std::size_t indentation = indentation_of(line);
  if (indentation > 2) return std::nullopt;
  line.remove_prefix(indentation);
  if (auto source = ipython_cell_header(line)) return source;
  if (auto source = python_file_header(line)) return source;
  return indentation == 0 ? old_ipython_header(line) : std::nullopt;
}

// `----> 3     return 1 / y`
bool read_arrow(std::string_view line, SourceFrame& source) {
  if (!line.starts_with('-')) return false;
  line.remove_prefix(std::min(line.find_first_not_of('-'), line.size()));
  if (!take(line, "> ")) return false;
  const auto number = take_number(line);
  if (!number) return false;
  if (source.line == 0) source.line = *number;
  source.code = trim(line);
  return true;
}

std::vector<TracebackFrame> python_frames(std::string_view text) {
  const std::vector<Line> lines = split_lines(text);
  std::vector<TracebackFrame> frames;
  bool has_code = true;  // of the frame that was begun last, or it has none
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = lines[i].text;
    if (auto source = python_header(line)) {
      const bool is_library = is_python_library(source->file);
      frames.push_back({*std::move(source), lines[i].begin, is_library});
      has_code = false;
      const std::string_view next = i + 1 < lines.size() ? lines[i + 1].text : std::string_view();
      if (!next.starts_with("    ") || indentation_of(next) == next.size()) continue;
      // Without line numbers: the line itself, and below it the caret of a syntax error. IPython's
      // context lines begin with theirs.
      const std::string_view after = i + 2 < lines.size() ? lines[i + 2].text : std::string_view();
      if (const auto caret = caret_of(after)) {
        // Both are shown without the indentation of the source, behind four blanks.
        if (*caret >= 4) frames.back().caret = static_cast<int>(*caret - 4 + 1);
      } else if (is_digit(next[indentation_of(next)])) {
        continue;
      }
      frames.back().source.code = trim(next);
      has_code = true;
    } else if (!has_code) {
      has_code = read_arrow(line, frames.back().source);
    }
  }
  return frames;
}

// ---- R ----

std::string_view r_called_function(std::string_view call) { return call.substr(0, call.find('(')); }

// `2. g(x)   # at line 2 of file <text>`: g was called there, in the function of the line before.
std::vector<TracebackFrame> r_frames(std::string_view text) {
  std::vector<TracebackFrame> frames;
  std::string caller;
  int expected = 1;
  for (const Line& each : split_lines(text)) {
    std::string_view line = each.text;
    // `Error in parse(...): <text>:2:6: unexpected ')'`, then the lines and a caret.
    if (const std::size_t parse = line.find("<text>:"); parse != std::string_view::npos) {
      std::string_view place = line.substr(parse + std::string_view("<text>:").size());
      const auto number = take_number(place);
      auto column = take(place, ":") ? take_number(place) : std::nullopt;
      if (!number || !column) continue;
      if (*column == 0) column.reset();  // the end of the text came too early
      frames.push_back({{std::string(kSomeCell), *number, {}, {}}, each.begin, false, column});
      continue;
    }
    const auto number = take_number(line);
    if (!number || *number != expected || !take(line, ". ")) continue;
    ++expected;
    const std::size_t mark = line.find("   # at line ");
    const std::string_view call = trim(line.substr(0, mark));
    SourceFrame source{std::string(kSomeCell), 0, caller, std::string(call)};
    bool is_library = *number != 1;
    if (mark != std::string_view::npos) {
      std::string_view place = line.substr(mark + std::string_view("   # at line ").size());
      source.line = take_number(place).value_or(0);
      if (take(place, " of file ") && place != "<text>") source.file = place;
      is_library = false;
    }
    frames.push_back({std::move(source), each.begin, is_library});
    caller = r_called_function(call);
  }
  return frames;
}

// ---- JavaScript ----

bool is_javascript_cell(std::string_view file) {
  return file == "<anonymous>" || file.starts_with("evalmachine.<anonymous>") ||
         file.starts_with("[eval") || file.starts_with("REPL");
}

bool is_javascript_library(std::string_view file) {
  return file.starts_with("node:") || file.starts_with("internal/") || file.starts_with("ext:") ||
         contains(file, "node_modules/") || file == "native";
}

// Splits `file:3:9` or `file:3`.
std::optional<SourceFrame> javascript_place(std::string_view place) {
  std::array<int, 2> numbers{};
  std::size_t count = 0;
  while (count < 2) {
    const std::size_t colon = place.rfind(':');
    if (colon == std::string_view::npos) break;
    std::string_view digits = place.substr(colon + 1);
    const auto number = take_number(digits);
    if (!number || !digits.empty()) break;
    numbers[count++] = *number;
    place = place.substr(0, colon);
  }
  if (count == 0 || place.empty()) return std::nullopt;
  take(place, "file://");
  SourceFrame source;
  source.file = is_javascript_cell(place) ? kSomeCell : place;
  source.line = numbers[count - 1];
  return source;
}

// `at f (file:3:9)`, `at async file:3:9`, `at eval (eval at run (x.js:1:1), <anonymous>:3:9)`.
std::optional<SourceFrame> javascript_header(std::string_view line) {
  line = trim(line);
  if (!take(line, "at ")) return std::nullopt;
  take(line, "async ");
  std::string_view function;
  if (const std::size_t open = line.find(" ("); line.ends_with(')') && open < line.size()) {
    function = line.substr(0, open);
    line = line.substr(open + 2, line.size() - open - 3);
    if (const std::size_t comma = line.rfind("), "); comma != std::string_view::npos) {
      line.remove_prefix(comma + 3);
    }
  }
  auto source = javascript_place(line);
  if (source) source->function = function;
  return source;
}

std::vector<TracebackFrame> javascript_frames(std::string_view text) {
  const std::vector<Line> lines = split_lines(text);
  std::vector<TracebackFrame> frames;
  // Before the message: the place, its line, a caret. Of a syntax error it is the only one.
  std::optional<TracebackFrame> first;
  if (lines.size() > 2) {
    auto source = javascript_place(lines[0].text);
    const auto caret = caret_of(lines[2].text);
    if (source && caret) {
      const std::string_view code = lines[1].text;
      source->code = trim(code);
      const int column = static_cast<int>(*caret) - static_cast<int>(indentation_of(code)) + 1;
      first = TracebackFrame{*std::move(source), 0, false, column};
    }
  }
  for (const Line& line : lines) {
    if (auto source = javascript_header(line.text)) {
      const bool is_library = is_javascript_library(source->file);
      frames.push_back({*std::move(source), line.begin, is_library});
    }
  }
  // Innermost first, and below the block what runs it.
  std::reverse(frames.begin(), frames.end());
  const auto cell = std::find_if(frames.begin(), frames.end(), [](const TracebackFrame& frame) {
    return frame.source.file == kSomeCell;
  });
  if (cell != frames.end()) {
    for (auto frame = frames.begin(); frame != cell; ++frame) frame->is_library = true;
  } else if (first && first->source.file == kSomeCell) {
    for (TracebackFrame& frame : frames) frame.is_library = true;
    frames.push_back(*std::move(first));
  }
  return frames;
}

// ---- bash ----

// `bash: line 3: nosuch: command not found`, `./x.sh: line 3: ...`
std::vector<TracebackFrame> bash_frames(std::string_view text) {
  std::vector<TracebackFrame> frames;
  for (const Line& each : split_lines(text)) {
    constexpr std::string_view kMark = ": line ";
    const std::size_t mark = each.text.find(kMark);
    if (mark == std::string_view::npos || mark == 0) continue;
    std::string_view rest = each.text.substr(mark + kMark.size());
    const auto number = take_number(rest);
    if (!number || !rest.starts_with(':')) continue;
    const std::string_view file = trim(each.text.substr(0, mark));
    const bool is_file = file.ends_with(".sh") || file.ends_with(".bash");
    frames.push_back({{std::string(is_file ? file : kSomeCell), *number, {}, {}}, each.begin});
  }
  return frames;
}

}  // namespace

std::vector<TracebackFrame> find_frames(std::string_view text, std::string_view language) {
  if (language == "python") return python_frames(text);
  if (language == "r") return r_frames(text);
  if (language == "javascript" || language == "typescript") return javascript_frames(text);
  if (language == "bash") return bash_frames(text);
  return {};
}

}  // namespace perijove
