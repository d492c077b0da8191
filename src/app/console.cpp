#include "app/console.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace perijove {
namespace {

constexpr std::string_view kReset = "\x1b[0m";
constexpr std::string_view kEraseLine = "\r\x1b[K";

std::string_view sequence(Console::Style style) {
  switch (style) {
    case Console::Style::dim:
      return "\x1b[2m";
    case Console::Style::bold:
      return "\x1b[1m";
    case Console::Style::good:
      return "\x1b[32m";
    case Console::Style::bad:
      return "\x1b[31m";
    case Console::Style::plain:
      break;
  }
  return "";
}

bool put(std::FILE* file, std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), file) == text.size();
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

Console::Console(Options options)
    : options_(options),
      stdout_terminal_(::isatty(STDOUT_FILENO) == 1),
      stderr_terminal_(::isatty(STDERR_FILENO) == 1) {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  const bool dumb = terminal != nullptr && std::string_view(terminal) == "dumb";
  colours_ = stderr_terminal_ && (no_color == nullptr || *no_color == '\0') && !dumb;
}

Console::~Console() { erase_status(); }

std::size_t Console::width() const {
  constexpr std::size_t kUsual = 80;
  winsize size{};
  if (!stderr_terminal_ || ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) return kUsual;
  return size.ws_col == 0 ? kUsual : size.ws_col;
}

void Console::erase_status() {
  if (!std::exchange(drawn_, false)) return;
  put(stderr, kEraseLine);
  std::fflush(stderr);
}

void Console::draw_status() {
  if (status_.empty() || line_open_) return;
  // One column less than there are: the last one would wrap on some terminals.
  const std::string line = fit(status_, width() - 1);
  put(stderr, kEraseLine);
  if (colours_) put(stderr, sequence(Style::dim));
  put(stderr, line);
  if (colours_) put(stderr, kReset);
  std::fflush(stderr);
  drawn_ = true;
}

void Console::status(std::string_view line) {
  if (!stderr_terminal_ || options_.quiet || !options_.progress) return;
  if (drawn_ && status_ == line) return;
  status_ = line;
  if (status_.empty()) {
    erase_status();
  } else {
    draw_status();
  }
}

void Console::write_text(std::string_view text, bool to_stderr) {
  if (!options_.own_stdout || broken_ || text.empty()) return;
  erase_status();
  std::FILE* const file = to_stderr ? stderr : stdout;
  const bool written = put(file, text) && std::fflush(file) == 0;
  if (!written && !to_stderr) broken_ = true;
  if (to_stderr ? stderr_terminal_ : stdout_terminal_) line_open_ = text.back() != '\n';
  draw_status();
}

void Console::note(std::string_view line, Style style) {
  if (options_.quiet || broken_) return;
  erase_status();
  if (std::exchange(line_open_, false)) put(stderr, "\n");
  if (colours_) put(stderr, sequence(style));
  put(stderr, line);
  if (colours_ && style != Style::plain) put(stderr, kReset);
  put(stderr, "\n");
  std::fflush(stderr);
  draw_status();
}

void Console::error(std::string_view message) {
  erase_status();
  if (std::exchange(line_open_, false)) put(stderr, "\n");
  if (colours_) put(stderr, sequence(Style::bad));
  put(stderr, "error: ");
  if (colours_) put(stderr, kReset);
  put(stderr, message);
  put(stderr, "\n");
  std::fflush(stderr);
}

void Console::result(std::string_view text) {
  erase_status();
  const bool written = put(stdout, text) && put(stdout, "\n") && std::fflush(stdout) == 0;
  if (!written) broken_ = true;
}

std::string Console::traceback(std::string_view text) const {
  return colours_ ? std::string(text) : strip_ansi(text);
}

std::string strip_ansi(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\x1b' || i + 1 == text.size()) {
      plain += text[i];
      continue;
    }
    const char kind = text[++i];
    if (kind == '[') {  // CSI: parameters and intermediates, then one final byte
      while (i + 1 < text.size() && !(text[i + 1] >= 0x40 && text[i + 1] <= 0x7e)) ++i;
      ++i;
    } else if (kind == ']') {  // OSC: up to BEL or ESC backslash
      while (i + 1 < text.size() && text[i + 1] != '\a' && text[i + 1] != '\x1b') ++i;
      ++i;
      if (i + 1 < text.size() && text[i] == '\x1b' && text[i + 1] == '\\') ++i;
    }
  }
  return plain;
}

std::string fit(std::string_view text, std::size_t columns) {
  std::string line;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    while (end < text.size() && is_continuation(text[end])) ++end;
    if (used == columns) {
      while (!line.empty() && is_continuation(line.back())) line.pop_back();
      if (!line.empty()) line.pop_back();
      return line + "…";
    }
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) {
      line += ' ';
    } else {
      line += text.substr(i, end - i);
    }
    ++used;
    i = end;
  }
  return line;
}

}  // namespace perijove
