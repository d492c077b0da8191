#include "python/orphan.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace perijove::kernels::python {

// The process between has no memory of its own: vfork() lends it ours, and this thread waits until
// it ends. So fork(), called there, copies what fork() called here would, with its handlers and
// locks; and what it stores is ours. Only the child may return from this function, for it alone has
// a stack of its own.
pid_t fork_orphan() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // a handler would run there and act for us
  volatile pid_t orphan = -1;
  volatile int error = 0;
  const pid_t between = vfork();
  if (between == 0) {
    const pid_t forked = fork();
    if (forked == 0) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      return 0;
    }
    orphan = forked;
    if (forked < 0) error = errno;
    _exit(0);
  }
  if (between < 0) error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  while (between > 0 && waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
  }
  errno = error;
  return orphan;
}

}  // namespace perijove::kernels::python
