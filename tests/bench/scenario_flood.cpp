#include <algorithm>

#include "load.hpp"

namespace bench {

namespace {

/// Executes `code`, which prints `expected` lines, and records rate, loss and CPU.
void measure_lines(Context& context, const Lane& lane, Row& row, Kernel& kernel,
                   const std::string& code, std::size_t expected) {
  Conversation conversation(context, lane, kernel);
  conversation.wait_until_ready();

  std::size_t lines = 0;
  std::size_t messages = 0;
  TimePoint last_line = Clock::now();
  conversation.observe([&](const Message& message) {
    if (message.type != "stream") return;
    ++messages;
    lines += stdout_lines(message);
    last_line = conversation.last_message();
  });
  const auto process = lane.host->process();
  const double cpu_before = process ? process->cpu_microseconds() : 0;
  const Outcome outcome = conversation.execute(code);
  const double cpu = process ? process->cpu_microseconds() - cpu_before : 0;

  const TimePoint end = outcome.complete() ? outcome.finished() : last_line;
  const auto delivered = static_cast<double>(std::min(lines, expected));
  row.add("rate", delivered / seconds_between(outcome.sent, end));
  row.add("lost", static_cast<double>(expected) - delivered);
  row.add("messages", static_cast<double>(messages));
  if (process) row.add("cpu", cpu / static_cast<double>(expected));
  if (lines < expected) row.fault("lines were lost");
  if (lines > expected) row.fault("more lines came than were printed");
  if (!outcome.complete()) row.fault(outcome.what_is_missing());
}

std::vector<Column> columns() {
  return {{"rate", "lines/s", Better::kHigher},
          {"lost", "lost"},
          {"messages", "messages"},
          {"cpu", "server CPU µs/line", Better::kLower}};
}

std::size_t flood_rounds(const Context& context) {
  return std::min<std::size_t>(context.settings.rounds, 3);
}

}  // namespace

void run_flood(Context& context) {
  const Settings& settings = context.settings;
  const std::string count = std::to_string(settings.flood_messages);
  const std::string bytes = std::to_string(settings.flood_bytes);
  Table& table = context.report.add_table(
      "flood", count + " stream messages of " + bytes + " bytes, echo kernel", columns());
  const std::string code = "flood " + count + " " + bytes;
  KernelsPerHost kernels(settings.echo_kernel);
  interleave(context, table, client_lanes(context), flood_rounds(context),
             [&](const Lane& lane, Row& row) {
               measure_lines(context, lane, row, kernels.of(*lane.host), code,
                             settings.flood_messages);
             });
}

void run_prints(Context& context) {
  const Settings& settings = context.settings;
  const std::string count = std::to_string(settings.printed_lines);
  Table& table =
      context.report.add_table("prints", count + " flushed prints, ipykernel", columns());
  const std::string code = "for i in range(" + count + "): print(f'{i:079d}', flush=True)";
  KernelsPerHost kernels(settings.ipykernel);
  interleave(context, table, client_lanes(context), flood_rounds(context),
             [&](const Lane& lane, Row& row) {
               measure_lines(context, lane, row, kernels.of(*lane.host), code,
                             settings.printed_lines);
             });
}

}  // namespace bench
