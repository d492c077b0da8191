#include <algorithm>
#include <iterator>
#include <set>
#include <stdexcept>
#include <system_error>

#include "load.hpp"

namespace bench {

namespace {

constexpr std::size_t kKernelsAtATime = 10;
constexpr std::size_t kConnectionsAtATime = 25;
constexpr auto kConnectPatience = seconds(15);

void record(Context& context, const Lane& lane, Row& row, double rss_before, std::size_t reached,
            double bring_up_seconds) {
  const auto process = lane.host->process();
  // Not measured as idle: what a start or a connection still brings in its train.
  context.loop.run_until([] { return false; }, Clock::now() + seconds(1));
  const double cpu_before = process->cpu_microseconds();
  const TimePoint begin = Clock::now();
  context.loop.run_until([] { return false; }, begin + from_seconds(context.settings.idle_seconds));
  const double busy = process->cpu_microseconds() - cpu_before;
  row.add("cpu", 100 * busy / microseconds_between(begin, Clock::now()));
  const double rss = process->rss_mib();
  row.add("rss", rss);
  row.add("pss", process->pss_mib());
  row.add("fds", static_cast<double>(process->open_descriptors()));
  row.add("reached", static_cast<double>(reached));
  row.add("bring_up", bring_up_seconds);
  if (reached > 0) row.add("each", 1024 * (rss - rss_before) / static_cast<double>(reached));
}

/// Whether there are as many as were wanted; otherwise says why not.
bool note_shortfall(Row& row, std::size_t reached, std::size_t wanted, const std::string& reason) {
  if (reached >= wanted) return true;
  row.fault("stopped at " + std::to_string(reached) + " of " + std::to_string(wanted) + ": " +
            reason);
  return false;
}

/// Whether all of them came up.
bool measure_kernels(Context& context, const Lane& lane, Row& row, std::size_t count) {
  const double rss_before = lane.host->process()->rss_mib();
  const TimePoint begin = Clock::now();
  const TimePoint bring_up_end = begin + from_seconds(context.settings.bring_up_seconds);
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::string reason = "time limit";
  try {
    while (kernels.size() < count && Clock::now() < bring_up_end) {
      auto batch = start_kernels(*lane.host, context.settings.echo_kernel,
                                 std::min(kKernelsAtATime, count - kernels.size()));
      std::move(batch.begin(), batch.end(), std::back_inserter(kernels));
    }
    // The last one answers: so do, in all likelihood, those before it.
    if (!kernels.empty()) Conversation(context, lane, *kernels.back()).wait_until_ready();
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& error) {
    reason = error.what();
  }
  const double bring_up = seconds_between(begin, Clock::now());
  const bool all_came = note_shortfall(row, kernels.size(), count, reason);
  record(context, lane, row, rss_before, kernels.size(), bring_up);
  shut_down_kernels(kernels);
  return all_came;
}

/// Adds websockets on one kernel; says why when not all of them came about.
std::string connect_batch(Context& context, const Lane& lane, Kernel& kernel, std::size_t count,
                          std::vector<std::unique_ptr<Client>>& clients) {
  const auto first = static_cast<std::ptrdiff_t>(clients.size());
  try {
    for (std::size_t i = 0; i < count; ++i) clients.push_back(lane.connect(context, kernel));
  } catch (const std::system_error& error) {
    return error.what();
  }
  const auto all_settled = [&] {
    return std::all_of(clients.begin() + first, clients.end(), [](const auto& client) {
      return client->is_open() || !client->close_reason().empty();
    });
  };
  if (!context.loop.run_until(all_settled, Clock::now() + kConnectPatience)) {
    return "connections are no longer answered";
  }
  const auto closed = std::find_if(clients.begin(), clients.end(), [](const auto& client) {
    return !client->close_reason().empty();
  });
  return closed == clients.end() ? "" : (*closed)->close_reason();
}

/// Whether all of them were taken.
bool measure_websockets(Context& context, const Lane& lane, Row& row, std::size_t count) {
  const auto kernel = lane.host->start_kernel(context.settings.echo_kernel);
  Conversation(context, lane, *kernel).wait_until_ready();
  const double rss_before = lane.host->process()->rss_mib();
  const TimePoint begin = Clock::now();
  const TimePoint bring_up_end = begin + from_seconds(context.settings.bring_up_seconds);
  std::vector<std::unique_ptr<Client>> clients;
  std::size_t open = 0;
  std::string reason = "time limit";
  while (open < count && Clock::now() < bring_up_end) {
    const std::string failure =
        connect_batch(context, lane, *kernel, std::min(kConnectionsAtATime, count - open), clients);
    open = static_cast<std::size_t>(std::count_if(
        clients.begin(), clients.end(), [](const auto& client) { return client->is_open(); }));
    if (!failure.empty()) {
      reason = failure;
      break;
    }
  }
  const double bring_up = seconds_between(begin, Clock::now());
  const bool all_came = note_shortfall(row, open, count, reason);
  record(context, lane, row, rss_before, open, bring_up);
  return all_came;
}

}  // namespace

void run_idle(Context& context) {
  Table& table = context.report.add_table("idle", "an idle server",
                                          {{"reached", "reached"},
                                           {"rss", "RSS MiB", Better::kLower},
                                           {"pss", "PSS MiB", Better::kLower},
                                           {"each", "RSS KiB each", Better::kLower},
                                           {"cpu", "CPU %"},
                                           {"fds", "descriptors"},
                                           {"bring_up", "brought up in s", Better::kLower}});
  // More of what a server had not enough of is not asked of it.
  std::set<Host*> exhausted;
  const auto measure = [&](const std::string& variant, auto step) {
    std::vector<Lane> lanes = server_lanes(context);
    std::erase_if(lanes, [&](const Lane& lane) { return exhausted.contains(lane.host); });
    for (Lane& lane : lanes) lane.variant = variant;
    interleave(context, table, lanes, 1, [&](const Lane& lane, Row& row) {
      if (!lane.host->process()) {
        throw std::runtime_error("the server's process is not known; give pid=N");
      }
      if (!step(lane, row)) exhausted.insert(lane.host);
    });
  };
  for (const std::size_t count : context.settings.idle_kernels) {
    measure(std::to_string(count) + " kernels",
            [&](const Lane& lane, Row& row) { return measure_kernels(context, lane, row, count); });
  }
  exhausted.clear();
  for (const std::size_t count : context.settings.idle_websockets) {
    measure(std::to_string(count) + " websockets", [&](const Lane& lane, Row& row) {
      return measure_websockets(context, lane, row, count);
    });
  }
}

}  // namespace bench
