#include "load.hpp"

#include <algorithm>
#include <stdexcept>

#include "json_scan.hpp"

namespace bench {

namespace {

/// How long a kernel_info_request is waited for before it is asked again.
constexpr auto kAskAgain = milliseconds(300);
/// Warming up takes this part of the measured time, or of the round trips.
constexpr int kWarmUpDivisor = 7;

}  // namespace

std::string execute_content(std::string_view code) {
  return "{\"code\":" + json_scan::quoted(code) +
         ",\"silent\":false,\"store_history\":true,\"user_expressions\":{},\"allow_stdin\":false,"
         "\"stop_on_error\":true}";
}

std::size_t stdout_lines(const Message& message) {
  if (message.type != "stream" || message.content.find("\"stdout\"") == std::string_view::npos) {
    return 0;
  }
  constexpr std::string_view kLineEnd = "\\n";
  std::size_t count = 0;
  for (auto at = message.content.find(kLineEnd); at != std::string_view::npos;
       at = message.content.find(kLineEnd, at + kLineEnd.size())) {
    ++count;
  }
  return count;
}

std::vector<std::unique_ptr<Conversation>> connect_all(Context& context, const Lane& lane,
                                                       const std::vector<Kernel*>& kernels) {
  std::vector<std::unique_ptr<Conversation>> conversations;
  for (Kernel* kernel : kernels) {
    conversations.push_back(std::make_unique<Conversation>(context, lane, *kernel));
  }
  for (const auto& conversation : conversations) conversation->wait_until_ready();
  return conversations;
}

std::string Outcome::what_is_missing() const {
  const bool no_reply = replied == TimePoint{};
  const bool no_idle = idle == TimePoint{};
  if (no_reply && no_idle) return "neither reply nor idle came";
  if (no_reply) return "the reply never came";
  return no_idle ? "the idle never came" : "";
}

Conversation::Conversation(Context& context, const Lane& lane, Kernel& kernel)
    : context_(context), client_(kernel.connect(context.loop, lane.framing, lane.ack)) {
  client_->on_message([this](const Message& message) {
    last_message_ = Clock::now();
    if (observer_) observer_(message);
  });
}

bool Conversation::wait_until(const std::function<bool()>& done) {
  return wait_until(done, from_seconds(context_.settings.patience_seconds));
}

bool Conversation::wait_until(const std::function<bool()>& done, Clock::duration patience) {
  last_message_ = Clock::now();
  const auto over = [&] { return done() || !client_->close_reason().empty(); };
  while (!context_.loop.run_until(over, last_message_ + patience)) {
    if (Clock::now() >= last_message_ + patience) return false;
  }
  if (done()) return true;
  throw std::runtime_error(client_->close_reason());
}

void Conversation::wait_until_ready() {
  const TimePoint deadline = Clock::now() + from_seconds(context_.settings.patience_seconds);
  bool replied = false;
  bool heard_iopub = false;
  observe([&](const Message& message) {
    replied = replied || message.type == "kernel_info_reply";
    heard_iopub = heard_iopub || message.channel == Channel::kIopub;
  });
  wait_until([&] { return client_->is_open(); });
  while (!(replied && heard_iopub)) {
    if (Clock::now() > deadline) throw std::runtime_error("the kernel never became ready");
    const std::string id = client_->next_message_id();
    client_->send({Channel::kShell, "kernel_info_request", id, "{}", {}});
    wait_until([&] { return replied && heard_iopub; }, kAskAgain);
  }
  observe({});
}

Outcome Conversation::ask(std::string_view type, std::string_view content) {
  Outcome outcome;
  const std::string id = client_->next_message_id();
  const bool expects_reply = type.ends_with("_request");
  const Observer outer = observer_;
  observe([&](const Message& message) {
    if (message.is_reply_to(id)) outcome.replied = last_message_;
    if (message.is_idle_of(id)) outcome.idle = last_message_;
    if (outer) outer(message);
  });
  outcome.sent = Clock::now();
  if (!expects_reply) outcome.replied = outcome.sent;
  client_->send({Channel::kShell, type, id, content, {}});
  wait_until([&] { return outcome.complete(); });
  observe(outer);
  return outcome;
}

Repeater::Repeater(Client& client, std::string_view code)
    : client_(client), content_(execute_content(code)) {
  client_.on_message([this](const Message& message) { take(message); });
}

void Repeater::start() {
  stopping_ = false;
  send_next();
}

void Repeater::send_next() {
  message_id_ = client_.next_message_id();
  replied_ = idle_ = false;
  busy_ = true;
  sent_ = Clock::now();
  client_.send({Channel::kShell, "execute_request", message_id_, content_, {}});
}

void Repeater::take(const Message& message) {
  if (!busy_ || message.parent_id != message_id_) return;
  replied_ = replied_ || message.type == "execute_reply";
  idle_ = idle_ || message.execution_state() == "idle";
  if (!replied_ || !idle_) return;
  last_finished_ = Clock::now();
  latencies_.push_back(microseconds_between(sent_, last_finished_));
  busy_ = false;
  if (!stopping_) send_next();
}

LoadResult run_load(Context& context, const Host& host, const std::vector<Client*>& clients,
                    std::string_view code, Clock::duration duration, std::size_t enough) {
  std::vector<std::unique_ptr<Repeater>> repeaters;
  for (Client* client : clients) repeaters.push_back(std::make_unique<Repeater>(*client, code));
  const auto finished = [&] {
    std::size_t count = 0;
    for (const auto& repeater : repeaters) count += repeater->latencies().size();
    return count;
  };
  const auto all_idle = [&] {
    return std::none_of(repeaters.begin(), repeaters.end(),
                        [](const auto& repeater) { return repeater->busy(); });
  };

  for (const auto& repeater : repeaters) repeater->start();
  const std::size_t warm = std::max<std::size_t>(1, enough / kWarmUpDivisor);
  context.loop.run_until([&] { return finished() >= warm; },
                         Clock::now() + duration / kWarmUpDivisor);
  for (const auto& repeater : repeaters) repeater->clear();

  const auto process = host.process();
  const double cpu_before = process ? process->cpu_microseconds() : 0;
  const TimePoint begin = Clock::now();
  context.loop.run_until([&] { return finished() >= enough; }, begin + duration);
  LoadResult result;
  result.seconds = seconds_between(begin, Clock::now());
  result.server_cpu_microseconds = process ? process->cpu_microseconds() - cpu_before : 0;

  for (const auto& repeater : repeaters) repeater->stop();
  for (const auto& repeater : repeaters) {
    result.latencies.insert(result.latencies.end(), repeater->latencies().begin(),
                            repeater->latencies().end());
  }
  const auto patience = from_seconds(context.settings.patience_seconds);
  if (!context.loop.run_until(all_idle, Clock::now() + patience)) {
    throw std::runtime_error("an execute was never completed");
  }
  if (result.latencies.empty()) throw std::runtime_error("not one execute was completed in time");
  return result;
}

}  // namespace bench
