#include "provision/sandbox/sandbox_fork.hpp"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.hpp"
#include "io/process_tree.hpp"

namespace perijove {
namespace {

// What the holder says when it runs, and with it all that bubblewrap does before it.
constexpr char kInside[] = "inside\n";
constexpr std::size_t kSaidBytesMax = 4096;

bool are_same(const FileDescriptor& a, const FileDescriptor& b) {
  struct stat first {
  }, second{};
  return fstat(a.get(), &first) == 0 && fstat(b.get(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

Error cannot(const std::string& what) {
  return {Code::unavailable, "cannot " + what + ": " + std::strerror(errno)};
}

}  // namespace

std::vector<std::string> SandboxFork::holder() {
  return {"/bin/sh", "-c", "echo inside; exec sleep infinity"};
}

std::shared_ptr<SandboxFork> SandboxFork::begin(Shard& shard, Order order,
                                                ChildProcess::OnOutput on_output,
                                                ChildProcess::OnExit on_exit, Started started) {
  std::shared_ptr<SandboxFork> made(new SandboxFork(shard));
  made->order_ = std::move(order);
  made->on_output_ = std::move(on_output);
  made->on_exit_ = std::move(on_exit);
  made->started_ = std::move(started);
  if (const auto held = made->hold(); !held) {
    boost::asio::post(shard.loop(), [weak = std::weak_ptr(made), error = held.error()] {
      if (const auto self = weak.lock()) self->end(error);
    });
  }
  return made;
}

Result<void> SandboxFork::hold() {
  const std::weak_ptr<SandboxFork> weak = weak_from_this();
  auto holder = ChildProcess::spawn(
      shard_, order_.holder,
      [weak](ByteView text) {
        if (const auto self = weak.lock()) self->hear(text);
      },
      [weak](const ProcessExit& exit) {
        const auto self = weak.lock();
        if (!self) return;
        // With a kernel in it, the system has killed that, too, and its end is told by itself.
        self->end(Error{Code::unavailable,
                        "its sandbox " + describe(exit) + ": " + std::string(trim(self->said_))});
      });
  if (!holder) return holder.error();
  holder_ = *std::move(holder);
  return {};
}

// Later the kernel itself can say things here: nobody listens then.
void SandboxFork::hear(ByteView text) {
  if (asked_ || said_.size() + text.size() > kSaidBytesMax) return;
  said_ += text;
  if (said_ != kInside) return;
  asked_ = true;
  ask();
}

// Those of the holder that a kernel is not in already, as its fork server is in namespaces like
// ours. First the user namespace that owns the others, with every capability; last the one that it
// stays in.
Result<ForkSandbox> SandboxFork::find_sandbox() {
  const auto inits = children_of(holder_->pid());
  if (inits.empty()) return Error{Code::unavailable, "its sandbox has no first process"};
  const auto holders = children_of(inits.front());
  if (holders.empty()) return Error{Code::unavailable, "its sandbox has no second process"};
  init_pid_ = inits.front();
  const std::string directory = "/proc/" + std::to_string(holders.front()) + "/ns/";
  ForkSandbox sandbox;
  FileDescriptor owner;
  for (const char* const name : {"cgroup", "ipc", "uts", "net", "mnt", "pid", "user"}) {
    FileDescriptor theirs(open((directory + name).c_str(), O_RDONLY | O_CLOEXEC));
    const FileDescriptor ours(
        open(("/proc/self/ns/" + std::string(name)).c_str(), O_RDONLY | O_CLOEXEC));
    if (!theirs || !ours) return cannot("open the namespace " + directory + name);
    if (are_same(theirs, ours)) continue;
    if (name == std::string_view("mnt")) {
      owner.reset(ioctl(theirs.get(), NS_GET_USERNS));
      if (!owner) return cannot("find the owner of a sandbox");
    }
    if (name == std::string_view("user") && are_same(theirs, owner)) continue;
    sandbox.namespaces.push_back(std::move(theirs));
  }
  sandbox.namespaces.insert(sandbox.namespaces.begin(), std::move(owner));
  for (const std::string& cgroup : order_.holder.cgroups) {
    sandbox.cgroups.emplace_back(open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!sandbox.cgroups.back()) return cannot("open the cgroup " + cgroup);
  }
  sandbox.uid = order_.uid;
  sandbox.filter = std::move(order_.filter);
  return sandbox;
}

void SandboxFork::ask() {
  const auto sandbox = find_sandbox();
  if (!sandbox) {
    end(sandbox.error());
    return;
  }
  order_.kernel.sandbox = &*sandbox;
  const std::weak_ptr<SandboxFork> weak = weak_from_this();
  order_.server->start_kernel(
      order_.kernel, on_output_,
      [weak, on_exit = on_exit_](const ProcessExit& exit) {
        // What it has left ends before that is told.
        if (const auto self = weak.lock()) self->holder_->kill_all();
        on_exit(exit);
      },
      // With the server, so that it lives until it has answered.
      [weak, server = order_.server](Result<std::unique_ptr<ChildProcess>> kernel) {
        if (const auto self = weak.lock()) self->end(std::move(kernel));
      });
  order_.kernel.sandbox = nullptr;
}

void SandboxFork::end(Result<std::unique_ptr<ChildProcess>> kernel) {
  if (!started_) return;
  const Started started = std::exchange(started_, nullptr);
  order_ = {};
  started(std::move(kernel));
}

}  // namespace perijove
