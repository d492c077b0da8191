#include "engine/runner.hpp"

#include <boost/asio/post.hpp>
#include <cassert>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "protocol/header.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using execution::Outcome;

// The object in `content`, or an empty one.
nlohmann::json read_object(ByteView content) {
  auto parsed = parse_json(content);
  return parsed && parsed->is_object() ? *std::move(parsed) : nlohmann::json::object();
}

bool asks_exit(const nlohmann::json& reply) {
  const auto payload = reply.find("payload");
  if (payload == reply.end() || !payload->is_array()) return false;
  for (const auto& entry : *payload) {
    if (entry.is_object() && json_text(entry, "source") == "ask_exit") return true;
  }
  return false;
}

// The name under which a verdict that the kernel did not write stands among the outputs.
std::string_view error_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::died:
      return "KernelDied";
    case Outcome::timed_out:
      return "TimedOut";
    case Outcome::needs_input:
      return "InputNotAllowed";
    case Outcome::cancelled:
    case Outcome::interrupted:
      return "Interrupted";
    case Outcome::aborted:
      return "Aborted";
    case Outcome::ok:
    case Outcome::error:
      break;
  }
  return "Error";
}

}  // namespace

std::optional<ErrorOutput> RunResult::error() const {
  const std::vector<Output> outputs = collected->outputs();
  for (auto output = outputs.rbegin(); output != outputs.rend(); ++output) {
    if (const auto* error = std::get_if<ErrorOutput>(&*output)) return *error;
  }
  return std::nullopt;
}

struct BlockRunner::Current {
  Current(ExecutionOptions execution_options, OutputLimits limits, std::string msg_id, Done on_done,
          TimePoint now)
      : execution(std::move(execution_options), std::move(msg_id), now),
        collector(std::make_shared<OutputCollector>(limits)),
        done(std::move(on_done)),
        started(now) {}

  Execution execution;
  std::shared_ptr<OutputCollector> collector;
  Done done;
  TimePoint started;
  bool asked_exit = false;
  bool allow_input = false;
  std::string reply;
};

BlockRunner::BlockRunner(Shard& shard, std::shared_ptr<Kernel> kernel, Events events)
    : shard_(shard),
      kernel_(std::move(kernel)),
      events_(std::move(events)),
      session_(make_uuid()),
      // Without a session id: nobody will come back for what it did not read.
      attachment_(kernel_->attach("", *this)),
      timer_(shard.loop()),
      question_timer_(shard.loop()) {}

BlockRunner::~BlockRunner() = default;

Attachment::Submission BlockRunner::send(Channel channel, std::string_view msg_type,
                                         const std::string& msg_id, std::string_view content,
                                         ByteView parent_header) {
  auto owner = std::make_shared<const std::pair<std::string, std::string>>(
      make_header({.msg_type = msg_type,
                   .msg_id = msg_id,
                   .session = session_,
                   .date = std::chrono::system_clock::now()}),
      content);
  ClientMessage message;
  message.channel = channel;
  message.parts = {.header = owner->first,
                   .parent_header = parent_header,
                   .metadata = "{}",
                   .content = owner->second};
  return attachment_->submit(message, owner);
}

void BlockRunner::run(std::string_view code, const BlockOptions& options, Done done) {
  shard_.assert_here();
  assert(!running());
  std::erase_if(earlier_, [](const Record& record) { return record.collector.expired(); });
  const std::string msg_id = make_uuid();
  ExecutionOptions execution = options.execution;
  execution.keeps_variables = !kernel_->stateless();
  current_ = std::make_unique<Current>(execution, options.output_limits, msg_id, std::move(done),
                                       shard_.now());
  earlier_.push_back({msg_id, current_->collector});

  current_->allow_input = options.allow_input && events_.on_input != nullptr;
  // Blocks come one by one, so there is nothing to stop; but an ipykernel that is told to skips
  // what comes just after an error, too.
  nlohmann::json content = {{"code", code},
                            {"silent", options.silent},
                            {"store_history", options.store_history && !options.silent},
                            {"allow_stdin", current_->allow_input},
                            {"stop_on_error", false}};
  content["user_expressions"] = read_object(options.user_expressions);
  const auto sent = kernel_gone_
                        ? Attachment::Submission::gone
                        : send(Channel::shell, "execute_request", msg_id, dump_json(content), "{}");
  if (sent == Attachment::Submission::gone) {
    feed(execution::KernelGone{kernel_gone_.value_or("the kernel is not running")});
  }
  set_timer();
}

void BlockRunner::cancel() { feed(execution::Cancel{}); }

RunResult BlockRunner::abandon() {
  assert(running());
  const auto self = shared_from_this();  // a callback may let go of us
  RunResult result;
  result.verdict = {Outcome::cancelled, true, "it was given up while it ran"};
  result.duration = shard_.now() - current_->started;
  result.collected = current_->collector;
  current_->done = [](const RunResult&) {};  // should its end be among what is read now
  turn_bytes_ = 0;
  while (turn_bytes_ < limits::kAbandonedBacklogBytesMax && read_one()) {
  }
  turn_bytes_ = 0;
  current_.reset();
  timer_.cancel();
  return result;
}

void BlockRunner::answer_input(std::string_view text) {
  if (input_parent_.empty()) return;
  const std::string parent = std::exchange(input_parent_, {});
  send(Channel::stdin_, "input_reply", make_uuid(), dump_json({{"value", text}}), parent);
}

void BlockRunner::ask(std::string_view request_type, std::string_view content,
                      std::function<void(Result<std::string>)> done) {
  end_questions();
  asked_msg_id_ = make_uuid();
  asked_reply_ = std::string(request_type.substr(0, request_type.rfind('_'))) + "_reply";
  asked_done_ = std::move(done);
  const auto sent = send(Channel::shell, request_type, asked_msg_id_, content, "{}");
  if (sent == Attachment::Submission::gone) end_questions();
}

void BlockRunner::ask_language_info(std::function<void(std::string)> done) {
  ask("kernel_info_request", "{}", [done = std::move(done)](const Result<std::string>& answer) {
    const nlohmann::json reply = answer ? read_object(*answer) : nlohmann::json::object();
    const auto info = reply.find("language_info");
    done(info == reply.end() ? "null" : dump_json(*info));
  });
}

// Nobody will answer any more.
void BlockRunner::end_questions() {
  input_parent_.clear();
  if (!asked_done_) return;
  boost::asio::post(shard_.loop(), [call = std::exchange(asked_done_, nullptr)] {
    call(Error{Code::unavailable, "the kernel ended without an answer"});
  });
}

// ---- from the kernel ----

void BlockRunner::on_messages() {
  if (!turn_posted_) read_turn();
}

// What waits at the kernel's sockets is memory, what waits in the journal ends up on disk: so the
// sockets are read several times faster than this. A message beyond the turn's share is paid for by
// the next turns.
void BlockRunner::read_turn() {
  const auto self = shared_from_this();  // a callback may let go of us
  bool more = true;
  while (more && turn_bytes_ < limits::kBytesReadPerTurn) more = read_one();
  turn_bytes_ = more ? turn_bytes_ - limits::kBytesReadPerTurn : 0;
  if (more) {
    turn_posted_ = true;
    boost::asio::post(shard_.loop(), [weak = weak_from_this()] {
      const auto runner = weak.lock();
      if (!runner) return;
      runner->turn_posted_ = false;
      runner->read_turn();
    });
  }
  set_timer();
}

bool BlockRunner::read_one() {
  const Journal::Read read = attachment_->read();
  missed_ += read.missed;
  if (!read.message) return false;
  turn_bytes_ += read.message->size_bytes();
  receive(read.message);
  attachment_->acknowledge(read.position);
  return true;
}

void BlockRunner::read_all() {
  const auto self = shared_from_this();
  while (read_one()) {
  }
  turn_bytes_ = 0;
}

void BlockRunner::receive(const MessagePtr& message) {
  const auto header = peek_header(message->parts().header);
  const auto parent = peek_header(message->parts().parent_header);
  if (!header || !parent) return;
  const ByteView content = message->parts().content;
  const std::string_view type = header->msg_type;

  if (asked_done_ && type == asked_reply_ && parent->msg_id == asked_msg_id_) {
    std::exchange(asked_done_, nullptr)(std::string(content));
    return;
  }
  const bool ours = current_ && parent->msg_id == current_->execution.msg_id();
  if (message->channel() == Channel::iopub && type != "status") {
    receive_output(type, parent->msg_id, content);
  }
  if (!ours) return;
  if (type == "execute_reply") {
    receive_reply(parent->msg_id, content);
  } else if (type == "input_request" && current_->allow_input) {
    // Not the execution's business then: it waits for its user as it would for anything else.
    const nlohmann::json asked = read_object(content);
    input_parent_ = message->parts().header;
    ask_user({json_text(asked, "prompt"), asked.value("password", nlohmann::json()) == true});
  } else {
    const std::string state =
        type == "status" ? json_text(read_object(content), "execution_state") : std::string();
    feed(execution::Message{type, parent->msg_id, state});
  }
}

void BlockRunner::receive_output(std::string_view type, std::string_view parent, ByteView content) {
  // Read once, however many are to have it.
  const auto stream = type == "stream" ? read_stream(content) : std::nullopt;
  if (type == "stream" && !stream) return;
  bool ours = false;
  for (const Record& record : earlier_) {
    // A later block may update what an earlier one displayed, and a thread prints on when its block
    // has ended.
    const bool addressed = record.msg_id == parent;
    if (!addressed && type != "update_display_data") continue;
    ours = ours || addressed;
    const auto collector = record.collector.lock();
    const bool changed =
        collector && (stream ? collector->add(*stream) : collector->add(type, content));
    const bool late = !current_ || collector != current_->collector;
    if (changed && late && events_.on_late_output) events_.on_late_output();
  }
  if (!ours) return;
  if (!stream) tell_displays(type, current_ && current_->execution.msg_id() == parent, content);
  if (!events_.on_output) return;
  if (stream) {
    events_.on_output(*stream);
    return;
  }
  OutputCollector single;
  single.add(type, content);
  for (const Output& output : single.outputs()) events_.on_output(output);
}

void BlockRunner::tell_displays(std::string_view type, bool of_running_block, ByteView content) {
  if (type == "clear_output") {
    const nlohmann::json how = read_object(content);
    const bool wait = how.contains("wait") && how["wait"] == true;
    if (of_running_block && events_.on_clear) events_.on_clear(wait);
    return;
  }
  if (type != "update_display_data" && type != "display_data" && type != "execute_result") return;
  const Output* const newest = of_running_block ? current_->collector->newest() : nullptr;
  const auto* const display = newest == nullptr ? nullptr : std::get_if<DisplayOutput>(newest);
  if (events_.on_update && (type == "update_display_data" || display != nullptr)) {
    OutputCollector single;
    if (display == nullptr) single.add("display_data", content);
    const Output* const added = display == nullptr ? single.newest() : newest;
    const auto* const updated = added == nullptr ? nullptr : std::get_if<DisplayOutput>(added);
    if (updated != nullptr && !updated->display_id.empty()) {
      DisplayUpdate update{*updated, {}};
      if (current_) update.displays = current_->collector->displays(updated->display_id);
      std::erase(update.displays, display);  // new rather than updated
      events_.on_update(update);
    }
  }
  if (display != nullptr && events_.on_display) events_.on_display(*display);
}

// The question comes on another socket than the outputs before it and may overtake them: a moment
// later they are on the user's screen.
void BlockRunner::ask_user(const InputRequest& request) {
  constexpr auto kOutputsFirst = std::chrono::milliseconds(20);
  question_timer_.expires_after(kOutputsFirst);
  question_timer_.async_wait(
      [weak = weak_from_this(), request](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (!error && self && !self->input_parent_.empty()) self->events_.on_input(request);
      });
}

void BlockRunner::receive_reply(std::string_view parent, ByteView content) {
  const nlohmann::json reply = read_object(content);
  current_->asked_exit = asks_exit(reply);
  current_->reply = content;
  feed(execution::Message{"execute_reply", parent, json_text(reply, "status")});
}

void BlockRunner::on_process_gone(std::string_view reason) {
  read_all();  // its last words
  if (current_) {
    feed(execution::KernelGone{std::string(reason)});
  } else if (!restarting_) {
    state_lost_ = reason;
  }
  // What is said about these requests from now on is the gateway's own obituary.
  for (Record& record : earlier_) record.msg_id.clear();
  end_questions();
}

void BlockRunner::on_kernel_gone(std::string_view reason) {
  kernel_gone_ = reason;
  on_process_gone(reason);
}

// ---- the execution ----

void BlockRunner::feed(const execution::Event& event) {
  if (!current_) return;
  for (const execution::Action& action : current_->execution.on(event, shard_.now())) {
    if (std::holds_alternative<execution::Interrupt>(action)) {
      kernel_->interrupt([](const Result<void>&) {});
    } else if (std::holds_alternative<execution::RestartKernel>(action)) {
      restart_kernel();
    } else {
      finish(std::get<execution::Finish>(action).verdict);
      return;  // the execution is gone, and this was its last action
    }
  }
  set_timer();
}

// What is sent before the old process is gone would be lost with it, so the result waits.
void BlockRunner::restart_kernel() {
  restarting_ = true;
  kernel_->restart(
      [weak = weak_from_this()](const Result<void>&) {
        const auto self = weak.lock();
        if (!self) return;
        self->restarting_ = false;
        if (const auto call = std::exchange(self->when_restarted_, nullptr)) call();
      },
      true);
}

void BlockRunner::finish(execution::Verdict verdict) {
  auto ended = std::move(current_);
  timer_.cancel();
  input_parent_.clear();
  const auto add_note = [&verdict](const std::string& note) {
    verdict.note += (verdict.note.empty() ? "" : "; ") + note;
  };
  if (!state_lost_.empty()) {
    verdict.state_lost = true;
    add_note("before it the kernel was restarted (" + std::exchange(state_lost_, {}) +
             "): earlier variables are gone");
  }
  if (missed_ > 0) {
    add_note(std::to_string(std::exchange(missed_, 0)) + " messages of the kernel were lost");
  }
  RunResult result{.verdict = std::move(verdict),
                   .duration = shard_.now() - ended->started,
                   .collected = ended->collector,
                   .asked_exit = ended->asked_exit,
                   .reply = std::move(ended->reply)};
  // Who reads the outputs alone must see that it failed and why.
  if (!result.ok() && !result.error()) {
    const std::string& why = result.verdict.note;
    ended->collector->add("error", dump_json({{"ename", error_name(result.verdict.outcome)},
                                              {"evalue", why},
                                              {"traceback", {why}}}));
  }
  auto tell = [self = weak_from_this(), call = std::move(ended->done), result = std::move(result)] {
    if (!self.expired()) call(result);
  };
  if (restarting_) {
    when_restarted_ = std::move(tell);
  } else {
    boost::asio::post(shard_.loop(), std::move(tell));
  }
}

void BlockRunner::set_timer() {
  const auto at = current_ ? current_->execution.next_deadline() : std::nullopt;
  if (!at) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(*at);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self) self->feed(execution::DeadlinePassed{});
  });
}

}  // namespace perijove
