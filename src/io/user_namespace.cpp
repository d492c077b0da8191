#include "io/user_namespace.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "base/scope.hpp"

namespace perijove {
namespace {

bool write_file(const std::string& path, std::string_view text) {
  const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string map_line(const MappedUsers& users, id_t outside) {
  return std::to_string(users.inside) + " " + std::to_string(outside) + " " +
         std::to_string(users.count) + "\n";
}

}  // namespace

Result<FileDescriptor> make_user_namespace(const std::vector<MappedUsers>& users) {
  const auto cannot = [](const char* what) {
    return Error{Code::failed_precondition,
                 std::string("cannot ") + what + ": " + std::strerror(errno)};
  };
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return cannot("make a pipe");
  const FileDescriptor reader(ends[0]);
  FileDescriptor writer(ends[1]);
  // Without a signal at its end: it is nobody's to reap but ours. It calls the system only.
  const long pid = syscall(SYS_clone, CLONE_NEWUSER, 0, 0, 0, 0);
  if (pid < 0) return cannot("make a user namespace");
  if (pid == 0) {
    syscall(SYS_close, writer.get());
    char never = 0;
    syscall(SYS_read, reader.get(), &never, 1);
    syscall(SYS_exit_group, 0);
  }
  const ScopeExit reap([&writer, pid] {
    writer.reset();
    while (waitpid(static_cast<pid_t>(pid), nullptr, __WALL) < 0 && errno == EINTR) {
    }
  });
  const std::string process = "/proc/" + std::to_string(pid);
  if (geteuid() != 0 && !write_file(process + "/setgroups", "deny")) {
    return cannot("keep the groups of a user namespace");
  }
  std::string uid_map, gid_map;
  for (const MappedUsers& each : users) {
    uid_map += map_line(each, each.outside);
    // One's own group need not have one's own number.
    gid_map += map_line(each, each.outside == geteuid() ? getegid() : each.outside);
  }
  if (!write_file(process + "/uid_map", uid_map) || !write_file(process + "/gid_map", gid_map)) {
    return cannot("map users into a user namespace");
  }
  FileDescriptor made(open((process + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  if (!made) return cannot("open a user namespace");
  return made;
}

}  // namespace perijove
