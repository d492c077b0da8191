#include "provision/fork_server.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "protocol/environment.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr char kNoAnswer[] = "it did not answer";

// Read once, when a program or one of its libraries starts: a fork has those of its server.
const std::vector<std::string> kReadAtStart = {
    "PATH",      "HOME",     "USER",    "LOGNAME",  "LANG",  "LC_*",        "TZ",
    "TMPDIR",    "LD_*",     "PYTHON*", "OMP_*",    "MKL_*", "OPENBLAS_*",  "GOTO_*",
    "NUMEXPR_*", "MALLOC_*", "XDG_*",   "IPYTHON*", "MPL*",  "VIRTUAL_ENV", "CONDA_*"};

// -1 when it is not there.
std::int64_t change_time(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return -1;
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

// As start_process() sets them: one that is higher than ours cannot be had.
json limits_of(const ProcessLimits& limits) {
  json given = json::object();
  const auto add = [&given](const char* name, int resource, std::optional<std::uint64_t> most) {
    rlimit ours{};
    if (!most || getrlimit(static_cast<__rlimit_resource>(resource), &ours) != 0) return;
    given[name] = std::min<std::uint64_t>(*most, ours.rlim_max);
  };
  add("data_bytes", RLIMIT_DATA, limits.memory_bytes_max);
  if (limits.cpu_time_max) {
    add("cpu_seconds", RLIMIT_CPU, static_cast<std::uint64_t>(limits.cpu_time_max->count()));
  }
  add("file_bytes", RLIMIT_FSIZE, limits.file_bytes_max);
  add("open_files", RLIMIT_NOFILE, limits.open_files_max);
  add("processes", RLIMIT_NPROC, limits.processes_max);
  return given;
}

// What goes along with a request: standard output and error, then what its sandbox is made of.
std::vector<int> descriptors_of(const ForkRequest& request, int output) {
  std::vector<int> all = {output, output};
  if (request.sandbox == nullptr) return all;
  for (const FileDescriptor& each : request.sandbox->cgroups) all.push_back(each.get());
  for (const FileDescriptor& each : request.sandbox->namespaces) all.push_back(each.get());
  all.push_back(request.sandbox->filter.get());
  return all;
}

}  // namespace

ForkServer::ForkServer(Shard& shard) : shard_(shard), patience_(shard.loop()) {}

ForkServer::~ForkServer() = default;

std::shared_ptr<ForkServer> ForkServer::start(Shard& shard, SpawnRequest command) {
  std::shared_ptr<ForkServer> server(new ForkServer(shard));
  if (const auto spawned = server->spawn(std::move(command)); !spawned) {
    server->failure_ = spawned.error().message;
  }
  return server;
}

Result<void> ForkServer::spawn(SpawnRequest command) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Error{Code::resource_exhausted, std::string("no socket: ") + std::strerror(errno)};
  }
  FileDescriptor ours(ends[0]);
  const FileDescriptor theirs(ends[1]);
  command.descriptors.insert(command.descriptors.begin(), theirs.get());
  const std::weak_ptr<ForkServer> weak = weak_from_this();
  auto process = ChildProcess::spawn(
      shard_, command,
      [](ByteView text) {
        log::info("fork_server_says", {{"text", std::string(trim(text))}});
      },
      [weak](const ProcessExit& exit) {
        if (const auto self = weak.lock()) self->process_ended(exit);
      });
  if (!process) return process.error();
  process_ = *std::move(process);
  expect_within(limits::kForkServerStartMax, "it was not ready");
  socket_ = ForkServerSocket::open(shard_, std::move(ours),
                                   {.on_packet =
                                        [weak](const json& packet) {
                                          if (const auto self = weak.lock()) self->receive(packet);
                                        },
                                    .on_closed =
                                        [weak] {
                                          if (const auto self = weak.lock()) self->was_closed();
                                        },
                                    .on_nonsense =
                                        [weak](const std::string& why) {
                                          if (const auto self = weak.lock()) self->fail(why);
                                        }});
  return {};
}

// From now on; what was expected before is forgotten. A server that owes an answer lives until it
// has given it, whoever has dropped it, but not longer than the loop.
void ForkServer::expect_within(Duration time, const char* otherwise) {
  const auto held = pending_.empty() ? nullptr : shared_from_this();
  patience_.expires_after(time);
  patience_.async_wait(
      [weak = weak_from_this(), held, time, otherwise](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || !self) return;
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
        self->process_->kill_all();
        self->fail(otherwise + (" within " + std::to_string(seconds)) + " s");
      });
}

// How it ends, which is seen in a moment, tells more.
void ForkServer::was_closed() {
  constexpr std::chrono::seconds kEndMax{1};
  ready_ = false;
  expect_within(kEndMax, "it closed its socket and did not end");
}

// What it said last counts, though its end may be seen first.
void ForkServer::process_ended(const ProcessExit& exit) {
  if (socket_ && socket_->is_open()) socket_->read_packets();
  fail("it " + describe(exit));
}

void ForkServer::receive(const json& packet) {
  if (packet.contains("ready")) {
    became_ready(packet);
    return;
  }
  const auto id = packet.find("id");
  if (id == packet.end() || !id->is_number_unsigned()) return;
  const auto found = pending_.find(id->get<std::uint64_t>());
  if (found == pending_.end()) return;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  if (pending_.empty()) {
    patience_.cancel();
  } else {
    expect_within(limits::kForkAnswerMax, kNoAnswer);
  }
  const auto pid = packet.find("pid");
  if (pid == packet.end() || !pid->is_number_integer() || pid->get<std::int64_t>() <= 1) {
    const std::string why = json_text(packet, "error");
    pending.started(Error{Code::unavailable, why.empty() ? "it gives no reason" : why});
    return;
  }
  pending.started(
      std::move(pending.adoption)
          .take(pid->get<pid_t>(), std::move(pending.on_output), std::move(pending.on_exit)));
}

void ForkServer::became_ready(const json& packet) {
  for (const json& path : packet.value("paths", json::array())) {
    if (path.is_string()) paths_[path.get<std::string>()] = change_time(path.get<std::string>());
  }
  patience_.cancel();
  ready_ = true;
  was_ready_ = true;
  // Its own word: in a sandbox it is not the process that was started.
  log::info("fork_server_ready", {{"pid", dump_json(packet.value("pid", json()))},
                                  {"preloaded", dump_json(packet.value("preloaded", json()))}});
}

bool ForkServer::outdated() const {
  for (const auto& [path, changed] : paths_) {
    if (change_time(path) != changed) return true;
  }
  return false;
}

void ForkServer::fail(const std::string& why) {
  if (!failure_.empty()) return;
  failure_ = why;
  ready_ = false;
  patience_.cancel();
  if (socket_) socket_->close();
  log::warning("fork_server_failed", {{"why", why}});
  for (auto& [id, pending] : std::exchange(pending_, {})) {
    pending.started(Error{Code::unavailable, why});
  }
}

Result<void> ForkServer::send(const ForkRequest& request, std::uint64_t id, int output) {
  json fields = {
      {"id", id},           {"connection_file", request.connection_file}, {"cwd", request.work_dir},
      {"env", request.env}, {"limits", limits_of(request.limits)},        {"orphan", true}};
  if (request.sandbox != nullptr) {
    json& sandbox = fields["sandbox"];
    sandbox = {{"cgroups", request.sandbox->cgroups.size()}};
    if (request.sandbox->uid) sandbox["uid"] = *request.sandbox->uid;
  }
  return socket_->send(fields, descriptors_of(request, output));
}

void ForkServer::start_kernel(const ForkRequest& request, ChildProcess::OnOutput on_output,
                              ChildProcess::OnExit on_exit, Started started) {
  const auto refuse = [&](Error error) {
    boost::asio::post(shard_.loop(),
                      [started = std::move(started), error = std::move(error)] { started(error); });
  };
  if (!ready_) {
    refuse({Code::unavailable, failure_.empty() ? "it is starting" : failure_});
    return;
  }
  auto adoption = ChildProcess::Adoption::prepare(shard_);
  if (!adoption) {
    refuse(adoption.error());
    return;
  }
  ForkRequest marked = request;
  // In a sandbox all that a kernel has started ends with that, and marks are nobody's business.
  if (request.sandbox == nullptr) add_variable(marked.env, adoption->marker());
  const std::uint64_t id = next_id_++;
  if (const auto sent = send(marked, id, adoption->output()); !sent) {
    refuse(sent.error());
    return;
  }
  pending_.emplace(id, Pending{*std::move(adoption), std::move(on_output), std::move(on_exit),
                               std::move(started)});
  if (pending_.size() == 1) expect_within(limits::kForkAnswerMax, kNoAnswer);
}

Result<std::shared_ptr<ForkServer>> ForkServers::find(const Kernelspec& spec,
                                                      const Environment& env, const Start& start) {
  Kernelspec server = spec;
  server.argv = kernelspec_command(spec, "fork_server");
  if (server.argv.empty()) {
    return Error{Code::unimplemented, "the kernelspec names no fork server"};
  }
  SpawnRequest command;
  command.argv = launch_argv(server, {{"socket", std::to_string(ForkServer::kSocketNumber)},
                                      {"program", spec.argv.empty() ? "" : spec.argv.front()}});
  command.work_dir = "/";
  for (const auto& [name, value] : env) {
    if (matches_name_pattern(name, kReadAtStart)) command.env[name] = value;
  }
  const TimePoint now = now_();
  // Kernels that a server has forked go on without it.
  for (auto& [key, entry] : servers_) {
    if (entry.server == nullptr || entry.server->failure().empty()) continue;
    entry.failure = entry.server->failure();
    entry.retry_at = entry.server->was_ready() ? now : now + limits::kForkServerRetry;
    entry.server = nullptr;
  }
  const std::string key = dump_json({command.argv, command.env});
  auto found = servers_.find(key);
  if (found != servers_.end() && found->second.server == nullptr) {
    const std::string why = found->second.failure;
    if (found->second.retry_at <= now) servers_.erase(found);
    return Error{Code::unavailable, why};
  }
  if (found != servers_.end() && found->second.server->outdated()) {
    servers_.erase(found);
    found = servers_.end();
  }
  if (found == servers_.end()) {
    std::erase_if(servers_, [now](const auto& each) {
      return each.second.server == nullptr && each.second.retry_at <= now;
    });
    if (servers_.size() >= limits::kForkServersMax) {
      return Error{Code::unavailable,
                   "there are " + std::to_string(servers_.size()) + " fork servers already"};
    }
    auto started = start(std::move(command));
    Entry entry;
    if (started) {
      entry.server = *std::move(started);
    } else {
      entry.failure = started.error().message;
      entry.retry_at = now + limits::kForkServerRetry;
    }
    found = servers_.emplace(key, std::move(entry)).first;
  }
  const Entry& chosen = found->second;
  if (chosen.server == nullptr) return Error{Code::unavailable, chosen.failure};
  if (chosen.server->ready()) return chosen.server;
  const std::string& failure = chosen.server->failure();
  return Error{Code::unavailable, failure.empty() ? "it is starting" : failure};
}

}  // namespace perijove
