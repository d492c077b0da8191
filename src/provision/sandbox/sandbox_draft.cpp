#include "provision/sandbox/sandbox_draft.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "provision/sandbox/program_files.hpp"

namespace perijove {
namespace {

// Of /etc what programs and interpreters read to start; no names of users, no keys, no hosts.
const std::vector<std::string> kSystemFiles = {"/etc/alternatives",
                                               "/etc/ld.so.cache",
                                               "/etc/ld.so.conf",
                                               "/etc/ld.so.conf.d",
                                               "/etc/localtime",
                                               "/etc/timezone",
                                               "/etc/ssl/certs",
                                               "/etc/ssl/openssl.cnf",
                                               "/etc/ca-certificates",
                                               "/etc/mime.types",
                                               "/etc/fonts",
                                               "/etc/matplotlibrc",
                                               "/etc/R",
                                               "/etc/ipython",
                                               "/etc/jupyter",
                                               "/etc/python3",
                                               "/etc/python3.9",
                                               "/etc/python3.10",
                                               "/etc/python3.11",
                                               "/etc/python3.12",
                                               "/etc/python3.13",
                                               "/etc/python3.14",
                                               "/etc/terminfo",
                                               "/etc/inputrc",
                                               "/etc/bash.bashrc",
                                               "/etc/magic",
                                               "/etc/ImageMagick-6"};
const std::vector<std::string> kNetworkFiles = {"/etc/resolv.conf", "/etc/hosts", "/etc/services",
                                                "/etc/protocols"};

}  // namespace

SandboxDraft::SandboxDraft(const SandboxMachine& machine, int first_descriptor)
    : machine_(machine), first_descriptor_(first_descriptor) {
  plan.disable_userns = machine.knows_disable_userns;
}

// A gateway that is root may pass directories that the sandbox's user may not: what is in them is
// staged. A user's own are reached by their names.
void SandboxDraft::add_bind(FileDescriptor source, const std::string& path,
                            const std::string& target, bool read_only) {
  std::string reached = path;
  if (identity) {
    const std::string name = std::to_string(identity->mounts.size());
    identity->mounts.push_back({source.get(), name});
    reached = kStageDirectory + ("/" + name);
    sources_.push_back(std::move(source));
  }
  plan.binds.push_back({std::move(reached), target, read_only});
}

void SandboxDraft::add_program_files(const std::string& program,
                                     const std::vector<std::string>& argv,
                                     const std::string& resource_dir, const std::string& except) {
  std::vector<std::string> already_there = machine_.system_directories;
  for (const auto& [ignored, path] : machine_.system_links) already_there.push_back(path);
  if (!except.empty()) already_there.push_back(except);
  for (const SandboxBind& bind : plan.binds) already_there.push_back(bind.target);
  for (const std::string& path :
       program_files(program, argv, resource_dir, machine_.policy, already_there)) {
    FileDescriptor opened(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (opened) add_bind(std::move(opened), path, path, true);
  }
}

bool SandboxDraft::shows(const std::string& path) const {
  const auto covers = [&path](const std::string& each) { return is_within(path, each); };
  const auto& links = machine_.system_links;
  const auto& directories = machine_.system_directories;
  return covers(plan.work_dir) || std::any_of(directories.begin(), directories.end(), covers) ||
         std::any_of(links.begin(), links.end(),
                     [&](const auto& link) { return covers(link.second); }) ||
         std::any_of(plan.binds.begin(), plan.binds.end(),
                     [&](const SandboxBind& bind) { return covers(bind.target); });
}

Result<void> SandboxDraft::add_system() {
  plan.system_links = machine_.system_links;
  plan.system_directories = machine_.system_directories;
  plan.system_files = kSystemFiles;
  const std::string id = std::to_string(kSandboxUid);
  std::vector<std::pair<std::string, std::string>> texts = {
      {"/etc/passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\nkernel:x:" + id + ":" + id +
                          ":kernel:" + kSandboxHome + ":/bin/sh\n"},
      {"/etc/group", "root:x:0:\nkernel:x:" + id + ":\n"},
      {"/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"}};
  if (plan.host_network) {
    plan.system_files.insert(plan.system_files.end(), kNetworkFiles.begin(), kNetworkFiles.end());
  } else {
    texts.emplace_back("/etc/hosts", "127.0.0.1 localhost kernel\n::1 localhost\n");
  }
  for (const auto& [path, text] : texts) {
    const auto descriptor = add_text(text);
    if (!descriptor) return descriptor.error();
    plan.files.push_back({*descriptor, path});
  }
  return {};
}

Result<void> SandboxDraft::add_filter() {
  if (!machine_.filter) return machine_.filter.error();
  const auto descriptor = add_text(*machine_.filter);
  if (!descriptor) return descriptor.error();
  plan.seccomp_descriptor = *descriptor;
  return {};
}

Result<SpawnRequest> SandboxDraft::command(const std::vector<std::string>& command,
                                           const Environment& env) {
  plan.env = env;
  std::string options;
  for (const std::string& each : bwrap_options(plan)) {
    if (each.find('\0') != each.npos) {
      return Error{Code::invalid_argument, "a variable of the environment has a NUL in it"};
    }
    options += each + '\0';
  }
  const auto options_descriptor = add_text(options);
  if (!options_descriptor) return options_descriptor.error();
  SpawnRequest spawn;
  spawn.env = {{"PATH", "/usr/bin:/bin"}};
  spawn.work_dir = "/";
  spawn.argv = {machine_.bwrap, "--args", std::to_string(*options_descriptor), "--"};
  spawn.argv.insert(spawn.argv.end(), command.begin(), command.end());
  for (const FileDescriptor& text : texts_) spawn.descriptors.push_back(text.get());
  spawn.identity = identity;
  return spawn;
}

void SandboxDraft::rewind() {
  for (const FileDescriptor& text : texts_) lseek(text.get(), 0, SEEK_SET);
}

int SandboxDraft::filter() const {
  const int index = plan.seccomp_descriptor - first_descriptor_;
  return index < 0 ? -1 : texts_[static_cast<std::size_t>(index)].get();
}

void SandboxDraft::close() {
  texts_.clear();
  sources_.clear();
}

Result<int> SandboxDraft::add_text(const std::string& text) {
  FileDescriptor file(memfd_create("perijove-sandbox", MFD_CLOEXEC));
  if (!file || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      lseek(file.get(), 0, SEEK_SET) != 0) {
    return Error{Code::unavailable,
                 std::string("cannot find memory for a sandbox: ") + std::strerror(errno)};
  }
  texts_.push_back(std::move(file));
  return first_descriptor_ + static_cast<int>(texts_.size()) - 1;
}

}  // namespace perijove
