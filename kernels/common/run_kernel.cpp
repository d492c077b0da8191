#include "common/run_kernel.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <xeus/xkernel.hpp>

#include "common/history.hpp"

namespace perijove::kernels {
namespace {

/// A pidfd of the process named by JPY_PARENT_PID, as jupyter_client sets it for kernels that are
/// to die with it; -1 when none is named.
int open_parent() {
  const char* const text = std::getenv("JPY_PARENT_PID");
  if (text == nullptr) return -1;
  const std::string_view digits = text;
  pid_t parent = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), parent);
  if (error != std::errc() || end != digits.data() + digits.size() || parent <= 1) return -1;
  const long fd = syscall(SYS_pidfd_open, parent, 0);
  if (fd < 0 && errno == ESRCH) {
    throw std::runtime_error("the process that JPY_PARENT_PID names is gone: " +
                             std::string(digits));
  }
  // gVisor's older releases have none: whoever starts kernels there ends them with their container.
  if (fd < 0 && errno == ENOSYS) return -1;
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "pidfd_open");
  return static_cast<int>(fd);
}

}  // namespace

void run_kernel(const KernelOptions& options, std::unique_ptr<Interpreter> interpreter) {
  ServerOptions server_options;
  server_options.connection = read_connection_file(options.connection_file);
  server_options.iopub_welcome = options.iopub_welcome;
  server_options.parent_fd = open_parent();

  // xserver::start() greets there, where people look for what went wrong with a kernel.
  std::clog.setstate(std::ios::failbit);

  Interpreter& ours = *interpreter;
  xeus::xkernel kernel("kernel", xeus::make_context<ServerContext>(std::move(server_options)),
                       std::move(interpreter), make_server, std::make_unique<History>());
  auto& server = dynamic_cast<Server&>(kernel.get_server());
  server.interrupt().catch_sigint();
  ours.attach(server);
  kernel.start();
  // Comms refer to the kernel's core, which is destroyed before the interpreter that holds them:
  // its shutdown_request_impl() lets go of them.
  kernel.stop();
}

}  // namespace perijove::kernels
