#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "common/interpreter.hpp"
#include "python/capture.hpp"
#include "python/nudge.hpp"
#include "python/python.hpp"

namespace perijove::kernels::python {

/// Hands requests to a Python object, the Kernel of perijove_kernel/kernel.py, whose methods take
/// and return JSON texts.
///
/// The lock of the Python interpreter is held while one of those methods runs, and not otherwise.
class PythonInterpreter final : public Interpreter {
 public:
  /// The lock must be held, here and at the end of this object.
  explicit PythonInterpreter(Ref kernel);
  ~PythonInterpreter() override;

  // What the Python side asks for. The lock need not be held.

  Server& live_server() noexcept { return server(); }
  void catch_up();
  int original_stderr() const noexcept;
  /// Whether an interrupt in this frame needs no KeyboardInterrupt. On the main thread, which holds
  /// the lock.
  bool takes_interrupt(PyObject* frame);
  /// Takes SIGINT back after somebody else has set a handler for it.
  void catch_sigint();
  /// The kernel is to end after the running request.
  void end_soon() noexcept { ends_soon_ = true; }
  /// The descriptors of the kernel itself, those of its clients' connections included.
  std::vector<int> own_descriptors();
  /// In the child of a fork that is to be a kernel of its own: closes what is the parent's, sockets
  /// above all, which would otherwise outlive it. Only descriptors: the threads behind the objects
  /// are not there, so this object is never to be used, or destroyed, again.
  void leave_to_parent();
  /// False in a child that code has forked off: it has no sockets.
  bool is_in_its_process() const noexcept;

 private:
  void on_attached() override;
  void configure_impl() override {}
  nlohmann::json execute_request_impl(int execution_count, const std::string& code, bool silent,
                                      bool store_history, nlohmann::json user_expressions,
                                      bool allow_stdin) override;
  nlohmann::json complete_request_impl(const std::string& code, int cursor_pos) override;
  nlohmann::json inspect_request_impl(const std::string& code, int cursor_pos,
                                      int detail_level) override;
  nlohmann::json is_complete_request_impl(const std::string& code) override;
  nlohmann::json kernel_info_request_impl() override;
  void shutdown_request_impl() override;

  /// The text that this method of the Python kernel returns; its exception as a C++ one. The lock
  /// must be held.
  std::string call(const char* method, std::initializer_list<PyObject*> arguments);
  std::string handle(const char* method, const Request& request);
  void wait_for_request(int shell_fd, int wake_fd);

  Ref kernel_;
  const pid_t process_;
  std::vector<int> descriptors_;  ///< those of the kernel itself; at first, those of others
  std::optional<Capture> capture_;
  std::optional<Nudge> nudge_;
  bool ends_soon_ = false;
};

}  // namespace perijove::kernels::python
