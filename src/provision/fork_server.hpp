#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "io/child_process.hpp"
#include "io/file_descriptor.hpp"
#include "protocol/kernelspec.hpp"
#include "provision/fork_server_socket.hpp"

namespace perijove {

/// A sandbox that stands and has no kernel yet: where a fork goes before it does anything else.
struct ForkSandbox {
  std::optional<uid_t> uid;                ///< Whom it becomes first; the group has that number.
  std::vector<FileDescriptor> namespaces;  ///< In the order in which they are entered.
  std::vector<FileDescriptor> cgroups;     ///< Their cgroup.procs, for writing.
  FileDescriptor filter;                   ///< The program of its filter of system calls.
};

/// A kernel that a fork server is to start.
struct ForkRequest {
  std::string connection_file;  ///< Absolute.
  std::string work_dir;         ///< Absolute.
  Environment env;              ///< The whole.
  ProcessLimits limits;
  const ForkSandbox* sandbox = nullptr;  ///< For the time of the call; null: where the server is.
};

/// A process that has read in what its kernels need and forks one for each request, in milliseconds
/// and on memory that they share. What it must understand is in kernels/python/zygote.hpp; it is
/// another program, and what it says is not trusted: it can fail a launch, nothing else.
///
/// A kernel that it has forked is left to this process, as an orphan, and is then its child as any
/// other. Shard thread only; held by shared_ptr. Dropping it ends the server, not its kernels, once
/// it has answered what it was asked.
class ForkServer : public std::enable_shared_from_this<ForkServer> {
 public:
  using Started = std::function<void(Result<std::unique_ptr<ChildProcess>>)>;

  /// The number under which the server finds its socket.
  static constexpr int kSocketNumber = 3;

  /// Starts it; ready() follows. What it prints is logged.
  static std::shared_ptr<ForkServer> start(Shard& shard, SpawnRequest command);
  ~ForkServer();

  /// It has read in everything and waits for requests.
  bool ready() const { return ready_; }
  /// Why it never will (again); empty while there is hope.
  const std::string& failure() const { return failure_; }
  /// It has been ready, whatever came of it.
  bool was_ready() const { return was_ready_; }
  /// Whether a directory that its modules come from has changed since it was ready: what a new
  /// kernel imports would not be what it was forked with.
  bool outdated() const;

  /// Forks a kernel. `started` is called once, from the loop, never during this call. Errors:
  /// unavailable (it is not ready, has ended, refuses, or does not answer, for which it is ended;
  /// the message says why), resource_exhausted, failed_precondition (orphans are not left to this
  /// process).
  void start_kernel(const ForkRequest& request, ChildProcess::OnOutput on_output,
                    ChildProcess::OnExit on_exit, Started started);

 private:
  struct Pending {
    ChildProcess::Adoption adoption;
    ChildProcess::OnOutput on_output;
    ChildProcess::OnExit on_exit;
    Started started;
  };

  explicit ForkServer(Shard& shard);
  Result<void> spawn(SpawnRequest command);
  void was_closed();
  void process_ended(const ProcessExit& exit);
  void receive(const nlohmann::json& packet);
  void became_ready(const nlohmann::json& packet);
  void fail(const std::string& why);
  void expect_within(Duration time, const char* otherwise);
  Result<void> send(const ForkRequest& request, std::uint64_t id, int output);

  Shard& shard_;
  std::shared_ptr<ForkServerSocket> socket_;
  boost::asio::steady_timer patience_;
  std::unique_ptr<ChildProcess> process_;
  std::map<std::uint64_t, Pending> pending_;
  std::uint64_t next_id_ = 1;
  bool ready_ = false;
  bool was_ready_ = false;
  std::string failure_;
  std::map<std::string, std::int64_t> paths_;  // directory -> time of its last change
};

/// The fork servers of one kind of isolation: one for each kernelspec and set of those variables
/// that a program reads when it starts. One is started when its first kernel is, which does not
/// wait for it. Shard thread only.
class ForkServers {
 public:
  /// Starts a server whose command line and environment are these. Its socket must come first among
  /// the descriptors of the process: that is where ForkServer::start() puts it.
  using Start = std::function<Result<std::shared_ptr<ForkServer>>(SpawnRequest command)>;
  using Now = std::function<TimePoint()>;

  explicit ForkServers(Now now = [] { return Clock::now(); }) : now_(std::move(now)) {}

  /// The server for such a kernel. unavailable: it is starting, or cannot be had; the message says
  /// why. unimplemented: the kernelspec has none. One that was never ready is tried again after
  /// kForkServerRetry, one that has ended at the next call.
  Result<std::shared_ptr<ForkServer>> find(const Kernelspec& spec, const Environment& env,
                                           const Start& start);

 private:
  struct Entry {
    std::shared_ptr<ForkServer> server;  // null when it could not be started
    std::string failure;                 // why there is none, until retry_at
    TimePoint retry_at;
  };

  Now now_;
  std::map<std::string, Entry> servers_;
};

}  // namespace perijove
