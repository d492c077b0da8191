#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host.hpp"
#include "report.hpp"
#include "settings.hpp"

namespace bench {

/// What a scenario works with.
struct Context {
  const Settings& settings;
  Report& report;
  Loop& loop;
  std::vector<Host*> hosts;  ///< in the order of the command line

  /// Tells a person who waits what is going on, on standard error when that is a terminal.
  void show_progress(const Table& table, const Row& row, std::size_t round,
                     std::size_t rounds) const;
};

struct Scenario {
  std::string_view name;
  std::string_view summary;
  void (*run)(Context&);
};

/// Every scenario, in the order in which they run.
const std::vector<Scenario>& scenarios();

/// One row of a table: a target and the way it is used.
struct Lane {
  Host* host;
  Framing framing = Framing::kJson;
  Ack ack = Ack::kOrdinary;
  std::string variant;

  std::unique_ptr<Client> connect(Context& context, Kernel& kernel) const {
    return kernel.connect(context.loop, framing, ack);
  }
};

/// Direct hosts once, servers once per framing and acknowledgement of the settings.
std::vector<Lane> client_lanes(const Context& context);
/// Every host once, with the last framing and the first acknowledgement of the settings: for what
/// hardly depends on either.
std::vector<Lane> host_lanes(const Context& context);
/// host_lanes without the direct hosts.
std::vector<Lane> server_lanes(const Context& context);

/// Runs `measure(lane, row)` for every lane in turn, again and again (A B C A B C ...), so that
/// whatever else the machine does falls on all of them alike. A lane that throws has its reason
/// recorded as a fault and is left out from then on; one that has used up Settings::lane_seconds is
/// left out, too.
using Measure = std::function<void(const Lane&, Row&)>;
void interleave(Context& context, Table& table, const std::vector<Lane>& lanes, std::size_t rounds,
                const Measure& measure);

/// The same after one round whose figures (not faults) are thrown away: for what has no warm-up in
/// itself.
void interleave_warm(Context& context, Table& table, const std::vector<Lane>& lanes,
                     std::size_t rounds, const Measure& measure);

/// The same number of kernels on every host, started when first asked for, ended with this object.
class KernelsPerHost {
 public:
  explicit KernelsPerHost(std::string kernelspec, std::size_t count = 1)
      : kernelspec_(std::move(kernelspec)), count_(count) {}
  ~KernelsPerHost();

  /// Throws std::runtime_error when the host cannot start them.
  std::vector<std::unique_ptr<Kernel>>& all_of(Host& host);
  Kernel& of(Host& host) { return *all_of(host).front(); }

 private:
  std::string kernelspec_;
  std::size_t count_;
  std::map<Host*, std::vector<std::unique_ptr<Kernel>>> kernels_;
};

// The scenarios, one file a subject.
void run_round_trip_echo(Context& context);
void run_round_trip_ipykernel(Context& context);
void run_flood(Context& context);
void run_prints(Context& context);
void run_output(Context& context);
void run_upload(Context& context);
void run_kernels(Context& context);
void run_fanout(Context& context);
void run_slow_reader(Context& context);
void run_start(Context& context);
void run_restart(Context& context);
void run_interrupt(Context& context);
void run_death(Context& context);
void run_rest(Context& context);
void run_python_kernels(Context& context);
void run_branch(Context& context);
void run_idle(Context& context);

}  // namespace bench
