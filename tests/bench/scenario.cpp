#include "scenario.hpp"

#include <unistd.h>

#include <cstdio>
#include <map>
#include <set>
#include <stdexcept>

namespace bench {

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = {
      {"round-trip", "execute sent -> reply and idle received, echo kernel", run_round_trip_echo},
      {"round-trip-ipykernel", "the same with ipykernel", run_round_trip_ipykernel},
      {"flood", "many small stream messages: rate, loss, CPU a message", run_flood},
      {"prints", "flushed prints of ipykernel: lines lost, idle seen", run_prints},
      {"output", "one large output: MB/s and the server's peak memory", run_output},
      {"upload", "binary buffers to the kernel and back: MB/s, peak memory", run_upload},
      {"kernels", "many kernels at once, one client each: executes/s", run_kernels},
      {"fan-out", "many clients on one kernel, all told of every execute", run_fanout},
      {"slow-reader", "a client stalls during a flood: memory, its neighbour, loss",
       run_slow_reader},
      {"start", "POST -> first kernel_info_reply, cold", run_start},
      {"restart", "restart asked -> executed again", run_restart},
      {"interrupt", "interrupt asked -> idle", run_interrupt},
      {"death", "kernel dies by itself -> client told", run_death},
      {"rest", "GET /api and GET /api/kernels a second", run_rest},
      {"python-kernels", "first result, memory and round trip of many Python kernels",
       run_python_kernels},
      {"branch", "copy of a live session asked -> its first result", run_branch},
      {"idle", "memory, CPU and descriptors with idle kernels and websockets", run_idle},
  };
  return all;
}

std::vector<Lane> client_lanes(const Context& context) {
  std::vector<Lane> lanes;
  for (Host* host : context.hosts) {
    if (host->server() == nullptr) {
      lanes.push_back({host, {}, {}, ""});
      continue;
    }
    for (const Framing framing : context.settings.framings) {
      for (const Ack ack : context.settings.acks) {
        std::string variant(to_string(framing));
        lanes.push_back({host, framing, ack, variant.append(" ").append(to_string(ack))});
      }
    }
  }
  return lanes;
}

std::vector<Lane> host_lanes(const Context& context) {
  std::vector<Lane> lanes;
  for (Host* host : context.hosts) {
    lanes.push_back({host, context.settings.framings.back(), context.settings.acks.front(), ""});
  }
  return lanes;
}

std::vector<Lane> server_lanes(const Context& context) {
  std::vector<Lane> lanes = host_lanes(context);
  std::erase_if(lanes, [](const Lane& lane) { return lane.host->server() == nullptr; });
  return lanes;
}

namespace {

/// No lane is left out for its slowness before it has taken part in `rounds_at_least`.
void run_rounds(Context& context, Table& table, const std::vector<Lane>& lanes, std::size_t rounds,
                std::size_t rounds_at_least, const Measure& measure) {
  std::set<const Lane*> ended;
  std::map<const Lane*, double> seconds_taken;
  for (std::size_t round = 0; round < rounds; ++round) {
    for (const Lane& lane : lanes) {
      if (ended.contains(&lane)) continue;
      Row& row = table.row(lane.host->name(), lane.variant);
      context.show_progress(table, row, round, rounds);
      const TimePoint begin = Clock::now();
      try {
        measure(lane, row);
      } catch (const Interrupted&) {
        throw;
      } catch (const std::exception& error) {
        row.fault(error.what());
        ended.insert(&lane);
      }
      const double limit = context.settings.lane_seconds;
      seconds_taken[&lane] += seconds_between(begin, Clock::now());
      const bool slow = limit > 0 && seconds_taken[&lane] >= limit;
      if (slow && round + 1 >= rounds_at_least) ended.insert(&lane);
    }
  }
}

}  // namespace

void interleave(Context& context, Table& table, const std::vector<Lane>& lanes, std::size_t rounds,
                const Measure& measure) {
  run_rounds(context, table, lanes, rounds, 1, measure);
}

void interleave_warm(Context& context, Table& table, const std::vector<Lane>& lanes,
                     std::size_t rounds, const Measure& measure) {
  std::set<const Row*> warm;
  run_rounds(context, table, lanes, rounds + 1, 2, [&](const Lane& lane, Row& row) {
    measure(lane, row);
    if (warm.insert(&row).second) row.rounds_by_column.clear();
  });
}

void Context::show_progress(const Table& table, const Row& row, std::size_t round,
                            std::size_t rounds) const {
  if (isatty(STDERR_FILENO) == 0) return;
  constexpr const char* kClearLine = "\r\x1b[K";
  std::fprintf(stderr, "%s%s: round %zu of %zu, %s %s", kClearLine, table.name().c_str(), round + 1,
               rounds, row.target.c_str(), row.variant.c_str());
  if (round + 1 == rounds && &row == &table.rows().back()) std::fputs(kClearLine, stderr);
}

KernelsPerHost::~KernelsPerHost() {
  for (auto& [host, kernels] : kernels_) shut_down_kernels(kernels);
}

std::vector<std::unique_ptr<Kernel>>& KernelsPerHost::all_of(Host& host) {
  auto& kernels = kernels_[&host];
  if (kernels.empty()) kernels = start_kernels(host, kernelspec_, count_);
  return kernels;
}

}  // namespace bench
