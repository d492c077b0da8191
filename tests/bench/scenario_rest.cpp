#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include "load.hpp"

namespace bench {

namespace {

constexpr std::size_t kConnections = 4;

/// A keep-alive connection that sends the same request again as soon as the answer is there.
class RequestLoop final : public Source {
 public:
  RequestLoop(Loop& loop, const ServerUrl& server, std::string_view path)
      : loop_(loop), request_(http_request(server, "GET", path)), fd_(connect_tcp(server)) {
    loop_.add(fd_, *this, EPOLLIN);
    send_request();
  }
  ~RequestLoop() override {
    loop_.remove(fd_);
    close(fd_);
  }

  std::size_t answers() const { return answers_; }
  const std::string& failure() const { return failure_; }

  void on_event(std::uint32_t) override {
    std::array<char, 65536> chunk;
    const ssize_t received = recv(fd_, chunk.data(), chunk.size(), 0);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0) {
      fail("the server closed a keep-alive connection");
      return;
    }
    reader_.feed({chunk.data(), static_cast<std::size_t>(received)});
    if (!reader_.complete()) return;
    if (reader_.status() != 200) {
      fail("answered with status " + std::to_string(reader_.status()));
      return;
    }
    ++answers_;
    reader_.reset();
    send_request();
  }

 private:
  void send_request() {
    // A few hundred bytes into an empty socket buffer: never partial.
    if (send(fd_, request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size())) {
      fail("a request could not be sent");
    }
  }
  void fail(std::string reason) {
    failure_ = std::move(reason);
    loop_.modify(fd_, 0);
  }

  Loop& loop_;
  std::string request_;
  int fd_;
  HttpResponseReader reader_;
  std::size_t answers_ = 0;
  std::string failure_;
};

void measure_requests(Context& context, const Lane& lane, Row& row, std::string_view path,
                      const std::string& key) {
  std::vector<std::unique_ptr<RequestLoop>> loops;
  for (std::size_t i = 0; i < kConnections; ++i) {
    loops.push_back(std::make_unique<RequestLoop>(context.loop, *lane.host->server(), path));
  }
  const auto answers = [&] {
    std::size_t count = 0;
    for (const auto& loop : loops) count += loop->answers();
    return count;
  };
  const auto failure = [&] {
    for (const auto& loop : loops) {
      if (!loop->failure().empty()) return loop->failure();
    }
    return std::string();
  };
  const auto failed = [&] { return !failure().empty(); };
  const auto duration = from_seconds(context.settings.round_seconds);
  context.loop.run_until(failed, Clock::now() + duration / 5);
  const auto process = lane.host->process();
  const double cpu_before = process ? process->cpu_microseconds() : 0;
  const std::size_t before = answers();
  const TimePoint begin = Clock::now();
  context.loop.run_until(failed, begin + duration);
  const auto count = static_cast<double>(answers() - before);
  const double elapsed = seconds_between(begin, Clock::now());
  const double cpu = process ? process->cpu_microseconds() - cpu_before : 0;
  if (failed()) throw std::runtime_error("GET /" + std::string(path) + ": " + failure());
  row.add(key, count / elapsed);
  if (process && count > 0) row.add(key + "_cpu", cpu / count);
}

}  // namespace

void run_rest(Context& context) {
  const std::string number = std::to_string(context.settings.rest_kernels);
  Table& table =
      context.report.add_table("rest", "REST over 4 keep-alive connections, " + number + " kernels",
                               {{"api", "GET /api req/s", Better::kHigher},
                                {"api_cpu", "CPU µs"},
                                {"kernels", "GET /api/kernels req/s", Better::kHigher},
                                {"kernels_cpu", "CPU µs"}});
  KernelsPerHost kernels(context.settings.echo_kernel, context.settings.rest_kernels);
  interleave(context, table, server_lanes(context), context.settings.rounds,
             [&](const Lane& lane, Row& row) {
               kernels.all_of(*lane.host);
               measure_requests(context, lane, row, "api", "api");
               measure_requests(context, lane, row, "api/kernels", "kernels");
             });
}

}  // namespace bench
