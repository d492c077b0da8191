#include "code/terminal_text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "protocol/utf8.hpp"

namespace perijove {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr char kEscape = '\x1b';
constexpr char kBell = '\a';

// One column of a line that is being redrawn: the bytes of a character, zeros behind them.
using Cell = std::array<char, 4>;
constexpr Cell kBlank = {' ', 0, 0, 0};

bool is_between(char c, char low, char high) { return c >= low && c <= high; }

// U+0080 to U+009F: the control characters of ISO 6429 in their 8-bit form.
bool is_c1(std::string_view text) {
  return text.size() >= 2 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) <= 0x9f;
}

// Control characters that move nothing a redrawn line knows of.
bool shows_nothing(char c) {
  return c == '\x7f' || (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' &&
                         c != '\v' && c != '\f' && c != '\r' && c != '\b' && c != '\0');
}

// Bytes of a control string (the text of OSC and its like) with its end, BEL or ST; 0 when
// another sequence comes first: so no byte is looked at more than twice.
std::size_t control_string_size(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == kBell) return at + 1;
    if (text[at] == kEscape) return text.substr(at).starts_with("\x1b\\") ? at + 2 : 0;
    if (is_c1(text.substr(at))) return text[at + 1] == '\x9c' ? at + 2 : 0;
  }
  return 0;
}

// Bytes of parameters, intermediates and final byte of CSI; as far as they are there.
std::size_t control_sequence_size(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && is_between(text[size], 0x30, 0x3f)) ++size;
  while (size < text.size() && is_between(text[size], 0x20, 0x2f)) ++size;
  if (size < text.size() && is_between(text[size], 0x40, 0x7e)) return size + 1;
  return 0;
}

struct Escape {
  std::size_t size = 0;  // 0: there is none
  char kind = 0;         // of CSI its final byte
  char parameter = '0';  // of CSI the first character of its parameters
};

// The escape sequence or silent control character that a line begins with.
Escape escape_at(std::string_view line) {
  if (line.empty()) return {};
  const bool eight_bit = is_c1(line);
  if (line[0] != kEscape && !eight_bit) return {shows_nothing(line[0]) ? 1u : 0u};
  if (line[0] == kEscape && line.size() == 1) return {1};
  const char kind = eight_bit ? static_cast<char>(line[1] - 0x40) : line[1];
  const std::string_view rest = line.substr(2);
  switch (kind) {
    case '[': {
      const std::size_t size = control_sequence_size(rest);
      if (size == 0) return {2};
      return {2 + size, rest[size - 1], size > 1 ? rest[0] : '0'};
    }
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
      return {2 + control_string_size(rest)};
    default:
      break;
  }
  if (eight_bit) return {2};
  std::size_t size = 1;
  while (size < line.size() && is_between(line[size], 0x20, 0x2f)) ++size;
  if (size < line.size() && is_between(line[size], 0x30, 0x7e)) return {size + 1};
  return {1};
}

// The character that a line begins with, as valid UTF-8, and the bytes it takes there.
struct Character {
  std::string_view text;
  std::size_t size;
};

Character character_at(std::string_view line) {
  const std::size_t size = utf8_character_size(line);
  if (size == 0 || line[0] == '\0') return {kReplacement, 1};
  return {line.substr(0, size), size};
}

void copy_line(std::string_view line, bool strip_escapes, std::string& out) {
  while (!line.empty()) {
    std::size_t plain = 0;
    while (plain < line.size() && is_between(line[plain], 0x20, 0x7e)) ++plain;
    out += line.substr(0, plain);
    line.remove_prefix(plain);
    if (line.empty()) break;
    if (const Escape escape = strip_escapes ? escape_at(line) : Escape{}; escape.size > 0) {
      line.remove_prefix(escape.size);
      continue;
    }
    const Character character = character_at(line);
    out += character.text;
    line.remove_prefix(character.size);
  }
}

void erase(const Escape& escape, std::vector<Cell>& cells, std::size_t cursor) {
  if (escape.parameter == '2') {
    std::fill(cells.begin(), cells.end(), kBlank);
  } else if (escape.parameter == '1') {
    std::fill(cells.begin(),
              cells.begin() + static_cast<std::ptrdiff_t>(std::min(cursor + 1, cells.size())),
              kBlank);
  } else if (cells.size() > cursor) {
    cells.resize(cursor);
  }
}

// `cells` is empty between the calls: its memory is used again.
void redraw_line(std::string_view line, std::vector<Cell>& cells, std::string& out) {
  std::size_t cursor = 0;
  while (!line.empty()) {
    if (line[0] == '\r' || line[0] == '\b') {
      cursor = line[0] == '\r' || cursor == 0 ? 0 : cursor - 1;
      line.remove_prefix(1);
      continue;
    }
    if (const Escape escape = escape_at(line); escape.size > 0) {
      if (escape.kind == 'K') erase(escape, cells, cursor);
      line.remove_prefix(escape.size);
      continue;
    }
    const Character character = character_at(line);
    Cell cell{};
    std::copy(character.text.begin(), character.text.end(), cell.begin());
    if (cursor < cells.size()) {
      cells[cursor] = cell;
    } else {
      cells.push_back(cell);
    }
    ++cursor;
    line.remove_prefix(character.size);
  }
  while (!cells.empty() && cells.back() == kBlank) cells.pop_back();
  for (const Cell& cell : cells) {
    out.append(cell.data(),
               static_cast<std::size_t>(std::find(cell.begin(), cell.end(), '\0') - cell.begin()));
  }
  cells.clear();
}

}  // namespace

std::string terminal_text(std::string_view text, TerminalRules rules) {
  std::string out;
  out.reserve(text.size());
  std::vector<Cell> cells;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (rules.redraw) {
      while (line.ends_with('\r')) line.remove_suffix(1);
    }
    if (rules.redraw && line.find_first_of("\r\b") != std::string_view::npos) {
      redraw_line(line, cells, out);
    } else {
      copy_line(line, rules.strip_escapes, out);
    }
    if (end == text.size()) break;
    out += '\n';
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace perijove
