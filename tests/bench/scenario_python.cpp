#include <fstream>
#include <map>
#include <stdexcept>
#include <utility>

#include "json_scan.hpp"
#include "load.hpp"
#include "statistics.hpp"

namespace bench {

namespace {

constexpr std::string_view kFirstCode = "import pandas; print(6 * 7)";
constexpr std::string_view kFirstResult = "42";
/// The machine must still be good for something while kernels are counted.
constexpr double kSpareMemoryMib = 2048;

double available_memory_mib() {
  std::ifstream file("/proc/meminfo");
  const std::string key = "MemAvailable:";
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return std::stod(line.substr(key.size())) / 1024;
  }
  return 0;
}

/// Lets what a server does behind its answers (servers to fork from, pools) come to an end.
void wait_until_quiet(Context& context) {
  constexpr double kQuiet = 0.1;
  constexpr double kLookSeconds = 0.5;
  const TimePoint deadline = Clock::now() + seconds(60);
  while (machine_busy_share(kLookSeconds) > kQuiet && Clock::now() < deadline) {
    context.loop.run_until([] { return false; }, Clock::now());  // notices an interrupt
  }
}

/// Milliseconds from the request for the kernel until its first output is here.
double measure_first_result(Context& context, const Lane& lane, const std::string& kernelspec,
                            std::vector<std::unique_ptr<Kernel>>& kernels) {
  const TimePoint asked = Clock::now();
  kernels.push_back(lane.host->start_kernel(kernelspec));
  Conversation conversation(context, lane, *kernels.back());
  bool printed = false;
  conversation.observe([&](const Message& message) {
    printed = printed || (message.type == "stream" &&
                          message.content.find(kFirstResult) != std::string_view::npos);
  });
  Client& client = conversation.client();
  client.send({Channel::kShell,
               "execute_request",
               client.next_message_id(),
               execute_content(kFirstCode),
               {}});
  if (!conversation.wait_until([&] { return printed; })) {
    throw std::runtime_error("no output of the first code came");
  }
  return milliseconds_between(asked, Clock::now());
}

void measure_execute(Context& context, const Lane& lane, Kernel& kernel, Row& row) {
  constexpr std::size_t kEnough = 2000;
  Conversation conversation(context, lane, kernel);
  conversation.wait_until_ready();
  const LoadResult result = run_load(context, *lane.host, {&conversation.client()}, kRoundTripCode,
                                     from_seconds(context.settings.round_seconds), kEnough);
  row.add("execute", percentile(result.latencies, 0.50));
}

/// Starts one kernel after the other, all of which stay, and records at every number asked for.
void measure_kernels(Context& context, Table& table, const Lane& lane,
                     const std::string& kernelspec) {
  const auto row_of = [&](std::size_t count) -> Row& {
    return table.row(lane.host->name(), kernelspec + " x " + std::to_string(count));
  };
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::vector<double> latencies;
  // The first start of all makes what later ones use.
  measure_first_result(context, lane, kernelspec, kernels);
  shut_down_kernels(kernels);
  kernels.clear();
  wait_until_quiet(context);
  const double before = lane.host->process()->descendants_pss_mib();
  const TimePoint end = Clock::now() + from_seconds(context.settings.bring_up_seconds);
  for (const std::size_t count : context.settings.python_counts) {
    Row& row = row_of(count);
    context.show_progress(table, row, 0, 1);
    while (kernels.size() < count) {
      const bool late = Clock::now() > end;
      if (late || available_memory_mib() < kSpareMemoryMib) {
        row.fault("stopped at " + std::to_string(kernels.size()) + ": " +
                  (late ? "time limit" : "no memory left"));
        shut_down_kernels(kernels);
        return;
      }
      latencies.push_back(measure_first_result(context, lane, kernelspec, kernels));
    }
    row.add("reached", static_cast<double>(kernels.size()));
    row.add("first_p50", percentile(latencies, 0.50));
    row.add("first_p99", percentile(latencies, 0.99));
    row.add("pss", (lane.host->process()->descendants_pss_mib() - before) /
                       static_cast<double>(kernels.size()));
    measure_execute(context, lane, *kernels.back(), row);
  }
  shut_down_kernels(kernels);
}

/// A session of the gateway's own interface.
class Session {
 public:
  Session(const ServerUrl& server, const std::string& kernelspec) : http_(server) {
    const std::string body = "{\"kernel\":" + json_scan::quoted(kernelspec) + "}";
    id_ = json_scan::string_member(request("POST", "v1/sessions", body, 201), "session_id");
  }
  struct Existing {
    std::string id;
  };
  Session(const ServerUrl& server, Existing existing)
      : http_(server), id_(std::move(existing.id)) {}
  ~Session() {
    try {
      http_.request("DELETE", "v1/sessions/" + id_);
    } catch (const std::exception&) {
      // A server that is gone has no sessions.
    }
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Throws unless the code prints `expected`.
  void execute(const std::string& code, std::string_view expected) {
    const std::string body = "{\"code\":" + json_scan::quoted(code) + "}";
    const std::string answer = request("POST", "v1/sessions/" + id_ + "/execute", body, 200);
    if (json_scan::string_member(answer, "stdout").find(expected) == std::string_view::npos) {
      throw std::runtime_error("not what was to be printed: " + answer.substr(0, 300));
    }
  }
  /// A copy of it.
  Existing fork() {
    const std::string answer =
        request("POST", "v1/sessions/" + id_ + "/fork", "{\"count\":1}", 201);
    return {
        std::string(json_scan::string_member(json_scan::member(answer, "sessions"), "session_id"))};
  }

 private:
  std::string request(std::string_view method, const std::string& path, const std::string& body,
                      int status) {
    HttpAnswer answer = http_.request(method, path, body);
    if (answer.status != status) {
      throw std::runtime_error(path + " was answered with " + std::to_string(answer.status) + ": " +
                               answer.body.substr(0, 200));
    }
    return std::move(answer.body);
  }

  HttpClient http_;
  std::string id_;
};

}  // namespace

void run_python_kernels(Context& context) {
  Table& table = context.report.add_table("python-kernels",
                                          "POST -> first result with pandas, kernels that all stay",
                                          {{"reached", "alive"},
                                           {"first_p50", "first result p50 ms", Better::kLower},
                                           {"first_p99", "p99 ms", Better::kLower},
                                           {"pss", "PSS MiB each", Better::kLower},
                                           {"execute", "execute p50 µs", Better::kLower}});
  for (const Lane& lane : server_lanes(context)) {
    for (const std::string& kernelspec : context.settings.python_kernels) {
      try {
        if (!lane.host->process()) {
          throw std::runtime_error("the server's process is not known; give pid=N");
        }
        measure_kernels(context, table, lane, kernelspec);
      } catch (const Interrupted&) {
        throw;
      } catch (const std::exception& error) {
        table.row(lane.host->name(), kernelspec).fault(error.what());
      }
      wait_until_quiet(context);
    }
  }
}

void run_branch(Context& context) {
  Table& table = context.report.add_table(
      "branch", "copy of a live session asked -> its first result",
      {{"fork", "POST .../fork ms", Better::kLower}, {"first", "first result ms", Better::kLower}});
  std::vector<Lane> lanes = server_lanes(context);
  // Only one server has such a thing; the others would each be a fault.
  std::erase_if(lanes, [](const Lane& lane) {
    return HttpClient(*lane.host->server()).request("GET", "v1/info").status != 200;
  });
  for (const std::size_t mib : context.settings.branch_mib) {
    for (Lane& lane : lanes) lane.variant = std::to_string(mib) + " MiB";
    std::map<Host*, std::unique_ptr<Session>> sources;
    interleave_warm(context, table, lanes, context.settings.lifecycle_repeats,
                    [&](const Lane& lane, Row& row) {
                      auto& source = sources[lane.host];
                      if (!source) {
                        source = std::make_unique<Session>(*lane.host->server(),
                                                           context.settings.python_kernels.front());
                        source->execute("import numpy; a = numpy.ones((" + std::to_string(mib) +
                                            ", 1 << 20), dtype='u1'); print(a.nbytes)",
                                        std::to_string(mib << 20));
                      }
                      const TimePoint asked = Clock::now();
                      Session::Existing copy = source->fork();
                      const TimePoint forked = Clock::now();
                      Session branch(*lane.host->server(), std::move(copy));
                      branch.execute("print(a[5, 5] + 41)", "42");
                      row.add("fork", milliseconds_between(asked, forked));
                      row.add("first", milliseconds_between(asked, Clock::now()));
                    });
  }
}

}  // namespace bench
