#include "provision/docker/container_design.hpp"

#include <algorithm>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/time.hpp"
#include "protocol/tar.hpp"
#include "provision/docker/directory_archive.hpp"
#include "provision/process_kernel.hpp"

namespace perijove::docker {
namespace {

constexpr const char* kShared =
    "what the kernel writes to its work directory is limited by that file system alone";
constexpr const char* kCopied =
    "the work directory is a volume of the container; files are copied before and after each block "
    "of a session";

// What Docker gives a container whose image says nothing else.
constexpr const char* kPathInside = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// A kernelspec's own files, copied for a daemon that does not see ours.
constexpr std::size_t kKernelspecBytesMax = std::size_t{64} << 20;

// The kernelspec as it is inside: the interpreter that the gateway's machine has under some path is
// the image's python3.
Kernelspec spec_inside(const LaunchRequest& request, std::vector<std::string> command) {
  Kernelspec spec = request.spec;
  spec.interpreter.clear();
  spec.argv = std::move(command);
  if (names_resource_dir(spec.argv)) spec.resource_dir = kKernelspecDirInside;
  return spec;
}

std::vector<std::string> command_inside(const LaunchRequest& request,
                                        const ContainerOptions& options,
                                        const std::string& connection_file) {
  const bool own = options.command.empty();
  auto argv =
      launch_argv(spec_inside(request, own ? request.spec.argv : options.command),
                  {{"connection_file", connection_file}, {"kernel_id", request.kernel_id.str()}});
  if (own && begins_with_python(request.spec)) {
    const std::string program = argv.front().substr(argv.front().rfind('/') + 1);
    argv.front() = program.starts_with("python") ? "python3" : program;
  }
  return argv;
}

std::vector<std::string> fork_server_inside(const LaunchRequest& request) {
  const std::vector<std::string>& argv = request.spec.argv;
  return launch_argv(spec_inside(request, kernelspec_command(request.spec, "fork_server")),
                     {{"socket", ContainerChannels::fork_server_inside()},
                      {"program", argv.empty() ? "" : argv.front()}});
}

}  // namespace

Result<void> ContainerDesign::prepare() {
  name_ = options_.container_name;
  if (name_.empty()) name_ = own_name();
  if (options_.image.empty() && setting_.default_image.empty() && options_.build_path.empty()) {
    return Error{Code::failed_precondition,
                 "no image is named for the kernel's container, and the gateway has no default"};
  }
  const bool remote = setting_.engine->address().socket_path.empty();
  copies_files_ = options_.files == FileSharing::archive ||
                  (options_.files == FileSharing::automatic && (remote || *setting_.is_blind));
  const bool needs_tcp = transport_of(request_.spec) == Transport::tcp;
  const bool over_tcp = remote || *setting_.is_blind || needs_tcp;
  if (over_tcp) {
    const std::string which = needs_tcp ? "this kernel, whose channels cannot be unix sockets,"
                                        : "a kernel whose daemon does not see our directories";
    if (const auto reached = check_reach(which); !reached) return reached;
  }
  if (const auto sound = check_copying(); !sound) return sound;
  forks_ = !over_tcp && may_fork();
  if (const auto brought = bring_kernelspec(); !brought) return brought;
  limits_ = combine_limits(options_, request_.limits);
  make_report();
  return channels_.make(setting_.runtime_dir, {.kernel_id = request_.kernel_id.str(),
                                               .kernel_name = request_.spec.name,
                                               .container_name = name_,
                                               .daemon = setting_.engine->address().describe(),
                                               .keeps_container = !options_.auto_remove,
                                               .over_tcp = over_tcp,
                                               .uid = setting_.kernel_uid,
                                               .gid = setting_.kernel_gid});
}

void ContainerDesign::note_gvisor() {
  if (std::exchange(report_.kind, "docker+gvisor") == "docker+gvisor") return;  // started again
  report_.notes.emplace_back(
      "gVisor answers system calls, not this machine's kernel; the filter of system calls does not "
      "apply to it, and what it has of its own (user namespaces, io_uring) is its own");
}

// A container that is there before its kernel, or after it, has the command of its first one; and
// signals reach the server, not the kernel.
bool ContainerDesign::may_fork() const {
  return setting_.fork_servers && options_.command.empty() && options_.container_name.empty() &&
         !options_.reuse_container && options_.stop_container && options_.auto_remove &&
         request_.spec.interrupt_mode == InterruptMode::message &&
         !kernelspec_command(request_.spec, "fork_server").empty() &&
         !is_without_fork_server();
}

bool ContainerDesign::is_without_fork_server() const {
  const auto found = setting_.without_fork_server->find(fork_identity());
  return found != setting_.without_fork_server->end() && Clock::now() < found->second;
}

std::string ContainerDesign::fork_identity() const {
  std::string identity = (options_.image.empty() ? setting_.default_image : options_.image) + " " +
                         options_.build_path + " " + options_.runtime;
  for (const std::string& each : fork_server_inside(request_)) identity += " " + each;
  return identity;
}

void ContainerDesign::give_up_fork_server() {
  forks_ = false;
  auto& without = *setting_.without_fork_server;
  const TimePoint now = Clock::now();
  std::erase_if(without, [now](const auto& each) { return each.second <= now; });
  without.insert_or_assign(fork_identity(), now + limits::kForkServerRetry);
  name_ = own_name();  // the container that had the other is on its way out
}

std::vector<std::string> ContainerDesign::command() const {
  return forks_ ? fork_server_inside(request_)
                : command_inside(request_, options_, channels_.file_inside());
}

std::string ContainerDesign::own_name() const {
  return "perijove-" + request_.kernel_id.str().substr(0, 8) + "-" + random_hex(4);
}

Result<void> ContainerDesign::check_reach(const std::string& which) const {
  if (!options_.network.empty() && options_.network != "none") return {};
  return Error{Code::failed_precondition,
               which +
                   " is reached by TCP, and network 'none' has none; name a network of Docker's "
                   "that this machine reaches"};
}

Result<void> ContainerDesign::check_copying() const {
  if (!copies_work_dir() || !options_.read_only) return {};
  return Error{Code::failed_precondition,
               "with read_only the work directory cannot be made the kernel's own where files "
               "are copied into the container; leave read_only out, or mount a directory of the "
               "daemon's machine (bind_dir)"};
}

// The files that the kernelspec's command names are shown to the container, or copied into it.
Result<void> ContainerDesign::bring_kernelspec() {
  kernelspec_dir_.clear();
  const std::string& own = request_.spec.resource_dir;
  const bool wanted =
      names_resource_dir(options_.command.empty() ? request_.spec.argv : options_.command) ||
      names_resource_dir(kernelspec_command(request_.spec, "fork_server"));
  if (own.empty() || !wanted) return {};
  if (!copies_files_) {
    kernelspec_dir_ = own;
    return {};
  }
  auto tar = pack_directory("kernelspec '" + request_.spec.name + "'", own,
                            std::string(kKernelspecDirInside).substr(1) + "/", kKernelspecBytesMax);
  if (!tar) return tar.error();
  kernelspec_tar_ = *std::move(tar);
  return {};
}

// The work directory is a volume of the container's, unless the daemon has been shown another.
bool ContainerDesign::copies_work_dir() const { return copies_files_ && options_.bind_dir.empty(); }

// The daemon sees other files than we do, as it turns out.
Result<ContainerMake> ContainerDesign::make_blind(const Error& error) {
  if (options_.files != FileSharing::automatic || !options_.auto_remove) return error;
  *setting_.is_blind = true;
  copies_files_ = true;
  if (copies_work_dir()) {
    std::replace(report_.notes.begin(), report_.notes.end(), std::string(kShared),
                 std::string(kCopied));
  }
  const auto reached = check_reach("a kernel whose daemon does not see our directories");
  if (!reached) return reached.error();
  if (const auto sound = check_copying(); !sound) return sound.error();
  if (const auto brought = bring_kernelspec(); !brought) return brought.error();
  if (const auto moved = channels_.move_to_tcp(); !moved) return moved.error();
  forks_ = false;
  return make();
}

void ContainerDesign::make_report() {
  report_.kind = "docker";
  report_.network = options_.network.empty() ? "none" : options_.network;
  report_.limits = report_limits(limits_, options_);
  if (!limits_.memory_bytes) {
    report_.notes.emplace_back("memory is not limited: the kernel may take the machine's");
  }
  if (report_.network != "none") {
    report_.notes.push_back("the kernel reaches whatever Docker's network '" + report_.network +
                            "' reaches, often other containers, this machine and the Internet");
  }
  report_.notes.emplace_back(copies_work_dir() ? kCopied : kShared);
}

ContainerMake ContainerDesign::make() const {
  ContainerMake made;
  made.name = name_;
  made.options = options_;
  made.limits = limits_;
  if (channels_.over_tcp()) made.puts.push_back({kKernelDirInside, channels_.file_archive()});
  ContainerPlan& plan = made.plan;
  plan.image = options_.image.empty() ? setting_.default_image : options_.image;
  // A registry's image of that name would be somebody else's.
  if (options_.image.empty()) made.options.pull = PullPolicy::never;
  plan.command = with_init_command(options_.init_command, command());
  plan.env = environment_inside(request_.env);
  if (!request_.virtual_env.empty()) {
    plan.env["VIRTUAL_ENV"] = request_.virtual_env;
    plan.env["PATH"] = request_.virtual_env + "/bin:" + kPathInside;
  }
  plan.user = options_.user.empty()
                  ? std::to_string(setting_.kernel_uid) + ":" + std::to_string(setting_.kernel_gid)
                  : options_.user;
  if (!copies_files_) plan.work_dir = request_.work_dir;
  if (!options_.bind_dir.empty()) plan.work_dir = options_.bind_dir;
  if (copies_work_dir()) made.puts.push_back({"/", work_dir_archive()});
  if (!kernelspec_tar_.empty()) made.puts.push_back({"/", kernelspec_tar_});
  plan.kernelspec_dir = kernelspec_dir_;
  if (!channels_.over_tcp()) plan.kernel_dir = channels_.directory();
  plan.labels = {{kGatewayLabel, setting_.gateway_label}, {kKernelLabel, request_.kernel_id.str()}};
  if (!options_.stop_container) {
    plan.labels[kKeepLabel] = "running";
  } else if (!options_.auto_remove) {
    plan.labels[kKeepLabel] = "files";
  }
  return made;
}

// A volume is root's until somebody gives it away.
std::string ContainerDesign::work_dir_archive() const {
  const ContainerUser user = user_inside();
  TarEntry directory;
  directory.path = options_.work_dir_inside.substr(1);
  directory.is_directory = true;
  directory.mode = 0755;
  directory.uid = user.uid;
  directory.gid = user.gid;
  return tar_header(directory) + std::string(kTarEndBytes, '\0');
}

ContainerUser ContainerDesign::user_inside() const {
  return parse_user(options_.user)
      .value_or(ContainerUser{setting_.kernel_uid, setting_.kernel_gid});
}

ContainerSite ContainerDesign::site(const std::string& container_id) const {
  const ContainerUser user = user_inside();
  return {.container_id = container_id,
          .work_dir = options_.work_dir_inside,
          .shares_files = !copies_work_dir(),
          .owner = {.uid = user.uid, .gid = user.gid}};
}

}  // namespace perijove::docker
