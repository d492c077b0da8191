#include "provision/sandbox/sandbox_fork_servers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "io/user_namespace.hpp"
#include "protocol/environment.hpp"
#include "provision/sandbox/sandbox_draft.hpp"
#include "provision/sandbox/sandbox_request.hpp"

namespace perijove {
namespace {

// A client may say what its own kernel runs, but not what is run by a process that others are
// forked from.
const std::vector<std::string> kDecideWhatRuns = {"LD_*", "PYTHON*"};
constexpr std::string_view kHarmless[] = {"PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING",
                                          "PYTHONUNBUFFERED", "PYTHONUTF8"};

bool decides_what_runs(const std::string& name) {
  return matches_name_pattern(name, kDecideWhatRuns) &&
         std::find(std::begin(kHarmless), std::end(kHarmless), name) == std::end(kHarmless);
}

}  // namespace

bool SandboxForkServers::has_one_for(const Kernelspec& spec) const {
  return wanted_ && !kernelspec_command(spec, "fork_server").empty();
}

Result<std::shared_ptr<ForkServer>> SandboxForkServers::find(Shard& shard, const Kernelspec& spec,
                                                             const Environment& env) {
  if (!has_one_for(spec)) return Error{Code::unimplemented, "there is none"};
  const auto refuse = [](const std::string& name) {
    return Error{Code::unavailable, name + " decides what code runs, for this kernel alone"};
  };
  for (const auto& [name, value] : env) {
    if (decides_what_runs(name)) return refuse(name);
  }
  const std::string program = kernelspec_command(spec, "fork_server").front();
  if (program.find('/') == program.npos && program != "{program}" && !has_own_path(env)) {
    return refuse("PATH");
  }
  return servers_.find(spec, env, [this, &shard, &spec](const SpawnRequest& command) {
    return start(shard, spec, command);
  });
}

Result<int> SandboxForkServers::user_namespace() {
  if (!user_namespace_) user_namespace_ = make_user_namespace();
  if (!*user_namespace_) return user_namespace_->error();
  return (*user_namespace_)->get();
}

Result<FileDescriptor> SandboxForkServers::make_user_namespace() {
  if (!machine_.uids) {
    return perijove::make_user_namespace({{.inside = 0, .outside = geteuid(), .count = 1}});
  }
  const FileDescriptor directory(open(runtime_dir_.path().c_str(), O_PATH | O_CLOEXEC));
  auto user = machine_.uids->lease(directory, std::nullopt);
  if (!user) return user.error();
  user_ = std::move(*user);
  // The servers' own is root inside, the others keep their numbers.
  const uid_t own = user_->uid;
  const uid_t first = machine_.options.uid_first;
  const uid_t end = first + machine_.options.uid_count;
  std::vector<MappedUsers> users = {{.inside = 0, .outside = own, .count = 1}};
  if (own > first) users.push_back({.inside = first, .outside = first, .count = own - first});
  if (own + 1 < end) {
    users.push_back({.inside = own + 1, .outside = own + 1, .count = end - own - 1});
  }
  return perijove::make_user_namespace(users);
}

Result<std::shared_ptr<ForkServer>> SandboxForkServers::start(Shard& shard, const Kernelspec& spec,
                                                              const SpawnRequest& command) {
  const auto inside = user_namespace();
  if (!inside) return inside.error();
  std::vector<std::string> argv = command.argv;
  const auto program = find_program(command);
  if (!program) return program.error();
  argv.front() = *program;

  constexpr int kAfterItsSocket = ForkServer::kSocketNumber + 1;
  SandboxDraft draft(machine_, kAfterItsSocket);
  draft.plan.forks =
      machine_.uids ? SandboxPlan::Forks::for_other_users : SandboxPlan::Forks::for_its_own_user;
  draft.plan.work_dir = command.work_dir;
  draft.plan.tmp_bytes = SandboxRequest().tmp_bytes;
  if (machine_.uids) draft.identity = ProcessIdentity{.uid = 0, .gid = 0};
  draft.add_program_files(argv.front(), argv, spec.resource_dir, {});
  if (auto added = draft.add_system(); !added) return added.error();
  auto spawn = draft.command(argv, command.env);
  if (!spawn) return spawn.error();
  spawn->user_namespace = *inside;
  return ForkServer::start(shard, *std::move(spawn));
}

}  // namespace perijove
