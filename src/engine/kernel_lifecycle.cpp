#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/kernel.hpp"
#include "io/spill_file.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

// jupyter_server reads metadata.cull_idle_timeout (seconds) of the kernelspec as an override.
std::optional<Duration> idle_timeout_of(const Kernelspec& spec) {
  const auto metadata = parse_json(spec.metadata);
  if (!metadata || !metadata->is_object()) return std::nullopt;
  const auto seconds = metadata->find("cull_idle_timeout");
  if (seconds == metadata->end() || !seconds->is_number()) return std::nullopt;
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(seconds->get<double>()));
}

// After a process has ended: how long nothing more may come until what it sent is taken to be
// whole, and how long that may take in all.
constexpr auto kQuietAfterExit = std::chrono::milliseconds(2);
constexpr auto kDrainAfterExitMax = std::chrono::milliseconds(500);

WallTime wall_now() { return std::chrono::system_clock::now(); }

}  // namespace

Kernel::Kernel(Shard& shard, Provisioner& provisioner, LaunchRequest request, KernelOptions options,
               Hooks hooks)
    : shard_(shard),
      provisioner_(provisioner),
      request_(std::move(request)),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      lifecycle_(options_.lifecycle),
      activity_(ActivityOptions{}, shard.now(), wall_now()),
      audience_(options_.journal_memory_bytes_max,
                make_spill_file(options_.journal_directory, options_.journal_disk_bytes_max)),
      requests_(limits::kOutstandingRequestsMax),
      reply_hold_(options_.reply_hold),
      own_session_(make_uuid()),
      timer_(shard.loop()),
      kernelspec_idle_timeout_(idle_timeout_of(request_.spec)),
      stateless_(kernelspec_flag(request_.spec, "stateless")) {}

Kernel::~Kernel() = default;

KernelSummary Kernel::summary() const {
  KernelSummary summary;
  summary.id = request_.kernel_id;
  summary.name = request_.spec.name;
  summary.execution_state = activity_.execution_state();
  summary.last_activity = activity_.last_activity();
  summary.connections = audience_.attached();
  summary.reason = lifecycle_.state() == lifecycle::State::dead ? with_log_tail(lifecycle_.reason())
                                                                : lifecycle_.reason();
  return summary;
}

KernelDetails Kernel::details() const {
  KernelDetails details;
  details.work_dir = request_.work_dir;
  details.isolation.kind = request_.isolation.kind;
  if (launched_) {
    details.isolation = launched_->isolation();
    details.connection_file = launched_->connection_file();
    details.process = launched_->describe();
  }
  return details;
}

lifecycle::RequestId Kernel::add_request(Done done) {
  const lifecycle::RequestId id = next_request_++;
  waiting_.emplace(id, std::move(done));
  return id;
}

void Kernel::start(Done done) {
  feed(lifecycle::StartRequested{add_request(std::move(done)), lifecycle::Until::ready});
}

void Kernel::restart(Done done, bool now) {
  if (hooks_.on_event) hooks_.on_event("restart", "");
  feed(lifecycle::RestartRequested{add_request(std::move(done)), lifecycle::Until::launched, now});
}

void Kernel::stop(Done done, bool now) {
  feed(lifecycle::StopRequested{add_request(std::move(done)), now});
}

void Kernel::hand_out() {
  reserved_ = false;
  activity_.begin_use(shard_.now(), wall_now());
  if (lifecycle_.state() == lifecycle::State::ready && hooks_.on_event) {
    hooks_.on_event("ready", "");
  }
  set_timer();
}

void Kernel::interrupt(Done done) {
  if (lifecycle_.state() == lifecycle::State::dead ||
      lifecycle_.state() == lifecycle::State::stopped) {
    done(Error{Code::failed_precondition, "kernel " + id().str() + " is dead; restart it first"});
    return;
  }
  if (hooks_.on_event) hooks_.on_event("interrupt", "");
  // Only a ready kernel: SIGINT ends one that has not installed its handler yet, and nothing runs
  // in it that could be interrupted.
  const bool ready = lifecycle_.state() == lifecycle::State::ready;
  const bool by_message = request_.spec.interrupt_mode == InterruptMode::message;
  if (ready && !by_message && launched_) {
    launched_->interrupt([done = std::move(done)] { done({}); });
    return;
  }
  if (ready && by_message && channels_) send_own(Channel::control, "interrupt_request", "{}");
  done({});
}

// Events are fed from callbacks and from within actions alike; the queue keeps each one's actions
// together.
void Kernel::feed(lifecycle::Event event) {
  events_.push_back(std::move(event));
  if (feeding_) return;
  feeding_ = true;
  const auto self = shared_from_this();  // a Complete may drop the last other share
  while (!events_.empty()) {
    const lifecycle::Event next = std::move(events_.front());
    events_.pop_front();
    for (lifecycle::Action& action : lifecycle_.on(next, shard_.now())) perform(action);
  }
  feeding_ = false;
  publish_soon();
  set_timer();
}

void Kernel::perform(lifecycle::Action& action) {
  std::visit(Overloaded{
                 [this](const lifecycle::Launch& launch_now) { launch(launch_now.generation); },
                 [this](const lifecycle::CancelLaunch& cancelled) {
                   launched_.reset();  // from here on it reports nothing
                   feed(lifecycle::LaunchFailed{cancelled.generation,
                                                Error{Code::aborted, "the launch was cancelled"}});
                 },
                 [this](const lifecycle::Connect&) { connect(); },
                 [this](const lifecycle::SendKernelInfo&) {
                   if (channels_) send_own(Channel::shell, "kernel_info_request", "{}");
                 },
                 [this](const lifecycle::SendShutdown& shutdown) {
                   if (channels_) {
                     send_own(Channel::control, "shutdown_request",
                              shutdown.restart ? R"({"restart":true})" : R"({"restart":false})");
                   }
                 },
                 [this](const lifecycle::SignalTerminate&) {
                   if (launched_) launched_->terminate();
                 },
                 [this](const lifecycle::SignalKillGroup&) {
                   if (launched_) launched_->kill();
                 },
                 [this](const lifecycle::ProcessGone& gone) { process_gone(gone); },
                 [this](const lifecycle::Announce& told) { announce(told.state); },
                 [this](const lifecycle::Complete& done) { complete(done); },
                 [this](const lifecycle::Cleanup&) {
                   channels_.reset();
                   launched_.reset();
                   endpoints_.reset();
                   if (lifecycle_.state() == lifecycle::State::stopped && hooks_.on_ended) {
                     std::exchange(hooks_.on_ended, nullptr)(true);
                   }
                 },
             },
             action);
}

void Kernel::launch(lifecycle::Generation generation) {
  channels_.reset();
  endpoints_.reset();
  kernel_info_.clear();
  const std::weak_ptr<Kernel> weak = weak_from_this();
  const auto with_self = [weak](auto function) {
    return [weak, function](const auto&... arguments) {
      if (const auto self = weak.lock()) function(*self, arguments...);
    };
  };
  LaunchEvents events;
  events.on_endpoints = with_self([generation](Kernel& self, const Endpoints& endpoints) {
    self.endpoints_ = endpoints;
    self.feed(lifecycle::Launched{generation});
  });
  events.on_failed = with_self([generation](Kernel& self, const Error& error) {
    self.feed(lifecycle::LaunchFailed{generation, error});
  });
  events.on_output = with_self([](Kernel& self, ByteView bytes) {
    self.log_tail_ += bytes;
    if (self.log_tail_.size() > 2 * limits::kKernelLogBytesMax) {
      self.log_tail_.erase(0, self.log_tail_.size() - limits::kKernelLogBytesMax);
    }
  });
  events.on_exit = with_self([generation](Kernel& self, const ProcessExit& status) {
    self.process_exited(generation, status);
  });
  if (launched_ && launched_->start_again(events)) return;
  launched_.reset();
  launched_ = provisioner_.launch(shard_, request_, std::move(events));
  request_.branch = nullptr;  // what it was a copy of may have gone on: a restart begins anew
}

void Kernel::connect() {
  if (!endpoints_) return;
  KernelChannels::Handlers handlers;
  handlers.on_message = [this](MessagePtr message) { receive(std::move(message)); };
  handlers.on_turn_end = [this] { turn_ended(); };
  const auto slow_subscriber = kernelspec_setting(request_.spec, "slow_subscriber") == "wait"
                                   ? KernelChannels::SlowSubscriber::wait
                                   : KernelChannels::SlowSubscriber::lose;
  auto channels = KernelChannels::open(shard_, *endpoints_, slow_subscriber, std::move(handlers));
  if (!channels) {
    log::error("kernel_channels_failed",
               {{"kernel", id().str()}, {"reason", channels.error().message}});
    // The reason of its death is then its last output.
    log_tail_ += "perijove: " + channels.error().message + "\n";
    if (launched_) launched_->kill();
    return;
  }
  channels_ = std::move(*channels);
}

void Kernel::send_own(Channel channel, std::string_view msg_type, ByteView content) {
  HeaderFields fields = own_header(msg_type);
  fields.session = own_session_;
  const std::string header = make_header(fields);
  channels_->send(channel, {header, "{}", "{}", content}, {}, nullptr);
}

HeaderFields Kernel::own_header(std::string_view msg_type) const {
  // A view of a temporary would dangle, so the id lives until the next header of this thread.
  static thread_local std::string msg_id;
  msg_id = make_uuid();
  return {.msg_type = msg_type, .msg_id = msg_id, .session = id().str(), .date = wall_now()};
}

// What the dead process has sent may still be on its way through libzmq: its last words, and the
// shutdown_reply that makes its end a wanted one. So: go on once nothing has come for a moment.
void Kernel::process_exited(lifecycle::Generation generation, ProcessExit status) {
  struct Drain : std::enable_shared_from_this<Drain> {
    explicit Drain(boost::asio::io_context& loop) : timer(loop) {}
    void wait(const std::weak_ptr<Kernel>& weak, lifecycle::Generation of, ProcessExit status) {
      timer.expires_after(kQuietAfterExit);
      timer.async_wait([self = shared_from_this(), weak, of, status](const auto& error) {
        const auto kernel = weak.lock();
        if (error || !kernel) return;
        const bool more =
            std::exchange(self->seen, kernel->messages_received_) != kernel->messages_received_;
        if (more && kernel->shard_.now() < self->latest) {
          self->wait(weak, of, status);
        } else {
          kernel->feed_exit(of, status);
        }
      });
    }
    boost::asio::steady_timer timer;
    std::uint64_t seen = 0;
    TimePoint latest;
  };
  auto drain = std::make_shared<Drain>(shard_.loop());
  drain->seen = messages_received_;
  drain->latest = shard_.now() + kDrainAfterExitMax;
  drain->wait(weak_from_this(), generation, status);
}

// A process that ends before it has bound its sockets was never launched, as the lifecycle sees it.
void Kernel::feed_exit(lifecycle::Generation generation, const ProcessExit& status) {
  last_exit_ = status;
  if (endpoints_) {
    feed(lifecycle::ProcessExited{generation, status});
  } else {
    feed(lifecycle::LaunchFailed{
        generation, Error{Code::unavailable, "the kernel's process " + describe(status) +
                                                 " before it listened on its sockets"}});
  }
}

void Kernel::process_gone(const lifecycle::ProcessGone& gone) {
  if (!gone.wanted) {
    log::warning("kernel_died", {{"kernel", id().str()}, {"reason", gone.reason}});
    if (hooks_.on_event) hooks_.on_event("died", gone.reason);
  }
  channels_.reset();
  route_all(reply_hold_.release_all());
  audience_.for_each([&](KernelListener& listener) { listener.on_process_gone(gone.reason); });
  end_requests(requests_.take_all(), "KernelDied", gone.reason);
  for (auto& queue : pending_) queue.clear();
  pending_bytes_ = 0;
  activity_.forget_busy(shard_.now());
}

// Every request ends: whoever waits for a reply gets one, and whoever waits for idle gets that too.
void Kernel::end_requests(const std::vector<OutstandingRequest>& requests, std::string_view name,
                          const std::string& reason) {
  if (requests.empty()) return;
  nlohmann::json content = {
      {"status", "error"}, {"ename", name}, {"evalue", reason}, {"traceback", {reason}}};
  const std::string error_content = dump_json(content);
  content["execution_count"] = 0;
  const std::string reply_content = dump_json(content);
  for (const OutstandingRequest& request : requests) {
    constexpr std::string_view kRequest = "_request";
    if (!request.msg_type.ends_with(kRequest)) continue;
    const std::string reply_type =
        request.msg_type.substr(0, request.msg_type.size() - kRequest.size()) + "_reply";
    const bool execute = request.msg_type == "execute_request";
    if (execute) {
      audience_.publish(
          make_message(Channel::iopub, own_header("error"), request.header, error_content));
    }
    audience_.publish(make_message(request.channel, own_header(reply_type), request.header,
                                   execute ? reply_content : error_content),
                      request.reader);
    if (execute) {
      audience_.publish(make_message(Channel::iopub, own_header("status"), request.header,
                                     R"({"execution_state":"idle"})"));
    }
  }
}

void Kernel::announce(ExecutionState state) {
  activity_.announce(state, shard_.now(), wall_now());
  std::string content = R"({"execution_state":")";
  content += to_string(state);
  content += "\"}";
  audience_.publish(make_message(Channel::iopub, own_header("status"), "{}", content));
  log::info("kernel_state", {{"kernel", id().str()}, {"state", std::string(to_string(state))}});
  if (state == ExecutionState::idle) {
    if (hooks_.on_event) hooks_.on_event("ready", "");
    send_pending();
  }
  // At once: a launch, which takes milliseconds, may be the next action.
  audience_.notify(shard_.now());
  if (state == ExecutionState::dead) {
    const bool deleted = lifecycle_.state() == lifecycle::State::stopped ||
                         lifecycle_.state() == lifecycle::State::stopping;
    const std::string reason = deleted ? "the kernel was shut down" : lifecycle_.reason();
    audience_.for_each([&](KernelListener& listener) { listener.on_kernel_gone(reason); });
    if (!deleted && hooks_.on_ended) hooks_.on_ended(false);
  }
}

std::string Kernel::with_log_tail(const std::string& message) const {
  constexpr std::size_t kTailBytes = 2'000;
  if (log_tail_.empty()) return message;
  std::string tail = log_tail_.size() <= kTailBytes
                         ? log_tail_
                         : "..." + log_tail_.substr(log_tail_.size() - kTailBytes);
  while (!tail.empty() && tail.back() == '\n') tail.pop_back();
  return message + "; its last output:\n" + tail;
}

void Kernel::complete(const lifecycle::Complete& action) {
  auto waiting = waiting_.extract(action.id);
  if (waiting.empty() || !waiting.mapped()) return;
  if (!action.error) {
    waiting.mapped()({});
    return;
  }
  Error error = *action.error;
  if (action.kernel_failed) error.message = with_log_tail(error.message);
  waiting.mapped()(std::move(error));
}

std::optional<TimePoint> Kernel::cull_time() const {
  if (reserved_ || culling_ || lifecycle_.state() != lifecycle::State::ready) return std::nullopt;
  return cull_at(options_.cull, {.idle_since = activity_.idle_since(),
                                 .last_activity = activity_.last_activity_at(),
                                 .connections = audience_.attached(),
                                 .last_disconnect = last_disconnect_,
                                 .kernelspec_idle_timeout = kernelspec_idle_timeout_});
}

void Kernel::set_timer() {
  std::optional<TimePoint> next;
  const auto consider = [&next](std::optional<TimePoint> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  consider(lifecycle_.next_deadline());
  consider(activity_.next_deadline());
  consider(reply_hold_.next_deadline());
  consider(requests_.next_deadline());
  consider(cull_time());
  if (next == timer_at_) return;
  // A later time needs no new wait: when the old one fires it looks again.
  if (next && timer_at_ && *next > *timer_at_) return;
  timer_at_ = next;
  if (!next) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(*next);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self) return;
    self->timer_at_.reset();
    self->on_timer();
  });
}

void Kernel::on_timer() {
  const TimePoint now = shard_.now();
  activity_.on_deadline(now);
  route_all(reply_hold_.on_deadline(now));
  end_requests(requests_.take_unanswered(now), "NoReply",
               "the kernel has finished this request without a reply");
  const auto cull = cull_time();
  if (cull && *cull <= now) {
    culling_ = true;
    log::info("kernel_culled", {{"kernel", id().str()}});
    if (hooks_.on_event) hooks_.on_event("cull", "it was idle");
    stop(nullptr);
  }
  feed(lifecycle::DeadlinePassed{});
}

}  // namespace perijove
