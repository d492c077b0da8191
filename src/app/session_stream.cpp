#include "app/session_stream.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "app/session_checkpoints.hpp"
#include "app/standard_input.hpp"
#include "app/units.hpp"
#include "base/text.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

std::string with_line_break(std::string text) {
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text;
}

// `sine.png (image/png, 20113 bytes)`
std::string described(const std::string& path, const std::string& mime, std::uint64_t size) {
  return path + " (" + mime + ", " + std::to_string(size) + " bytes)";
}

// One line of standard input, as the job commands read it.
std::string read_answer(bool hidden, const std::function<void()>& prompt) {
  Shard shard;
  StandardInput input(shard);
  std::string answer;
  input.read_line(hidden, [&](std::string line) {
    answer = std::move(line);
    shard.stop();
  });
  prompt();  // only now: whoever sees it may begin to type a password that must not be shown
  shard.run();
  return answer;
}

}  // namespace

Result<json> SessionStream::run(const std::string& path, const json& request) {
  path_ = path;
  HttpCall call;
  call.method = "POST";
  call.path = path + "/execute";
  call.headers = {{"Accept", "application/x-ndjson"}};
  call.body = dump_json(request);
  call.on_body = [this](std::string_view piece) { return take(piece); };
  const auto answer = client_.ask(std::move(call));
  if (failure_) return *failure_;
  if (result_) return parse_json(*result_);
  if (!answer) return answer.error();
  return Error{Code::data_loss, "the connection to " + client_.url() +
                                    " ended before the code did; its result is gone"};
}

bool SessionStream::take(std::string_view piece) {
  line_ += piece;
  std::size_t start = 0;
  for (std::size_t end; (end = line_.find('\n', start)) != std::string::npos; start = end + 1) {
    const auto event = parse_json(std::string_view(line_).substr(start, end - start));
    if (!event || !event->is_object()) {
      failure_ = Error{Code::data_loss, client_.url() + " does not answer as a gateway"};
      return false;
    }
    show(*event);
    if (failure_ || console_.broken()) return false;
  }
  line_.erase(0, start);
  return true;
}

void SessionStream::show(const json& event) {
  const std::string type = json_text(event, "type");
  if (type == "done") {
    result_ = dump_json(event.value("result", json::object()));
    return;
  }
  if (type == "input_request") {
    answer_input(event);
    return;
  }
  if (options_.quiet) return;
  if (type == "stdout") {
    console_.print(json_text(event, "text"));
  } else if (type == "stderr") {
    console_.print_error(json_text(event, "text"));
  } else if (type == "result" || type == "display") {
    show_object(event);
  } else if (type == "error") {
    show_error(event.value("error", json::object()));
  } else if (options_.notes) {
    show_note(type, event);
  }
}

void SessionStream::show_note(std::string_view type, const json& event) {
  if (type == "file") {
    console_.note(json_text(event, "change") + " " +
                      described(json_text(event, "path"), json_text(event, "mime"),
                                event.value("size", std::uint64_t{0})),
                  Console::Style::dim);
  } else if (type == "warning") {
    console_.note("warning: " + json_text(event, "message"));
  } else if (type == "checkpoint") {
    console_.note("checkpoint " + json_text(event, "checkpoint_id"), Console::Style::dim);
  } else if (type == "recovered") {
    console_.note("variables are those of checkpoint " + json_text(event, "checkpoint_id") +
                  " again, of " + json_text(event, "created").substr(0, 19) + ": " +
                  std::to_string(event.value("executions_lost", std::uint64_t{0})) +
                  " executions since then are lost");
    tell_names(event.value("failed", json::array()), "did not come back", console_);
  } else if (type == "queued") {
    console_.note("waiting; " + std::to_string(event.value("position", 0)) + " in the queue",
                  Console::Style::dim);
  } else if (type == "missed") {
    console_.note(std::to_string(event.value("events", 0)) +
                  " pieces of output came too fast and are not shown");
  }
}

// As an interpreter does: sys.exit() ends a program without many words.
void SessionStream::show_error(const json& error) {
  const std::string type = json_text(error, "type");
  const std::string message = json_text(error, "message");
  std::string text = json_text(error, "traceback");
  if (type == "SystemExit") {
    const bool number = message.find_first_not_of("0123456789-") == std::string::npos;
    text = number || message == "None" || message == "True" || message == "False" ? "" : message;
  } else if (text.empty()) {
    const std::string hint = json_text(error, "hint");
    text = type + ": " + message + (hint.empty() ? "" : "; " + hint);
  }
  console_.print_error(with_line_break(std::move(text)));
}

void SessionStream::show_object(const json& event) {
  console_.print(with_line_break(json_text(event, "text")));
  const json mimes = event.value("mimes", json::object());
  for (const auto& [type, data] : mimes.items()) {
    const std::string path = json_text(data, "file");
    if (path.empty() || !options_.notes) continue;
    console_.note("saved " + described(path, type, data.value("bytes", std::uint64_t{0})),
                  Console::Style::dim);
  }
}

void SessionStream::answer_input(const json& event) {
  const bool password = event.value("password", false);
  const std::string answer = read_answer(password, [&] {
    if (!options_.quiet) console_.print(json_text(event, "prompt"));
  });
  if (password && !options_.quiet) console_.print("\n");  // the Enter was not shown
  console_.line_ended();
  // What asks is what runs.
  const auto session = client_.ask_json("GET", path_);
  const auto sent =
      !session ? Result<std::string>(session.error())
               : client_.ask("POST", "v1/executions/" + json_text(*session, "running") + "/input",
                             dump_json({{"text", answer}}));
  if (!sent) failure_ = sent.error();
}

}  // namespace perijove
