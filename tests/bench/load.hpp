#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client.hpp"
#include "scenario.hpp"

namespace bench {

/// The smallest thing worth executing; the echo kernel answers it as ipykernel does, with five
/// messages.
constexpr std::string_view kRoundTripCode = "1+1";

/// The content of an execute_request, as ordinary clients send it.
std::string execute_content(std::string_view code);

/// Lines that a stream message adds to stdout: line ends of its text as JSON escapes them. A server
/// may join adjacent messages of one stream, so that lines can be counted, messages cannot. What a
/// server says itself, such as that it discards output, goes to stderr.
std::size_t stdout_lines(const Message& message);

/// What became of one request; a time that never came is TimePoint{}.
struct Outcome {
  TimePoint sent{};
  TimePoint replied{};
  TimePoint idle{};

  bool complete() const { return replied != TimePoint{} && idle != TimePoint{}; }
  TimePoint finished() const { return std::max(replied, idle); }
  /// "the idle never came" and so on; empty when reply and idle were there.
  std::string what_is_missing() const;
};

/// One client and what it says, step by step.
///
/// Waiting ends when nothing at all has arrived for `patience`, not after a fixed time: a slow
/// server that still delivers is slow, not mute.
class Conversation {
 public:
  using Observer = std::function<void(const Message&)>;

  /// Connects; the connection may be under way on return. Throws when there is no TCP connection.
  Conversation(Context& context, const Lane& lane, Kernel& kernel);

  Client& client() { return *client_; }
  TimePoint last_message() const { return last_message_; }
  /// Sees every message, until replaced.
  void observe(Observer observer) { observer_ = std::move(observer); }

  /// Until the connection is open, the kernel answers and an iopub message has been seen:
  /// kernel_info is asked again until both hold, for a fresh subscription may miss the first
  /// outputs. Throws when that does not come about.
  void wait_until_ready();

  /// Sends a message on the shell channel and waits for its reply (if its type is a request's) and
  /// its idle. What never comes shows in the outcome; a lost connection throws.
  Outcome ask(std::string_view type, std::string_view content);
  Outcome execute(std::string_view code) { return ask("execute_request", execute_content(code)); }

  /// True once `done()` holds, false when nothing has arrived for `patience` (the settings' when
  /// not given). A lost connection throws.
  bool wait_until(const std::function<bool()>& done);
  bool wait_until(const std::function<bool()>& done, Clock::duration patience);

 private:
  Context& context_;
  std::unique_ptr<Client> client_;
  Observer observer_;
  TimePoint last_message_ = Clock::now();
};

/// One ready conversation per kernel, made side by side: a server may take 100 ms for each.
std::vector<std::unique_ptr<Conversation>> connect_all(Context& context, const Lane& lane,
                                                       const std::vector<Kernel*>& kernels);

/// A client that executes the same code again and again: the next request leaves as soon as the one
/// before has both its reply and its idle.
class Repeater {
 public:
  /// `client` must be ready. Takes over its handler.
  Repeater(Client& client, std::string_view code);
  ~Repeater() { client_.on_message({}); }
  Repeater(const Repeater&) = delete;
  Repeater& operator=(const Repeater&) = delete;

  void start();
  /// Lets the request under way finish and sends no other.
  void stop() { stopping_ = true; }
  bool busy() const { return busy_; }

  /// Round trips since the last clear(), in microseconds.
  const std::vector<double>& latencies() const { return latencies_; }
  void clear() { latencies_.clear(); }
  TimePoint last_finished() const { return last_finished_; }

 private:
  void send_next();
  void take(const Message& message);

  Client& client_;
  std::string content_;
  std::string message_id_;
  TimePoint sent_{};
  TimePoint last_finished_{};
  bool busy_ = false;
  bool replied_ = false;
  bool idle_ = false;
  bool stopping_ = false;
  std::vector<double> latencies_;
};

/// What Repeaters did together in a stretch of time.
struct LoadResult {
  std::vector<double> latencies;  ///< microseconds, of all clients
  double seconds = 0;
  double server_cpu_microseconds = 0;
};

/// Lets all clients warm up, then repeat for `duration` (or `enough` round trips, if that comes
/// first). Throws when one of them stops being answered: said with what it still waits for.
LoadResult run_load(Context& context, const Host& host, const std::vector<Client*>& clients,
                    std::string_view code, Clock::duration duration, std::size_t enough);

}  // namespace bench
