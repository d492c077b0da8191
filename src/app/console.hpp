#pragma once

#include <string>
#include <string_view>

namespace perijove {

/// The terminal, or the pipes in its place, as the commands use them: standard output belongs to
/// what the user's code prints (or to JSON), standard error to what we have to say about it.
/// Colours and a line that changes in place only on a terminal, and no colours with NO_COLOR
/// (https://no-color.org).
class Console {
 public:
  enum class Style { plain, dim, bold, good, bad };

  struct Options {
    bool quiet = false;      ///< Nothing of ours but errors.
    bool progress = true;    ///< Whether the changing line is shown.
    bool own_stdout = true;  ///< False: what code prints is not shown; standard output is for JSON.
  };

  explicit Console(Options options);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// Text of the user's code, as it is.
  void print(std::string_view text) { write_text(text, false); }
  /// The same for what it wrote to standard error.
  void print_error(std::string_view text) { write_text(text, true); }

  /// The user has ended the line: what was typed after a prompt is whole.
  void line_ended() { line_open_ = false; }

  /// A line of ours on standard error; nothing when quiet.
  void note(std::string_view line, Style style = Style::plain);
  /// The same when quiet, too: `error: ...`.
  void error(std::string_view message);
  /// JSON or other results of ours on standard output, with a line break.
  void result(std::string_view text);

  /// Replaces the line that changes in place; empty removes it. Nothing unless on a terminal.
  void status(std::string_view line);

  /// A traceback keeps its colours only where colours are shown.
  std::string traceback(std::string_view text) const;

  /// Whether nobody reads standard output any more (`| head`). Then nothing is written any more.
  bool broken() const { return broken_; }
  /// Columns of the terminal, 80 when there is none.
  std::size_t width() const;
  bool on_terminal() const { return stderr_terminal_; }

 private:
  void write_text(std::string_view text, bool to_stderr);
  void erase_status();
  void draw_status();

  Options options_;
  bool stdout_terminal_;
  bool stderr_terminal_;
  bool colours_;
  bool broken_ = false;
  bool line_open_ = false;  // the last text on the terminal did not end with a line break
  bool drawn_ = false;
  std::string status_;
};

/// `text` without ANSI escape sequences (colours, cursor movements, titles).
std::string strip_ansi(std::string_view text);

/// `text` cut to `columns` characters (code points), with `…` when something was cut; control
/// characters become spaces.
std::string fit(std::string_view text, std::size_t columns);

}  // namespace perijove
