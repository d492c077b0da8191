#include "common/json_text.hpp"
#include "echo/command.hpp"

namespace perijove::kernels::echo {
namespace {

using nlohmann::json;

/// One pixel of Jupiter.
constexpr const char* kPng =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mO4"
    "WW7yHwAGNQKEhUWEbAAAAABJRU5ErkJggg==";

bool is_json_mime(std::string_view mime) {
  return mime == "application/json" || mime.ends_with("+json");
}

json parse(std::string_view text) {
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) throw UsageError("this is not JSON: " + std::string(text));
  return value;
}

/// With \n, \r, \t, \e and \\ turned into what they stand for.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    constexpr std::string_view kLetters = "nrte\\";
    constexpr std::string_view kMeanings = "\n\r\t\x1b\\";
    const std::size_t known =
        text[i] == '\\' && i + 1 < text.size() ? kLetters.find(text[i + 1]) : std::string::npos;
    if (known == std::string::npos) {
      result += text[i];
    } else {
      result += kMeanings[known];
      ++i;
    }
  }
  return result;
}

void print(Cell& cell, Arguments arguments) {
  cell.write("stdout", std::string(arguments.rest()) + '\n');
}

void print_error(Cell& cell, Arguments arguments) {
  cell.write("stderr", std::string(arguments.rest()) + '\n');
}

void write(Cell& cell, Arguments arguments) { cell.write("stdout", unescaped(arguments.rest())); }

void result(Cell& cell, Arguments arguments) { cell.result(arguments.rest()); }

void display(Cell& cell, Arguments arguments) {
  const std::string mime(arguments.word("MIME"));
  const json data = is_json_mime(mime) ? parse(arguments.rest()) : json(arguments.rest());
  cell.display({{mime, data}}, json::object(), json::object());
}

void html(Cell& cell, Arguments arguments) {
  cell.display({{"text/html", arguments.rest()}, {"text/plain", "<HTML>"}}, json::object(),
               json::object());
}

void png(Cell& cell, Arguments) {
  cell.display({{"image/png", kPng}, {"text/plain", "<PNG of 1 x 1 pixel>"}},
               {{"image/png", {{"width", 1}, {"height", 1}}}}, json::object());
}

void display_text_with_id(Cell& cell, Arguments arguments, std::string_view msg_type) {
  const json transient = {{"display_id", arguments.word("ID")}};
  cell.display({{"text/plain", arguments.rest()}}, json::object(), transient, msg_type);
}

void display_id(Cell& cell, Arguments arguments) {
  display_text_with_id(cell, arguments, "display_data");
}

void update_display(Cell& cell, Arguments arguments) {
  display_text_with_id(cell, arguments, "update_display_data");
}

void clear(Cell& cell, Arguments arguments) {
  const std::string_view when = arguments.word_or({});
  if (!when.empty() && when != "wait") throw UsageError("it must be wait or nothing");
  cell.server.publish("clear_output", when.empty() ? R"({"wait":false})" : R"({"wait":true})");
}

void error(Cell&, Arguments arguments) {
  const std::string ename(arguments.word_or("Error"));
  throw CellError{ename, std::string(arguments.rest()), {}};
}

void traceback(Cell&, Arguments arguments) {
  const std::string ename(arguments.word_or("Error"));
  const std::string evalue(arguments.rest());
  const std::string red = "\x1b[0;31m";
  const std::string green = "\x1b[0;32m";
  const std::string plain = "\x1b[0m";
  throw CellError{ename,
                  evalue,
                  {red + std::string(75, '-') + plain,
                   red + ename + plain + "   Traceback (most recent call last)",
                   green + "----> 1" + plain + " traceback " + ename + ' ' + evalue,
                   red + ename + plain + ": " + evalue}};
}

void payload(Cell& cell, Arguments arguments) {
  const std::string_view kind = arguments.word("page or next");
  if (kind == "page") {
    cell.payload.push_back(
        {{"source", "page"}, {"data", {{"text/plain", arguments.rest()}}}, {"start", 0}});
  } else if (kind == "next") {
    cell.payload.push_back(
        {{"source", "set_next_input"}, {"text", arguments.rest()}, {"replace", false}});
  } else {
    throw UsageError("it must be page or next");
  }
}

void publish(Cell& cell, Arguments arguments) {
  const std::string_view msg_type = arguments.word("TYPE");
  cell.server.publish(msg_type, parse(arguments.rest()).dump());
}

void read_input(Cell& cell, Arguments arguments, bool password) {
  if (!cell.allow_stdin) {
    throw CellError{
        "StdinNotImplementedError", "this frontend does not support input requests", {}};
  }
  cell.write("stdout", cell.server.read_input(std::string(arguments.rest()), password) + '\n');
}

void input(Cell& cell, Arguments arguments) { read_input(cell, arguments, false); }

void password(Cell& cell, Arguments arguments) { read_input(cell, arguments, true); }

constexpr Command kCommands[] = {
    {"print", "TEXT", "a line on stdout", print},
    {"stderr", "TEXT", "a line on stderr", print_error},
    {"write", "TEXT", "stdout without a newline of its own; knows \\n \\r \\t \\e \\\\", write},
    {"result", "TEXT", "an execute_result", result},
    {"display", "MIME DATA", "a display_data; DATA is parsed for JSON types", display},
    {"html", "TEXT", "a display_data with text/html", html},
    {"png", "", "a display_data with an image/png of one pixel", png},
    {"display-id", "ID TEXT", "a display_data that can be updated", display_id},
    {"update-display", "ID TEXT", "an update_display_data", update_display},
    {"clear", "[wait]", "a clear_output", clear},
    {"error", "[ENAME [EVALUE]]", "the cell fails", error},
    {"traceback", "[ENAME [EVALUE]]", "the cell fails with a coloured traceback", traceback},
    {"payload", "page|next TEXT", "a payload in the reply: a pager, or the next input", payload},
    {"publish", "TYPE JSON", "an iopub message of this type and content", publish},
    {"input", "PROMPT", "asks for a line and prints it", input},
    {"password", "PROMPT", "the same, to be typed unseen", password},
};

}  // namespace

std::span<const Command> output_commands() { return kCommands; }

}  // namespace perijove::kernels::echo
