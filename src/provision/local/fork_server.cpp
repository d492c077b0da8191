#include "provision/local/fork_server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
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

constexpr std::size_t kPacketBytesMax = std::size_t{1} << 20;

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

json limits_of(const ProcessLimits& limits) {
  json given = json::object();
  if (limits.memory_bytes_max) given["data_bytes"] = *limits.memory_bytes_max;
  if (limits.cpu_time_max) given["cpu_seconds"] = limits.cpu_time_max->count();
  if (limits.file_bytes_max) given["file_bytes"] = *limits.file_bytes_max;
  if (limits.open_files_max) given["open_files"] = *limits.open_files_max;
  if (limits.processes_max) given["processes"] = *limits.processes_max;
  return given;
}

}  // namespace

ForkServer::ForkServer(Shard& shard) : shard_(shard), socket_(shard.loop()) {}

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
  socket_.assign(ends[0]);
  const FileDescriptor theirs(ends[1]);
  command.descriptors = {theirs.get()};
  const std::weak_ptr<ForkServer> weak = weak_from_this();
  auto process = ChildProcess::spawn(
      shard_, command,
      [](ByteView text) {
        log::info("fork_server_says", {{"text", std::string(trim(text))}});
      },
      [weak](const ProcessExit& exit) {
        if (const auto self = weak.lock()) self->fail("it " + describe(exit));
      });
  if (!process) return process.error();
  process_ = *std::move(process);
  wait();
  return {};
}

void ForkServer::wait() {
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [weak = weak_from_this()](const boost::system::error_code& error) {
                       const auto self = weak.lock();
                       if (!error && self) self->read_packets();
                     });
}

void ForkServer::read_packets() {
  auto& buffer = shard_.scratch();
  while (socket_.is_open()) {
    const ssize_t got = recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      wait();
      return;
    }
    if (got <= 0) {
      fail("it has closed its socket");
      return;
    }
    receive(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
  }
}

void ForkServer::receive(std::string_view packet) {
  const auto read = parse_json(packet);
  if (!read || !read->is_object()) {
    fail("it says what is no JSON object");
    return;
  }
  if (read->contains("ready")) {
    became_ready(*read);
    return;
  }
  const auto id = read->find("id");
  if (id == read->end() || !id->is_number_unsigned()) return;
  const auto found = pending_.find(id->get<std::uint64_t>());
  if (found == pending_.end()) return;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  const auto pid = read->find("pid");
  if (pid == read->end() || !pid->is_number_integer() || pid->get<std::int64_t>() <= 1) {
    const std::string why = json_text(*read, "error");
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
  ready_ = true;
  log::info("fork_server_ready", {{"pid", std::to_string(process_->pid())},
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
  boost::system::error_code ignored;
  socket_.close(ignored);
  log::warning("fork_server_failed", {{"why", why}});
  for (auto& [id, pending] : std::exchange(pending_, {})) {
    pending.started(Error{Code::unavailable, why});
  }
}

Result<void> ForkServer::send(const ForkRequest& request, std::uint64_t id, int output) {
  const std::string packet = dump_json({{"id", id},
                                        {"connection_file", request.connection_file},
                                        {"cwd", request.work_dir},
                                        {"env", request.env},
                                        {"limits", limits_of(request.limits)},
                                        {"orphan", true}});
  if (packet.size() > kPacketBytesMax) {
    return Error{Code::resource_exhausted, "its environment is longer than 1 MiB"};
  }
  iovec bytes{const_cast<char*>(packet.data()), packet.size()};
  const std::array<int, 2> descriptors = {output, output};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof descriptors)> ancillary{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.data();
  message.msg_controllen = ancillary.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof descriptors);
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent == static_cast<ssize_t>(packet.size())) return {};
  return Error{Code::unavailable, std::string("it takes no request: ") + std::strerror(errno)};
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
  add_variable(marked.env, adoption->marker());
  const std::uint64_t id = next_id_++;
  if (const auto sent = send(marked, id, adoption->output()); !sent) {
    refuse(sent.error());
    return;
  }
  pending_.emplace(id, Pending{*std::move(adoption), std::move(on_output), std::move(on_exit),
                               std::move(started)});
}

Result<std::shared_ptr<ForkServer>> ForkServers::find(Shard& shard, const Kernelspec& spec,
                                                      const Environment& env) {
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
  const std::string key = dump_json({command.argv, command.env});
  auto found = servers_.find(key);
  if (found != servers_.end() && (!found->second->failure().empty() || found->second->outdated())) {
    // Kernels that it has forked go on; the next finds a new one.
    const std::string why = found->second->failure();
    servers_.erase(found);
    found = servers_.end();
    if (!why.empty()) return Error{Code::unavailable, why};
  }
  if (found == servers_.end()) {
    if (servers_.size() >= limits::kForkServersMax) {
      return Error{Code::unavailable,
                   "there are " + std::to_string(servers_.size()) + " fork servers already"};
    }
    found = servers_.emplace(key, ForkServer::start(shard, std::move(command))).first;
  }
  const ForkServer& chosen = *found->second;
  if (chosen.ready()) return found->second;
  return Error{Code::unavailable, chosen.failure().empty() ? "it is starting" : chosen.failure()};
}

}  // namespace perijove
