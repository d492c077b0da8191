#include <algorithm>
#include <stdexcept>

#include "load.hpp"

namespace bench {

namespace {

constexpr std::size_t kMiB = 1024 * 1024;

double mib_per_second(std::size_t bytes, TimePoint from, TimePoint to) {
  return static_cast<double>(bytes) / static_cast<double>(kMiB) / seconds_between(from, to);
}

std::size_t bulk_rounds(const Context& context) {
  return std::min<std::size_t>(context.settings.rounds, 3);
}

/// The server's memory while something large passes through it.
class PeakMemory {
 public:
  explicit PeakMemory(const Host& host) : process_(host.process()) {
    // A peak that counts from the server's start would say nothing about this payload.
    if (process_ && !process_->reset_peak()) process_.reset();
  }
  void record(Row& row) const {
    if (process_) row.add("peak", process_->peak_rss_mib());
  }

 private:
  std::optional<ProcessStats> process_;
};

/// Sends one buffer in a comm message and has it sent back. The kernel's busy tells when it had all
/// of it.
void measure_upload(Context& context, const Lane& lane, Row& row, Kernel& kernel,
                    const std::string& buffer) {
  Conversation conversation(context, lane, kernel);
  conversation.wait_until_ready();
  Client& client = conversation.client();
  const std::string comm = client.session_id();
  conversation.ask("comm_open",
                   "{\"comm_id\":\"" + comm + "\",\"target_name\":\"echo\",\"data\":{}}");

  TimePoint arrived{};
  TimePoint returned{};
  bool altered = false;
  const std::string id = client.next_message_id();
  conversation.observe([&](const Message& message) {
    if (message.parent_id != id) return;
    if (message.execution_state() == "busy") arrived = conversation.last_message();
    if (message.type != "comm_msg") return;
    returned = conversation.last_message();
    altered = message.buffers.size() != 1 || message.buffers.front() != buffer;
  });
  const PeakMemory memory(*lane.host);
  const TimePoint sent = Clock::now();
  const std::string content = "{\"comm_id\":\"" + comm + "\",\"data\":{}}";
  client.send({Channel::kShell, "comm_msg", id, content, {buffer}});
  if (!conversation.wait_until([&] { return returned != TimePoint{}; })) {
    throw std::runtime_error("the buffer never came back");
  }
  if (altered) row.fault("the buffer came back altered");
  if (arrived != TimePoint{}) row.add("up", mib_per_second(buffer.size(), sent, arrived));
  row.add("both", mib_per_second(2 * buffer.size(), sent, returned));
  memory.record(row);
}

}  // namespace

void run_output(Context& context) {
  const std::size_t bytes = context.settings.output_mib * kMiB;
  const std::string size = std::to_string(context.settings.output_mib);
  Table& table = context.report.add_table(
      "output", size + " MiB image/png output, echo kernel",
      {{"rate", "MiB/s", Better::kHigher}, {"peak", "server peak RSS MiB", Better::kLower}});
  const std::string code = "big " + std::to_string(bytes) + " image/png";
  KernelsPerHost kernels(context.settings.echo_kernel);
  interleave_warm(
      context, table, client_lanes(context), bulk_rounds(context), [&](const Lane& lane, Row& row) {
        Conversation conversation(context, lane, kernels.of(*lane.host));
        conversation.wait_until_ready();
        std::size_t largest = 0;
        conversation.observe(
            [&](const Message& message) { largest = std::max(largest, message.content.size()); });
        const PeakMemory memory(*lane.host);
        const Outcome outcome = conversation.execute(code);
        if (!outcome.complete()) throw std::runtime_error(outcome.what_is_missing());
        if (largest < bytes) row.fault("the output was cut or never came");
        row.add("rate", mib_per_second(bytes, outcome.sent, outcome.finished()));
        memory.record(row);
      });
}

void run_upload(Context& context) {
  KernelsPerHost kernels(context.settings.echo_kernel);
  for (const std::size_t mib : context.settings.upload_mib) {
    const std::string size = std::to_string(mib);
    Table& table = context.report.add_table("upload-" + size,
                                            size + " MiB binary buffer to the echo kernel and back",
                                            {{"up", "to the kernel MiB/s", Better::kHigher},
                                             {"both", "there and back MiB/s", Better::kHigher},
                                             {"peak", "server peak RSS MiB", Better::kLower}});
    std::string buffer(mib * kMiB, '\0');
    for (std::size_t i = 0; i < buffer.size(); ++i) buffer[i] = static_cast<char>(i * 7 >> 3);
    interleave_warm(context, table, client_lanes(context), bulk_rounds(context),
                    [&](const Lane& lane, Row& row) {
                      measure_upload(context, lane, row, kernels.of(*lane.host), buffer);
                    });
  }
}

}  // namespace bench
