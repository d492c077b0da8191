#include "load.hpp"
#include "statistics.hpp"

namespace bench {

namespace {

constexpr std::size_t kRoundTripsPerRound = 3000;

/// Adds to every row what each of its rounds took beyond the first direct target in the same round.
void add_difference_to_direct(const Context& context, Table& table) {
  for (const Host* host : context.hosts) {
    if (host->server() != nullptr) continue;
    const std::vector<double> direct = table.row(host->name(), "").rounds_by_column["p50"];
    for (const Lane& lane : client_lanes(context)) {
      Row& row = table.row(lane.host->name(), lane.variant);
      const std::vector<double> rounds = row.rounds_by_column["p50"];
      for (std::size_t i = 0; i < std::min(direct.size(), rounds.size()); ++i) {
        row.add("added", rounds[i] - direct[i]);
      }
    }
    return;
  }
}

void run_round_trip(Context& context, Table& table, const std::string& kernelspec,
                    std::string_view code) {
  const std::vector<Lane> lanes = client_lanes(context);
  KernelsPerHost kernels(kernelspec);
  interleave(context, table, lanes, context.settings.rounds, [&](const Lane& lane, Row& row) {
    Conversation conversation(context, lane, kernels.of(*lane.host));
    conversation.wait_until_ready();
    const LoadResult result =
        run_load(context, *lane.host, {&conversation.client()}, code,
                 from_seconds(context.settings.round_seconds), kRoundTripsPerRound);
    row.add("p50", percentile(result.latencies, 0.50));
    row.add("p95", percentile(result.latencies, 0.95));
    row.add("p99", percentile(result.latencies, 0.99));
    if (lane.host->process()) {
      row.add("cpu", result.server_cpu_microseconds / static_cast<double>(result.latencies.size()));
    }
  });
  add_difference_to_direct(context, table);
}

std::vector<Column> columns() {
  return {{"p50", "p50 µs", Better::kLower},
          {"p95", "p95 µs"},
          {"p99", "p99 µs"},
          {"added", "added to direct p50 µs"},
          {"cpu", "server CPU µs/execute", Better::kLower}};
}

}  // namespace

void run_round_trip_echo(Context& context) {
  Table& table =
      context.report.add_table("round-trip", "execute -> reply and idle, echo kernel", columns());
  run_round_trip(context, table, context.settings.echo_kernel, kRoundTripCode);
}

void run_round_trip_ipykernel(Context& context) {
  Table& table = context.report.add_table("round-trip-ipykernel",
                                          "execute -> reply and idle, ipykernel", columns());
  run_round_trip(context, table, context.settings.ipykernel, kRoundTripCode);
}

}  // namespace bench
