#include "model/lifecycle_table.hpp"

#include <array>
#include <utility>

namespace perijove::lifecycle {

std::span<const Row> table() {
  using enum State;
  using enum Trigger;
  using G = Guard;
  using S = Step;
  // What stands in several states.
  static const std::vector<Step> kLaunchAnew = {S::begin_anew, S::announce_starting, S::launch};
  static const std::vector<Step> kRelaunch = {S::sweep_group, S::report_gone, S::begin_anew,
                                              S::announce_starting, S::launch};
  static const std::vector<Step> kRestartItself = {S::sweep_group, S::report_gone, S::spend_restart,
                                                   S::announce_restarting, S::launch};
  static const std::vector<Step> kDie = {S::sweep_group, S::report_gone, S::announce_dead};
  // clang-format off
  static const std::vector<Row> kRows = {
      {created,    start_requested,     G::always,            starting,   kLaunchAnew},
      {created,    restart_requested,   G::always,            starting,   kLaunchAnew},
      {created,    stop_requested,      G::always,            stopped,    {S::cleanup}},

      {starting,   launched,            G::always,            connecting, {S::connect, S::send_kernel_info}},
      {starting,   launch_failed,       G::always,            dead,       {S::announce_dead}},
      {starting,   timeout,             G::always,            dead,       {S::cancel_launch, S::announce_dead}},
      {starting,   stop_requested,      G::always,            stopping,   {S::cancel_launch}},

      {connecting, kernel_info_replied, G::iopub_was_seen,    ready,      {S::announce_idle}},
      {connecting, iopub_seen,          G::kernel_info_known, ready,      {S::announce_idle}},
      {connecting, nudge_due,           G::always,            connecting, {S::send_kernel_info}},
      {connecting, timeout,             G::always,            dead,       {S::signal_kill_group, S::report_gone, S::announce_dead}},
      {connecting, process_exited,      G::may_restart,       starting,   kRestartItself},
      {connecting, process_exited,      G::always,            dead,       kDie},
      {connecting, shutdown_replied,    G::restart_follows,   restarting, {S::await_exit}},
      {connecting, shutdown_replied,    G::always,            stopping,   {S::await_exit}},
      {connecting, restart_requested,   G::now,               restarting, {S::signal_kill_group}},
      {connecting, restart_requested,   G::always,            restarting, {S::signal_terminate}},
      {connecting, stop_requested,      G::now,               stopping,   {S::signal_kill_group}},
      {connecting, stop_requested,      G::always,            stopping,   {S::signal_terminate}},

      {ready,      process_exited,      G::may_restart,       starting,   kRestartItself},
      {ready,      process_exited,      G::always,            dead,       kDie},
      {ready,      shutdown_replied,    G::restart_follows,   restarting, {S::await_exit}},
      {ready,      shutdown_replied,    G::always,            stopping,   {S::await_exit}},
      {ready,      restart_requested,   G::now,               restarting, {S::signal_kill_group}},
      {ready,      restart_requested,   G::always,            restarting, {S::send_shutdown}},
      {ready,      stop_requested,      G::now,               stopping,   {S::signal_kill_group}},
      {ready,      stop_requested,      G::always,            stopping,   {S::send_shutdown}},

      {restarting, process_exited,      G::always,            starting,   kRelaunch},
      {restarting, timeout,             G::asked,             restarting, {S::signal_terminate}},
      {restarting, timeout,             G::terminated,        restarting, {S::signal_kill_group}},
      {restarting, timeout,             G::always,            dead,       {S::report_gone, S::announce_dead}},
      {restarting, restart_requested,   G::now,               restarting, {S::signal_kill_group}},
      {restarting, stop_requested,      G::now,               stopping,   {S::signal_kill_group}},
      {restarting, stop_requested,      G::always,            stopping,   {}},

      {stopping,   process_exited,      G::always,            stopped,    {S::sweep_group, S::report_gone, S::announce_dead, S::cleanup}},
      {stopping,   launched,            G::always,            stopping,   {S::signal_kill_group}},
      {stopping,   launch_failed,       G::always,            stopped,    {S::announce_dead, S::cleanup}},
      {stopping,   timeout,             G::asked,             stopping,   {S::signal_terminate}},
      {stopping,   timeout,             G::terminated,        stopping,   {S::signal_kill_group}},
      {stopping,   timeout,             G::always,            stopped,    {S::give_up_on_exit, S::report_gone, S::announce_dead, S::cleanup}},
      {stopping,   stop_requested,      G::now,               stopping,   {S::signal_kill_group}},

      {dead,       start_requested,     G::launch_pending,    dead,       {S::refuse}},
      {dead,       start_requested,     G::process_running,   restarting, {S::signal_kill_group}},
      {dead,       start_requested,     G::always,            starting,   kLaunchAnew},
      {dead,       restart_requested,   G::launch_pending,    dead,       {S::refuse}},
      {dead,       restart_requested,   G::process_running,   restarting, {S::signal_kill_group}},
      {dead,       restart_requested,   G::always,            starting,   kLaunchAnew},
      {dead,       stop_requested,      G::launch_pending,    stopping,   {S::cancel_launch}},
      {dead,       stop_requested,      G::process_running,   stopping,   {S::signal_kill_group}},
      {dead,       stop_requested,      G::always,            stopped,    {S::cleanup}},
      // A launch that comes back, or an end that is reported, after its clock ran out.
      {dead,       launched,            G::always,            dead,       {S::sweep_group}},
      {dead,       process_exited,      G::always,            dead,       {S::sweep_group}},

      {stopped,    launched,            G::always,            stopped,    {S::sweep_group}},
      {stopped,    process_exited,      G::always,            stopped,    {S::sweep_group, S::cleanup}},
  };
  // clang-format on
  return kRows;
}

std::string_view to_string(State state) {
  constexpr std::array<std::string_view, 8> kNames = {
      "created", "starting", "connecting", "ready", "restarting", "stopping", "dead", "stopped"};
  return kNames[static_cast<std::size_t>(state)];
}

std::string_view to_string(Trigger trigger) {
  constexpr std::array<std::string_view, 11> kNames = {
      "start_requested", "restart_requested",   "stop_requested", "launched",
      "launch_failed",   "kernel_info_replied", "iopub_seen",     "shutdown_replied",
      "process_exited",  "nudge_due",           "timeout"};
  return kNames[static_cast<std::size_t>(trigger)];
}

std::string_view to_string(Guard guard) {
  constexpr std::array<std::string_view, 10> kNames = {
      "always",          "now",         "iopub_was_seen",  "kernel_info_known",
      "restart_follows", "may_restart", "process_running", "launch_pending",
      "asked",           "terminated"};
  return kNames[static_cast<std::size_t>(guard)];
}

std::string_view to_string(Step step) {
  constexpr std::array<std::string_view, 19> kNames = {"launch",
                                                       "cancel_launch",
                                                       "connect",
                                                       "send_kernel_info",
                                                       "send_shutdown",
                                                       "await_exit",
                                                       "signal_terminate",
                                                       "signal_kill_group",
                                                       "sweep_group",
                                                       "report_gone",
                                                       "give_up_on_exit",
                                                       "refuse",
                                                       "spend_restart",
                                                       "begin_anew",
                                                       "announce_starting",
                                                       "announce_restarting",
                                                       "announce_idle",
                                                       "announce_dead",
                                                       "cleanup"};
  return kNames[static_cast<std::size_t>(step)];
}

std::string lifecycle_diagram() {
  std::string text = "stateDiagram-v2\n    [*] --> created\n";
  std::vector<std::pair<State, State>> drawn;
  for (const Row& row : table()) {
    if (row.from == row.to) continue;
    bool repeated = false;
    for (const auto& edge : drawn) repeated |= edge == std::pair{row.from, row.to};
    if (repeated) continue;
    drawn.emplace_back(row.from, row.to);

    // One arrow for each pair of states, labelled with every trigger that takes it.
    std::vector<Trigger> triggers;
    for (const Row& other : table()) {
      if (other.from != row.from || other.to != row.to) continue;
      if (triggers.empty() || triggers.back() != other.trigger) triggers.push_back(other.trigger);
    }
    text.append("    ").append(to_string(row.from)).append(" --> ").append(to_string(row.to));
    const char* separator = ": ";
    for (const Trigger trigger : triggers) {
      text.append(separator).append(to_string(trigger));
      separator = ", ";
    }
    text += '\n';
  }
  return text + "    stopped --> [*]\n";
}

std::string lifecycle_rows() {
  std::string text = "| state | event | if | next state | steps |\n|---|---|---|---|---|\n";
  for (const Row& row : table()) {
    text.append("| ").append(to_string(row.from));
    text.append(" | ").append(to_string(row.trigger));
    text.append(" | ");
    if (row.guard != Guard::always) text.append(to_string(row.guard)).append(" ");
    text.append("| ");
    if (row.to != row.from) text.append(to_string(row.to)).append(" ");
    text.append("| ");
    const char* separator = "";
    for (const Step step : row.steps) {
      text.append(separator).append(to_string(step));
      separator = ", ";
    }
    text += row.steps.empty() ? "|\n" : " |\n";
  }
  return text;
}

}  // namespace perijove::lifecycle
