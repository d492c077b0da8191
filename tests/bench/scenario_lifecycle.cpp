#include <future>
#include <stdexcept>

#include "load.hpp"

namespace bench {

namespace {

constexpr std::string_view kEcho = "echo";
constexpr std::string_view kIpykernel = "ipykernel";

/// Every host with the echo kernel and, if the settings ask for it, with ipykernel.
std::vector<Lane> lifecycle_lanes(const Context& context) {
  std::vector<Lane> lanes;
  for (const std::string_view kernel : {kEcho, kIpykernel}) {
    if (kernel == kIpykernel && !context.settings.lifecycle_of_ipykernel) continue;
    for (Lane lane : host_lanes(context)) {
      lane.variant = kernel;
      lanes.push_back(std::move(lane));
    }
  }
  return lanes;
}

const std::string& kernelspec_of(const Context& context, const Lane& lane) {
  return lane.variant == kEcho ? context.settings.echo_kernel : context.settings.ipykernel;
}

/// Lets a server's own connections to a new kernel come about. libzmq tries again 100 ms after it
/// found nobody listening: an interrupt or a DELETE right after a start would measure that.
void settle(Context& context) {
  context.loop.run_until([] { return false; }, Clock::now() + milliseconds(250));
}

void measure_start(Context& context, const Lane& lane, Row& row) {
  const TimePoint asked = Clock::now();
  const std::unique_ptr<Kernel> kernel = lane.host->start_kernel(kernelspec_of(context, lane));
  const TimePoint posted = Clock::now();
  {
    Conversation conversation(context, lane, *kernel);
    bool replied = false;
    conversation.observe(
        [&](const Message& message) { replied = replied || message.type == "kernel_info_reply"; });
    Client& client = conversation.client();
    const std::string id = client.next_message_id();
    client.send({Channel::kShell, "kernel_info_request", id, "{}", {}});
    if (!conversation.wait_until([&] { return replied; })) {
      throw std::runtime_error("no kernel_info_reply came after the start");
    }
    row.add("ready", milliseconds_between(asked, Clock::now()));
  }
  row.add("post", milliseconds_between(asked, posted));
  settle(context);
  const TimePoint delete_asked = Clock::now();
  kernel->shut_down();
  row.add("delete", milliseconds_between(delete_asked, Clock::now()));
}

void measure_restart(Context& context, const Lane& lane, Row& row) {
  const std::unique_ptr<Kernel> kernel = lane.host->start_kernel(kernelspec_of(context, lane));
  Conversation conversation(context, lane, *kernel);
  conversation.wait_until_ready();
  settle(context);
  Client& client = conversation.client();
  bool replied = false;
  conversation.observe(
      [&](const Message& message) { replied = replied || message.type == "execute_reply"; });
  const std::string content = execute_content(kRoundTripCode);
  const TimePoint asked = Clock::now();
  kernel->restart();
  const TimePoint deadline = asked + from_seconds(context.settings.patience_seconds);
  bool asked_again = false;
  while (!replied && Clock::now() < deadline) {
    const std::string id = client.next_message_id();
    client.send({Channel::kShell, "execute_request", id, content, {}});
    if (!conversation.wait_until([&] { return replied; }, seconds(5))) asked_again = true;
  }
  if (!replied) throw std::runtime_error("nothing is executed after a restart");
  if (asked_again) row.fault("an execute sent after the restart was never answered");
  row.add("restart", milliseconds_between(asked, Clock::now()));
}

void measure_interrupt(Context& context, const Lane& lane, Row& row) {
  const std::unique_ptr<Kernel> kernel = lane.host->start_kernel(kernelspec_of(context, lane));
  Conversation conversation(context, lane, *kernel);
  conversation.wait_until_ready();
  Client& client = conversation.client();
  const std::string id = client.next_message_id();
  bool running = false;
  TimePoint idle{};
  const std::string_view running_sign = lane.variant == kEcho ? "execute_input" : "stream";
  conversation.observe([&](const Message& message) {
    running = running || message.type == running_sign;
    if (message.is_idle_of(id)) idle = conversation.last_message();
  });
  const std::string content = execute_content(
      lane.variant == kEcho ? "sleep 60"
                            : "import time; print('asleep', flush=True); time.sleep(60)");
  client.send({Channel::kShell, "execute_request", id, content, {}});
  if (!conversation.wait_until([&] { return running; })) {
    throw std::runtime_error("the code to interrupt never started");
  }
  settle(context);
  // The loop goes on while the request is under way: the idle may come before its answer.
  const TimePoint asked = Clock::now();
  auto interrupted = std::async(std::launch::async, [&] { kernel->interrupt(); });
  const bool came = conversation.wait_until([&] { return idle != TimePoint{}; });
  interrupted.get();
  if (!came) throw std::runtime_error("no idle came after the interrupt");
  row.add("interrupt", milliseconds_between(asked, idle));
}

void measure_death(Context& context, const Lane& lane, Row& row) {
  const std::unique_ptr<Kernel> kernel = lane.host->start_kernel(kernelspec_of(context, lane));
  Conversation conversation(context, lane, *kernel);
  conversation.wait_until_ready();
  Client& client = conversation.client();
  bool told = false;
  bool comes_back = false;
  conversation.observe([&](const Message& message) {
    const auto state = message.execution_state();
    told = told || state == "dead" || state == "restarting";
    comes_back = comes_back || state == "restarting";
  });
  const std::string id = client.next_message_id();
  const std::string content =
      execute_content(lane.variant == kEcho ? "die 7" : "import os; os._exit(7)");
  const TimePoint sent = Clock::now();
  client.send({Channel::kShell, "execute_request", id, content, {}});
  if (!conversation.wait_until([&] { return told; })) {
    throw std::runtime_error("the client was never told of the kernel's death");
  }
  row.add("told", milliseconds_between(sent, Clock::now()));
  // A DELETE in the middle of jupyter_server's automatic restart leaves the new process behind.
  if (comes_back) conversation.wait_until_ready();
}

using LifecycleStep = void (*)(Context&, const Lane&, Row&);

void run(Context& context, Table& table, const std::vector<Lane>& lanes, std::size_t repeats,
         LifecycleStep measure) {
  interleave(context, table, lanes, repeats,
             [&](const Lane& lane, Row& row) { measure(context, lane, row); });
}

}  // namespace

void run_start(Context& context) {
  Table& table =
      context.report.add_table("start", "cold start of a kernel",
                               {{"ready", "POST -> kernel_info_reply ms", Better::kLower},
                                {"post", "POST alone ms", Better::kLower},
                                {"delete", "DELETE ms", Better::kLower}});
  run(context, table, lifecycle_lanes(context), context.settings.lifecycle_repeats, measure_start);
}

void run_restart(Context& context) {
  Table& table = context.report.add_table("restart", "restart of a kernel",
                                          {{"restart", "asked -> executed ms", Better::kLower}});
  run(context, table, lifecycle_lanes(context), context.settings.lifecycle_repeats,
      measure_restart);
}

void run_interrupt(Context& context) {
  Table& table = context.report.add_table("interrupt", "interrupt of running code",
                                          {{"interrupt", "asked -> idle ms", Better::kLower}});
  run(context, table, lifecycle_lanes(context), context.settings.lifecycle_repeats,
      measure_interrupt);
}

void run_death(Context& context) {
  Table& table =
      context.report.add_table("death", "a kernel exits while executing",
                               {{"told", "execute sent -> client told ms", Better::kLower}});
  std::vector<Lane> lanes = lifecycle_lanes(context);
  // Without a server nobody is there to tell.
  std::erase_if(lanes, [](const Lane& lane) { return lane.host->server() == nullptr; });
  // Fewer: a server that polls its kernels takes seconds to notice.
  run(context, table, lanes, (context.settings.lifecycle_repeats + 2) / 3, measure_death);
}

}  // namespace bench
