#include "engine/command_runner.hpp"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "protocol/json.hpp"
#include "protocol/utf8.hpp"

namespace perijove {
namespace {

using execution::Outcome;

constexpr const char* kId = "command";

// Bytes at the end of `text` that may be the beginning of a character.
std::size_t unfinished_bytes(std::string_view text) {
  constexpr std::size_t kCharacterBytesMax = 4;
  for (std::size_t size = 1; size < kCharacterBytesMax && size <= text.size(); ++size) {
    const auto lead = static_cast<unsigned char>(text[text.size() - size]);
    if ((lead & 0xc0u) == 0x80u) continue;
    const std::size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return whole > size ? size : 0;
  }
  return 0;
}

}  // namespace

CommandRunner::CommandRunner(Shard& shard, std::function<void(const Output&)> on_output)
    : shard_(shard), on_output_(std::move(on_output)), timer_(shard.loop()) {}

void CommandRunner::run(KernelPlace& place, PlacedCommand command, const ExecutionOptions& options,
                        Done done) {
  done_ = std::move(done);
  started_ = shard_.now();
  ExecutionOptions own = options;
  own.if_stuck = execution::IfStuck::leave;  // finish() kills it
  execution_.emplace(own, kId, started_);
  const auto weak = weak_from_this();
  PlacedCommandEvents events;
  events.on_output = [weak](bool is_error, std::string_view bytes) {
    if (const auto self = weak.lock()) self->take(is_error, bytes);
  };
  events.on_end = [weak](const Result<int>& code) {
    if (const auto self = weak.lock()) self->ended(code);
  };
  command_ = place.run(std::move(command), std::move(events));
  set_timer();
}

void CommandRunner::interrupt() {
  if (!command_) return;
  feed(execution::KernelInterrupted{});
  if (command_) command_->interrupt();
}

void CommandRunner::cancel() { feed(execution::Cancel{}); }

RunResult CommandRunner::abandon() {
  done_ = nullptr;
  timer_.cancel();
  command_.reset();
  execution_.reset();
  RunResult result;
  result.verdict = {Outcome::cancelled, false, "it was given up while it ran"};
  result.duration = shard_.now() - started_;
  result.collected = collector_;
  return result;
}

void CommandRunner::take(bool is_error, std::string_view bytes, bool last) {
  std::string& partial = partial_[is_error ? 1 : 0];
  std::string text = std::exchange(partial, {}) + std::string(bytes);
  if (!last) {
    const std::size_t kept = unfinished_bytes(text);
    partial = text.substr(text.size() - kept);
    text.resize(text.size() - kept);
  }
  if (text.empty()) return;
  constexpr std::size_t kReplacementBytes = 3;
  const StreamOutput output{is_error ? "stderr" : "stdout",
                            to_utf8(text, kReplacementBytes * text.size())};
  collector_->add(output);
  const auto self = shared_from_this();  // whoever is told may let go of us
  if (on_output_) on_output_(output);
  feed(execution::Message{"stream", kId, ""});
}

void CommandRunner::ended(const Result<int>& code) {
  const auto self = shared_from_this();
  take(false, {}, true);
  take(true, {}, true);
  if (!code) {
    add_error("CommandNotRun", code.error().message);
  } else if (*code != 0) {
    add_error("CommandFailed", "exit status " + std::to_string(*code));
  }
  feed(execution::Message{"execute_reply", kId, code && *code == 0 ? "ok" : "error"});
  feed(execution::Message{"status", kId, "idle"});
}

// As a kernel would say it: with a message of iopub, too, which is what marks a failure.
void CommandRunner::add_error(const std::string& name, const std::string& message) {
  collector_->add(
      "error",
      dump_json({{"ename", name}, {"evalue", message}, {"traceback", {name + ": " + message}}}));
  feed(execution::Message{"error", kId, ""});
}

void CommandRunner::feed(const execution::Event& event) {
  if (!execution_) return;
  for (const execution::Action& action : execution_->on(event, shard_.now())) {
    if (std::holds_alternative<execution::Interrupt>(action)) {
      if (command_) command_->interrupt();
    } else if (const auto* const finished = std::get_if<execution::Finish>(&action)) {
      finish(finished->verdict);
      return;
    }
  }
  set_timer();
}

void CommandRunner::finish(execution::Verdict verdict) {
  timer_.cancel();
  execution_.reset();
  // It is no kernel: nothing of it runs on, and it has no variables that somebody could miss.
  verdict.stuck = verdict.state_lost = false;
  const auto say = [&verdict](std::string_view of_kernels, std::string_view instead) {
    const std::size_t at = verdict.note.find(of_kernels);
    if (at != verdict.note.npos) verdict.note.replace(at, of_kernels.size(), instead);
  };
  say("; it is still running", "; it was killed");
  say("; variables are kept", "");
  command_.reset();
  RunResult result;
  result.verdict = std::move(verdict);
  result.duration = shard_.now() - started_;
  result.collected = collector_;
  if (!result.ok() && !result.error()) {
    const std::string& why = result.verdict.note;
    collector_->add("error",
                    dump_json({{"ename", "CommandEnded"}, {"evalue", why}, {"traceback", {why}}}));
  }
  boost::asio::post(shard_.loop(), [weak = weak_from_this(), result = std::move(result)] {
    const auto self = weak.lock();
    if (!self) return;
    if (const auto tell = std::exchange(self->done_, nullptr)) tell(result);
  });
}

void CommandRunner::set_timer() {
  const auto at = execution_ ? execution_->next_deadline() : std::nullopt;
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
