#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "code/format_result.hpp"
#include "faces/v1/event_stream.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

std::string execution_url(const CallPtr& call, const CodeExecution& execution) {
  return call->base_url() + "v1/executions/" + execution.id();
}

// `?format=NAME` gives the text for a language model instead of JSON.
void answer_result(const CallPtr& call, const CodeExecution& execution, int status) {
  const auto format = call->request().argument("format");
  if (format && execution.done()) {
    const auto text = format_result(*format, execution.result());
    if (!text) {
      problem(call, text.error(), "validation_failed");
    } else {
      call->respond(status, *text,
                    *format == "anthropic" ? "application/json" : "text/plain; charset=utf-8");
    }
    return;
  }
  call->json(status, execution.to_json(), {{"Location", execution_url(call, execution)}});
}

void follow(const CallPtr& call, const std::shared_ptr<CodeExecution>& execution,
            std::uint64_t from, bool cancel_on_disconnect) {
  stream_events(call, execution->event_log(), from, {{"X-Execution-Id", execution->id()}},
                [execution, cancel_on_disconnect] {
                  if (cancel_on_disconnect) execution->cancel();
                });
}

// Answers when the execution has ended, or after `longest`.
void answer_when_done(const CallPtr& call, const std::shared_ptr<CodeExecution>& execution,
                      std::optional<Duration> longest, bool cancel_on_disconnect) {
  if (execution->done()) {
    answer_result(call, *execution, 200);
    return;
  }
  struct Waiter {
    explicit Waiter(Shard& shard) : timer(shard.loop()) {}
    std::shared_ptr<void> listening;
    boost::asio::steady_timer timer;
    bool answered = false;
  };
  const auto waiter = std::make_shared<Waiter>(call->shard());
  const auto answer = [call, execution, waiter] {
    if (std::exchange(waiter->answered, true)) return;
    waiter->timer.cancel();
    waiter->listening.reset();
    answer_result(call, *execution, 200);
  };
  call->exchange().set_on_disconnect([execution, waiter, cancel_on_disconnect] {
    if (std::exchange(waiter->answered, true)) return;
    waiter->timer.cancel();
    waiter->listening.reset();
    if (cancel_on_disconnect) execution->cancel();
  });
  waiter->listening = execution->listen([execution, answer] {
    if (execution->done()) answer();
  });
  if (longest) {
    waiter->timer.expires_after(*longest);
    waiter->timer.async_wait([answer](const boost::system::error_code& error) {
      if (!error) answer();
    });
  }
}

void send_output(const CallPtr& call, const CodeExecution& execution) {
  const std::string stream = call->request().argument("stream").value_or("stdout");
  if (stream != "stdout" && stream != "stderr") {
    problem(call, 400, "validation_failed", "stream must be stdout or stderr");
    return;
  }
  constexpr std::uint64_t kPageBytes = 64 * 1024;
  constexpr std::uint64_t kPageBytesMax = 16 * 1024 * 1024;
  const auto offset = number_argument(call, "offset", 0);
  const auto limit = offset ? number_argument(call, "limit", kPageBytes) : std::nullopt;
  if (!limit) return;
  const OutputLog& log = execution.log(stream);
  const auto text = log.read(*offset, std::min(*limit, kPageBytesMax));
  if (!text) {
    problem(call, text.error());
    return;
  }
  const std::uint64_t end = *offset + text->size();
  call->json(200, {{"stream", stream},
                   {"offset", *offset},
                   {"text", *text},
                   {"next_offset", end < log.kept_bytes() ? json(end) : json()},
                   {"kept_bytes", log.kept_bytes()},
                   {"total_bytes", log.total_bytes()}});
}

void send_input(const CallPtr& call, const std::shared_ptr<CodeExecution>& execution) {
  const auto body = body_object(call);
  if (!body) return;
  JsonFields fields(*body, "input");
  fields.refuse_unknown({"text"});
  const std::string text = fields.text("text");
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
  } else if (!execution->answer_input(text)) {
    problem(call, 409, "no_input_wanted", "the code does not wait for input");
  } else {
    call->empty(204);
  }
}

void send_approval(const CallPtr& call, const std::shared_ptr<CodeExecution>& execution) {
  const auto body = body_object(call);
  if (!body) return;
  JsonFields fields(*body, "approval");
  fields.refuse_unknown({"approved", "reason"});
  const json* const approved = fields.find("approved");
  if (approved == nullptr || !approved->is_boolean()) {
    fields.refuse("approved", "must be true or false");
  }
  const std::string reason = fields.text("reason", "none was given");
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
  } else if (!execution->approve(approved->get<bool>(), reason)) {
    problem(call, 409, "no_approval_wanted", "the code does not wait for approval");
  } else {
    call->empty(204);
  }
}

}  // namespace

void execute(const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  const auto body = body_object(call);
  if (!body) return;
  auto request = read_code_request(*body, session->options().defaults);
  if (!request) {
    problem(call, request.error(), "validation_failed");
    return;
  }
  const std::string_view key = call->request().header("Idempotency-Key");
  if (request->idempotency_key.empty()) request->idempotency_key = key;
  const bool cancel = request->cancel_on_disconnect;
  const std::string mode = json_text(*body, "mode");
  const std::string_view accept = call->request().header("Accept");
  const auto execution = session->execute(*std::move(request));
  if (!execution) {
    const bool busy = execution.error().code == Code::aborted;
    problem(call, execution.error(), busy ? "kernel_busy" : "");
    return;
  }
  const bool async = mode == "async" || call->request().header("Prefer").find("respond-async") !=
                                            std::string_view::npos;
  const bool streams = mode == "stream" || accept.find("ndjson") != std::string_view::npos ||
                       accept.find("text/event-stream") != std::string_view::npos;
  if (async) {
    answer_result(call, **execution, 202);
  } else if (streams) {
    follow(call, *execution, 1, cancel);
  } else {
    answer_when_done(call, *execution, std::nullopt, cancel);
  }
}

bool handle_executions(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() < 3 || path.size() > 4 || path[1] != "executions") return false;
  const std::string action = path.size() == 4 ? path[3] : std::string();
  const bool reads = action.empty() || action == "events" || action == "output";
  if (!reads && action != "cancel" && action != "input" && action != "approve") return false;
  if (!method_is(call, reads ? "GET" : "POST")) return true;
  const auto execution = face.sessions().find_execution(path[2]);
  if (!execution) {
    problem(call, 404, "execution_not_found", "there is no execution '" + path[2] + "'",
            "sessions keep their last 100 executions");
    return true;
  }
  if (action.empty()) {
    const auto wait = number_argument(call, "wait_s", 0);
    if (wait) answer_when_done(call, execution, std::chrono::seconds(*wait), false);
  } else if (action == "events") {
    const auto from = first_event(call);
    if (from) follow(call, execution, *from, false);
  } else if (action == "output") {
    send_output(call, *execution);
  } else if (action == "cancel") {
    execution->cancel();
    answer_result(call, *execution, 202);
  } else if (action == "approve") {
    send_approval(call, execution);
  } else {
    send_input(call, execution);
  }
  return true;
}

}  // namespace perijove::v1
