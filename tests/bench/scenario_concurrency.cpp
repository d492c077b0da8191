#include <algorithm>
#include <stdexcept>

#include "load.hpp"
#include "statistics.hpp"

namespace bench {

namespace {

constexpr std::size_t kNoBound = static_cast<std::size_t>(-1);

std::size_t concurrency_rounds(const Context& context) {
  return std::min<std::size_t>(context.settings.rounds, 3);
}

/// Lets the first client execute again and again, each time until every client has the idle.
class FanOut {
 public:
  FanOut(const std::vector<std::unique_ptr<Conversation>>& conversations, std::string_view code)
      : sender_(conversations.front()->client()),
        clients_(conversations.size()),
        content_(execute_content(code)) {
    for (const auto& conversation : conversations) {
      conversation->observe([this](const Message& message) { take(message); });
    }
  }

  void start() { send_next(); }
  void stop() { stopping_ = true; }
  bool busy() const { return busy_; }
  std::vector<double>& latencies() { return latencies_; }

 private:
  void send_next() {
    message_id_ = sender_.next_message_id();
    idles_ = 0;
    replied_ = false;
    busy_ = true;
    sent_ = Clock::now();
    sender_.send({Channel::kShell, "execute_request", message_id_, content_, {}});
  }

  void take(const Message& message) {
    if (!busy_ || message.parent_id != message_id_) return;
    if (message.execution_state() == "idle") ++idles_;
    if (message.type == "execute_reply") replied_ = true;
    if (idles_ < clients_ || !replied_) return;
    latencies_.push_back(microseconds_between(sent_, Clock::now()));
    busy_ = false;
    if (!stopping_) send_next();
  }

  Client& sender_;
  std::size_t clients_;
  std::string content_;
  std::string message_id_;
  TimePoint sent_{};
  std::size_t idles_ = 0;
  bool replied_ = false;
  bool busy_ = false;
  bool stopping_ = false;
  std::vector<double> latencies_;
};

}  // namespace

void run_kernels(Context& context) {
  const Settings& settings = context.settings;
  if (settings.kernel_counts.empty()) return;
  const std::size_t most =
      *std::max_element(settings.kernel_counts.begin(), settings.kernel_counts.end());
  KernelsPerHost kernels(settings.echo_kernel, most);
  for (const std::size_t count : settings.kernel_counts) {
    const std::string number = std::to_string(count);
    Table& table = context.report.add_table(
        "kernels-" + number, number + " echo kernels, one client each, all executing",
        {{"rate", "executes/s", Better::kHigher},
         {"p50", "p50 ms"},
         {"p99", "p99 ms", Better::kLower},
         {"cpu", "server CPU µs/execute", Better::kLower}});
    interleave(context, table, client_lanes(context), concurrency_rounds(context),
               [&](const Lane& lane, Row& row) {
                 std::vector<Kernel*> chosen;
                 for (const auto& kernel : kernels.all_of(*lane.host)) {
                   if (chosen.size() < count) chosen.push_back(kernel.get());
                 }
                 const auto conversations = connect_all(context, lane, chosen);
                 std::vector<Client*> clients;
                 for (const auto& conversation : conversations) {
                   clients.push_back(&conversation->client());
                 }
                 const LoadResult result = run_load(context, *lane.host, clients, kRoundTripCode,
                                                    from_seconds(settings.round_seconds), kNoBound);
                 const auto executes = static_cast<double>(result.latencies.size());
                 row.add("rate", executes / result.seconds);
                 row.add("p50", percentile(result.latencies, 0.50) / 1e3);
                 row.add("p99", percentile(result.latencies, 0.99) / 1e3);
                 if (lane.host->process())
                   row.add("cpu", result.server_cpu_microseconds / executes);
               });
  }
}

void run_fanout(Context& context) {
  const Settings& settings = context.settings;
  const std::string number = std::to_string(settings.fanout_clients);
  Table& table = context.report.add_table(
      "fan-out", number + " clients on one echo kernel, until all have the idle",
      {{"p50", "p50 µs", Better::kLower},
       {"p99", "p99 µs", Better::kLower},
       {"cpu", "server CPU µs/execute/client", Better::kLower}});
  KernelsPerHost kernels(settings.echo_kernel);
  interleave(
      context, table, client_lanes(context), concurrency_rounds(context),
      [&](const Lane& lane, Row& row) {
        const auto conversations = connect_all(
            context, lane, std::vector<Kernel*>(settings.fanout_clients, &kernels.of(*lane.host)));
        FanOut fan_out(conversations, kRoundTripCode);
        const auto run_for = [&](double share) {
          const TimePoint end = Clock::now() + from_seconds(settings.round_seconds * share);
          context.loop.run_until([] { return false; }, end);
        };
        fan_out.start();
        run_for(0.15);
        fan_out.latencies().clear();
        const auto process = lane.host->process();
        const double cpu_before = process ? process->cpu_microseconds() : 0;
        run_for(1);
        fan_out.stop();
        const double cpu = process ? process->cpu_microseconds() - cpu_before : 0;
        if (!conversations.front()->wait_until([&] { return !fan_out.busy(); })) {
          throw std::runtime_error("not every client was told of an execute's end");
        }
        const std::vector<double>& latencies = fan_out.latencies();
        if (latencies.empty()) throw std::runtime_error("not one execute was completed in time");
        row.add("p50", percentile(latencies, 0.50));
        row.add("p99", percentile(latencies, 0.99));
        if (process) {
          row.add("cpu", cpu / static_cast<double>(latencies.size() * settings.fanout_clients));
        }
      });
}

void run_slow_reader(Context& context) {
  const Settings& settings = context.settings;
  constexpr std::size_t kMessageBytes = 1000;
  const std::size_t messages = settings.stall_mib * 1024 * 1024 / kMessageBytes;
  Table& table = context.report.add_table(
      "slow-reader",
      "a client stalls " + std::to_string(static_cast<int>(settings.stall_seconds)) + " s of a " +
          std::to_string(settings.stall_mib) + " MiB flood; another executes on a second kernel",
      {{"peak", "server peak RSS MiB", Better::kLower},
       {"growth", "of it growth MiB"},
       {"p50", "neighbour p50 ms", Better::kLower},
       {"p99", "neighbour p99 ms", Better::kLower},
       {"lost", "lost lines"},
       {"drain", "drained after s"}});
  KernelsPerHost kernels(settings.echo_kernel, 2);
  interleave(context, table, host_lanes(context), 1, [&](const Lane& lane, Row& row) {
    const auto& pair = kernels.all_of(*lane.host);
    Conversation slow(context, lane, *pair[0]);
    Conversation neighbour(context, lane, *pair[1]);
    slow.wait_until_ready();
    neighbour.wait_until_ready();
    const auto process = lane.host->process();
    const double rss_before = process ? process->rss_mib() : 0;
    if (process) process->reset_peak();

    std::size_t lines = 0;
    bool replied = false;
    bool idle = false;
    const std::string id = slow.client().next_message_id();
    slow.observe([&](const Message& message) {
      lines += stdout_lines(message);
      replied = replied || message.is_reply_to(id);
      idle = idle || message.is_idle_of(id);
    });
    const std::string content =
        execute_content("flood " + std::to_string(messages) + " " + std::to_string(kMessageBytes));
    slow.client().send({Channel::kShell, "execute_request", id, content, {}});
    slow.client().pause_reading(true);
    const LoadResult result = run_load(context, *lane.host, {&neighbour.client()}, kRoundTripCode,
                                       from_seconds(settings.stall_seconds), kNoBound);
    slow.client().pause_reading(false);
    const TimePoint resumed = Clock::now();
    const bool finished = slow.wait_until([&] { return replied && idle; });

    row.add("p50", percentile(result.latencies, 0.50) / 1e3);
    row.add("p99", percentile(result.latencies, 0.99) / 1e3);
    row.add("lost", static_cast<double>(messages) - static_cast<double>(lines));
    row.add("drain", seconds_between(resumed, slow.last_message()));
    if (process) {
      row.add("peak", process->peak_rss_mib());
      row.add("growth", process->peak_rss_mib() - rss_before);
    }
    if (lines < messages) row.fault("lines were lost");
    if (lines > messages) row.fault("more lines came than were printed");
    if (!finished) row.fault("the reply or the idle never came");
  });
}

}  // namespace bench
