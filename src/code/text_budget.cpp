#include "code/text_budget.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace perijove {
namespace {

constexpr std::size_t kFoldedLinesMin = 3;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; }

// Bytes of the first `count` characters, or of all there are.
std::size_t bytes_of_first(std::string_view text, std::size_t count) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (begins_character(text[at]) && count-- == 0) return at;
  }
  return text.size();
}

// Bytes of the last `count` characters.
std::size_t bytes_of_last(std::string_view text, std::size_t count) {
  std::size_t at = text.size();
  while (count > 0 && at > 0) {
    if (begins_character(text[--at])) --count;
  }
  return text.size() - at;
}

// 71 234
std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ' ');
  return digits;
}

std::string marker(std::uint64_t omitted, const std::string& whole_at) {
  std::string line = "… [" + grouped(omitted) + " characters omitted";
  if (!whole_at.empty()) line += "; full output: " + whole_at;
  return line + "] …";
}

// The line that `text` begins with or ends in, its line break included.
std::string_view first_line(std::string_view text) {
  return text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
}

std::string_view last_line(std::string_view text) {
  if (text.size() < 2) return text;
  const std::size_t before = text.rfind('\n', text.size() - 2);
  return before == std::string_view::npos ? text : text.substr(before + 1);
}

std::string_view without_break(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  return line;
}

std::string fold_repeats(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view line = without_break(first_line(text));
    std::size_t count = 0;
    std::string_view rest = text;
    bool broken = false;  // whether the last of the equal lines has a line break
    while (!rest.empty() && without_break(first_line(rest)) == line) {
      broken = first_line(rest).ends_with('\n');
      rest.remove_prefix(first_line(rest).size());
      ++count;
    }
    if (count >= kFoldedLinesMin && !line.empty()) {
      out += line;
      out += " (repeated " + std::to_string(count) + "x)";
      if (broken) out += '\n';
    } else {
      out += text.substr(0, text.size() - rest.size());
    }
    text = rest;
  }
  return out;
}

// One line as it is shown.
struct ShownLine {
  std::string_view text;   // what stays of it
  std::string note;        // behind that
  std::size_t chars = 0;   // of both and the line break
  std::size_t hidden = 0;  // characters that are missing
};

ShownLine show_line(std::string_view line, std::size_t line_chars_max) {
  ShownLine shown{line, {}, count_characters(line), 0};
  const std::size_t content = shown.chars - (line.ends_with('\n') ? 1 : 0);
  if (line_chars_max == 0 || content <= line_chars_max) return shown;
  const std::size_t hidden = content - line_chars_max;
  std::string note = " … [" + grouped(hidden) + " more characters in this line]";
  const std::size_t note_chars = count_characters(note);
  if (hidden <= note_chars) return shown;  // so that no line takes more than it has
  shown.hidden = hidden;
  shown.note = std::move(note);
  shown.text = line.substr(0, bytes_of_first(line, line_chars_max));
  shown.chars = line_chars_max + note_chars + (line.ends_with('\n') ? 1 : 0);
  return shown;
}

// A stretch of the text that stays.
struct Part {
  std::size_t bytes = 0;  // of the text that it stands for, from its beginning or end
  std::size_t kept = 0;   // characters of that which are to be seen
  std::size_t total = 0;  // characters of that
};

// Goes through the text by lines, from its beginning or from its end, as far as `chars_max`
// reaches.
class PartFinder {
 public:
  PartFinder(std::string_view text, std::size_t line_chars_max)
      : text_(text), line_chars_max_(line_chars_max) {}

  Part head(std::size_t chars_max) const { return find(chars_max, true); }
  Part tail(std::size_t chars_max) const { return find(chars_max, false); }

 private:
  Part find(std::size_t chars_max, bool from_start) const {
    Part part;
    std::size_t used = 0;
    std::string_view rest = text_;
    while (!rest.empty()) {
      const std::string_view line = from_start ? first_line(rest) : last_line(rest);
      const ShownLine shown = show_line(line, line_chars_max_);
      if (shown.chars > chars_max - used) {
        const std::size_t left = chars_max - used;
        // A line's note never makes room for more than the line's own limit.
        const std::size_t piece = shown.hidden > 0 ? std::min(left, line_chars_max_) : left;
        if (left * 2 > chars_max) {
          part.bytes += from_start ? bytes_of_first(line, piece) : bytes_of_last(line, piece);
          part.kept += piece;
          part.total += piece;
        }
        break;
      }
      used += shown.chars;
      const std::size_t chars = count_characters(line);
      part.bytes += line.size();
      part.kept += chars - shown.hidden;
      part.total += chars;
      from_start ? rest.remove_prefix(line.size()) : rest.remove_suffix(line.size());
    }
    return part;
  }

  std::string_view text_;
  std::size_t line_chars_max_;
};

// A part may end within a line: what is there of it is within the line's limit.
void append_lines(std::string_view text, std::size_t line_chars_max, std::string& out) {
  while (!text.empty()) {
    const std::string_view line = first_line(text);
    const ShownLine shown = show_line(line, line_chars_max);
    out += shown.text;
    out += shown.note;
    if (shown.hidden > 0 && line.ends_with('\n')) out += '\n';
    text.remove_prefix(line.size());
  }
}

FittedText cut_as_guides_do(std::string text, std::size_t chars_max) {
  const std::size_t total = count_characters(text);
  if (total <= chars_max) return {std::move(text), std::nullopt};
  text.resize(bytes_of_first(text, chars_max));
  return {std::move(text) + "...(truncated)", Truncation{total, chars_max}};
}

std::size_t head_chars(const TextBudget& budget) {
  switch (budget.strategy) {
    case CutStrategy::tail:
      return 0;
    case CutStrategy::head_tail: {
      const double ratio = std::isnan(budget.head_ratio) ? 0.5 : budget.head_ratio;
      return static_cast<std::size_t>(static_cast<double>(budget.chars_max) *
                                      std::clamp(ratio, 0.0, 1.0));
    }
    case CutStrategy::head:
    case CutStrategy::guide:
      return budget.chars_max;
  }
  return budget.chars_max;
}

}  // namespace

TextBudget guide_budget(std::size_t chars_max) {
  TextBudget budget;
  budget.chars_max = chars_max;
  budget.strategy = CutStrategy::guide;
  budget.line_chars_max = 0;
  budget.terminal = {.strip_escapes = false, .redraw = false};
  return budget;
}

std::size_t count_characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), begins_character));
}

FittedText fit_text(std::string_view raw, const TextBudget& budget) {
  std::string text = terminal_text(raw, budget.terminal);
  if (budget.fold_repeats) text = fold_repeats(text);
  if (budget.strategy == CutStrategy::guide) {
    return cut_as_guides_do(std::move(text), budget.chars_max);
  }
  const std::size_t total = count_characters(text);
  const PartFinder finder(text, budget.line_chars_max);
  if (const Part all = finder.head(budget.chars_max); all.total == total) {
    if (all.kept == total) return {std::move(text), std::nullopt};
    std::string shown;
    append_lines(text, budget.line_chars_max, shown);
    return {std::move(shown), Truncation{total, all.kept}};
  }
  const std::size_t head_max = head_chars(budget);
  const Part head = finder.head(head_max);
  const Part tail = finder.tail(budget.chars_max - head_max);
  std::string shown;
  append_lines(std::string_view(text).substr(0, head.bytes), budget.line_chars_max, shown);
  if (!shown.empty() && !shown.ends_with('\n')) shown += '\n';
  shown += marker(total - head.total - tail.total, budget.whole_at);
  if (tail.bytes > 0) {
    shown += '\n';
    append_lines(std::string_view(text).substr(text.size() - tail.bytes), budget.line_chars_max,
                 shown);
  }
  return {std::move(shown), Truncation{total, head.kept + tail.kept}};
}

}  // namespace perijove
