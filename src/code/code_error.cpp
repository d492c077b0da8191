#include "code/code_error.hpp"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "code/terminal_text.hpp"
#include "code/text_budget.hpp"
#include "code/traceback.hpp"
#include "protocol/code_blocks.hpp"

namespace perijove {
namespace {

std::string plain_traceback(const ErrorOutput& raised) {
  std::string text;
  for (const std::string& part : raised.traceback) {
    if (!text.empty()) text += '\n';
    text += part;
  }
  text = terminal_text(text);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

// Where `ZeroDivisionError: division by zero` begins at the end of the traceback, or its end: the
// message may look like frames.
std::size_t message_begin(std::string_view traceback, const ErrorOutput& raised) {
  const std::string message = terminal_text(raised.message);
  const std::string_view ending = trim(message);
  if (!traceback.ends_with(ending) && !ending.empty()) return traceback.size();
  const std::string_view before = traceback.substr(0, traceback.size() - ending.size());
  const std::size_t line = before.rfind('\n');
  return line == std::string_view::npos ? 0 : line + 1;
}

// Decides which frames are the block's own, and gives those their number and code.
class OwnFrames {
 public:
  explicit OwnFrames(const BlockSource& block)
      : is_r_(canonical_language(block.language) == "r"),
        name_(block.execution_count ? "<cell " + std::to_string(*block.execution_count) + ">"
                                    : std::string(kSomeCell)) {
    for (std::string_view rest = block.code; !rest.empty();) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      lines_.push_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  bool claim(SourceFrame& frame) const {
    const std::string_view line = trim(line_of(frame));
    if (frame.file == kSomeCell) {
      // It may be an earlier block: only the code tells.
      if (frame.line > 0 && !shows(line, frame.code)) return false;
      frame.file = name_;
    } else if (frame.file != name_) {
      return false;
    }
    if (!line.empty()) frame.code = line;
    return true;
  }

  // The place in the block's line of a caret that stands below the line without its indentation.
  int column(const SourceFrame& frame, int caret) const {
    if (is_r_) return caret;  // R tells the column itself
    const std::string_view line = line_of(frame);
    return caret + static_cast<int>(std::min(line.find_first_not_of(" \t"), line.size()));
  }

 private:
  std::string_view line_of(const SourceFrame& frame) const {
    const auto number = static_cast<std::size_t>(frame.line);
    return number == 0 || number > lines_.size() ? std::string_view() : lines_[number - 1];
  }

  // Whether the traceback's code may be that line. R writes a call in its own way, alone.
  bool shows(std::string_view line, std::string_view told) const {
    if (line.empty()) return false;
    if (told.empty() || line == told) return true;
    return is_r_ && line.find(told.substr(0, told.find('('))) != std::string_view::npos;
  }

  bool is_r_;
  std::string name_;
  std::vector<std::string_view> lines_;
};

std::string shorten_message(std::string_view text) {
  TextBudget budget;
  budget.chars_max = kTracebackMessageCharsMax;
  budget.strategy = CutStrategy::head;
  return fit_text(text, budget).text;
}

std::string shorten(std::string_view text, std::size_t message_at,
                    const std::vector<TracebackFrame>& frames) {
  std::vector<std::size_t> begins;
  for (const TracebackFrame& frame : frames) begins.push_back(frame.begin);
  const bool innermost_first = begins.size() > 1 && begins.front() > begins.back();
  std::sort(begins.begin(), begins.end());
  const std::size_t first = innermost_first ? kTracebackFramesLast : kTracebackFramesFirst;
  const std::size_t last = innermost_first ? kTracebackFramesFirst : kTracebackFramesLast;

  TextBudget budget;
  budget.chars_max = kTracebackCharsMax - kTracebackMessageCharsMax;
  const std::string_view body = text.substr(0, message_at);
  std::string kept;
  if (begins.size() > first + last) {
    kept = body.substr(0, begins[first]);
    kept += "... [" + std::to_string(begins.size() - first - last) + " frames omitted] ...\n\n";
    kept += body.substr(begins[begins.size() - last]);
    kept = fit_text(kept, budget).text;
  } else {
    kept = fit_text(body, budget).text;
  }
  return kept + shorten_message(text.substr(message_at));
}

// ---- parse_error ----

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Python's re.search(r"(\w+Error):", text).
std::string_view guide_type(std::string_view text) {
  constexpr std::string_view kEnding = "Error:";
  for (std::size_t at = text.find(kEnding); at != std::string_view::npos;
       at = text.find(kEnding, at + 1)) {
    std::size_t begin = at;
    while (begin > 0 && is_word(text[begin - 1])) --begin;
    if (begin < at) return text.substr(begin, at + kEnding.size() - 1 - begin);
  }
  return "Unknown";
}

// Python's re.search(r"line (\d+)", text).
std::optional<int> guide_line(std::string_view text) {
  constexpr std::string_view kWord = "line ";
  for (std::size_t at = text.find(kWord); at != std::string_view::npos;
       at = text.find(kWord, at + 1)) {
    const std::string_view digits = text.substr(at + kWord.size());
    if (digits.empty() || digits[0] < '0' || digits[0] > '9') continue;
    int number = 0;
    const auto [stop, fault] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (fault == std::errc()) return number;
    return std::nullopt;  // more than any file has
  }
  return std::nullopt;
}

// An exception's name at the start of a line: `json.decoder.JSONDecodeError: ...`.
struct NamedException {
  std::string_view name;  // without its module
  std::string_view message_begin;
};

std::optional<NamedException> exception_on(std::string_view line, bool any_name) {
  // warnings.warn() puts the place before it: `/x.py:3: DeprecationWarning: old`
  if (const std::size_t warning = line.find("Warning: "); warning != std::string_view::npos) {
    if (const std::size_t place = line.rfind(": ", warning); place != std::string_view::npos) {
      line.remove_prefix(place + 2);
    }
  }
  std::size_t end = 0;
  while (end < line.size() && (is_word(line[end]) || line[end] == '.')) ++end;
  if (end == 0 || line[0] == '.' || (line[0] >= '0' && line[0] <= '9')) return std::nullopt;
  const std::string_view rest = line.substr(end);
  if (!rest.empty() && !rest.starts_with(": ") && rest != ":") return std::nullopt;
  std::string_view name = line.substr(0, end);
  name.remove_prefix(name.rfind('.') + 1);  // npos + 1 is 0
  if (name.empty()) return std::nullopt;
  static constexpr std::string_view kEndings[] = {"Error", "Exception", "Warning", "Interrupt",
                                                  "Exit",  "Iteration", "Group"};
  const bool usual = std::any_of(std::begin(kEndings), std::end(kEndings),
                                 [name](std::string_view each) { return name.ends_with(each); });
  if (!usual && !any_name) return std::nullopt;
  return NamedException{name, rest.substr(std::min<std::size_t>(rest.size(), 2))};
}

ParsedError read_any_exception(const std::string& text) {
  const std::string_view whole = text;
  // Behind the last traceback any name stands for an exception; in free text only the usual ones.
  constexpr std::string_view kHeader = "Traceback (most recent call last)";
  const std::size_t header = whole.rfind(kHeader);
  std::size_t at = header == std::string_view::npos ? 0 : header + kHeader.size();
  if (header != std::string_view::npos) {
    at = std::min(whole.find('\n', at), whole.size() - 1) + 1;
  }
  std::optional<NamedException> found;
  for (std::size_t begin = at; begin < whole.size();) {
    const std::size_t end = std::min(whole.find('\n', begin), whole.size());
    const auto exception =
        exception_on(whole.substr(begin, end - begin), header != std::string_view::npos);
    if (exception) {
      found = exception;
      if (header != std::string_view::npos) break;  // what follows is its message
    }
    begin = end + 1;
  }
  if (!found) return {"Unknown", guide_line(text), text};

  ParsedError error{std::string(found->name), std::nullopt, {}};
  const auto message_at = static_cast<std::size_t>(found->message_begin.data() - whole.data());
  error.message = trim(whole.substr(message_at));
  for (const TracebackFrame& frame : find_frames(whole.substr(0, message_at), "python")) {
    if (frame.source.line > 0) error.line = frame.source.line;
  }
  if (!error.line) error.line = guide_line(text);
  return error;
}

}  // namespace

CodeError make_code_error(const ErrorOutput& raised, const BlockSource& block) {
  const std::string text = plain_traceback(raised);
  const std::string language = canonical_language(block.language);
  // A shell's message is the frame; elsewhere it is nothing but what the code says.
  const std::size_t message_at = language == "python" ? message_begin(text, raised) : text.size();
  std::vector<TracebackFrame> frames =
      find_frames(std::string_view(text).substr(0, message_at), language);

  CodeError error;
  error.type = raised.name.empty() ? "Error" : terminal_text(raised.name);
  error.message = raised.message;
  error.traceback = shorten(text, message_at, frames);
  if (frames.empty() && language != "python") frames = find_frames(raised.message, language);
  const OwnFrames own(block);
  // Of chained exceptions the last one is the error.
  constexpr std::string_view kHeader = "Traceback (most recent call last)";
  const std::size_t header = text.rfind(kHeader, message_at);
  const std::size_t error_begin = language != "python" || header == std::string::npos ? 0 : header;
  std::optional<int> line_of_cause;
  for (TracebackFrame& frame : frames) {
    const bool is_own = own.claim(frame.source);
    if (frame.begin < error_begin) {
      if (is_own && frame.source.line > 0) line_of_cause = frame.source.line;
      continue;
    }
    if (is_own && frame.source.line > 0) {
      error.line = frame.source.line;
      error.column.reset();
      if (frame.caret) error.column = own.column(frame.source, *frame.caret);
    }
    if (!frame.is_library) error.frames.push_back(std::move(frame.source));
  }
  if (!error.line) error.line = line_of_cause;
  return error;
}

std::optional<int> system_exit_code(const ErrorOutput& error) {
  if (error.name != "SystemExit") return std::nullopt;
  if (error.message.empty() || error.message == "None") return 0;
  long long code = 0;
  const char* const end = error.message.data() + error.message.size();
  const auto [stopped, fault] = std::from_chars(error.message.data(), end, code);
  if (fault != std::errc() || stopped != end) return 1;
  return static_cast<int>(code & 0xff);
}

ParsedError parse_error(std::string_view text, ErrorReading reading) {
  if (reading == ErrorReading::any_exception) return read_any_exception(terminal_text(text));
  return {std::string(guide_type(text)), guide_line(text), std::string(text)};
}

}  // namespace perijove
