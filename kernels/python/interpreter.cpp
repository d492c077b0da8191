#include "python/interpreter.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "python/descriptors.hpp"
#include "python/module.hpp"

namespace perijove::kernels::python {

using nlohmann::json;

namespace {

/// A Python exception that nobody on the Python side has handled.
class PythonError : public std::runtime_error {
 public:
  explicit PythonError(Fault python_fault)
      : std::runtime_error(python_fault.type + ": " + python_fault.message),
        fault(std::move(python_fault)) {}
  const Fault fault;
};

pthread_t main_thread;
std::atomic<Nudge*> live_nudge = nullptr;

/// Raises KeyboardInterrupt, by way of the handler that Python code has set for SIGINT, and wakes
/// the system calls of the main thread.
void raise_in_python(Interrupt::Origin origin) {
  if (origin == Interrupt::Origin::kSignal) {
    if (pthread_equal(pthread_self(), main_thread) != 0) {
      PyErr_SetInterrupt();
      if (Nudge* const nudge = live_nudge) nudge->begin();
    } else {
      pthread_kill(main_thread, SIGINT);  // comes here once more, on that thread
    }
  } else if (getpgrp() == getpid()) {
    kill(0, SIGINT);  // what the cell has started is meant, too, and may be what it waits for
  } else {
    pthread_kill(main_thread, SIGINT);
  }
}

Ref boolean(bool value) { return Ref(PyBool_FromLong(value ? 1 : 0)); }

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

PythonInterpreter::PythonInterpreter(Ref kernel)
    : kernel_(std::move(kernel)), process_(getpid()), descriptors_(open_descriptors()) {}

PythonInterpreter::~PythonInterpreter() {
  const Gil gil;
  kernel_ = Ref();
}

bool PythonInterpreter::is_in_its_process() const noexcept { return getpid() == process_; }

void PythonInterpreter::on_attached() {
  main_thread = pthread_self();
  nudge_.emplace();
  live_nudge = &*nudge_;
  server().interrupt().relay_to(raise_in_python);
  catch_sigint();
  capture_.emplace(server());
  // xeus publishes the input with a count of its own; the Python side does it with the right one.
  register_publisher([](const std::string&, const json&, const json&, xeus::buffer_sequence) {});
  server().set_idle_wait(
      [this](int shell_fd, int wake_fd) { wait_for_request(shell_fd, wake_fd); });
  for (const char* const type : {"comm_open", "comm_msg", "comm_close", "comm_info_request"}) {
    server().set_handler(type, [this, type](const Request& request) {
      capture_->begin_block();
      return handle(type, request);
    });
  }
  server().set_handler("perijove_fork_request",
                       [this](const Request& request) { return handle("fork_request", request); });
  server().set_debug_handler(
      [this](const Request& request) { return handle("debug_request", request); });
  std::vector<int> own;
  const std::vector<int> now = open_descriptors();
  std::set_difference(now.begin(), now.end(), descriptors_.begin(), descriptors_.end(),
                      std::back_inserter(own));
  descriptors_ = std::move(own);
  const Gil gil;
  call("on_started", {});
}

std::vector<int> PythonInterpreter::own_descriptors() {
  std::vector<int> own = descriptors_;
  for (const int descriptor : open_descriptors()) {
    // Of clients that have connected since.
    if (belongs_to(descriptor, server().connection())) own.push_back(descriptor);
  }
  return own;
}

void PythonInterpreter::leave_to_parent() {
  const std::vector<int> own = own_descriptors();  // some of them twice, which does no harm
  if (capture_) capture_->give_back();
  for (const int descriptor : own) close(descriptor);
}

void PythonInterpreter::catch_sigint() {
  server().interrupt().catch_sigint(Interrupt::SystemCalls::kFail);
}

bool PythonInterpreter::takes_interrupt(PyObject* frame) {
  nudge_->end();
  try {
    return !call("on_interrupt", {frame}).empty();
  } catch (const PythonError&) {
    return false;
  }
}

void PythonInterpreter::catch_up() {
  if (capture_) capture_->catch_up();
}

int PythonInterpreter::original_stderr() const noexcept {
  return capture_ ? capture_->original_stderr() : STDERR_FILENO;
}

std::string PythonInterpreter::call(const char* method,
                                    std::initializer_list<PyObject*> arguments) {
  const Ref function(PyObject_GetAttrString(kernel_.get(), method));
  const Ref tuple(PyTuple_New(static_cast<Py_ssize_t>(arguments.size())));
  if (!function || !tuple) throw PythonError(take_fault());
  Py_ssize_t index = 0;
  for (PyObject* const argument : arguments) {
    if (argument == nullptr) throw PythonError(take_fault());
    PyTuple_SetItem(tuple.get(), index++, Ref::share(argument).release());
  }
  const Ref result(PyObject_CallObject(function.get(), tuple.get()));
  if (!result) throw PythonError(take_fault());
  if (result.get() == Py_None) return {};
  std::string text = to_text(result.get());
  if (PyErr_Occurred() != nullptr) throw PythonError(take_fault());
  return text;
}

json PythonInterpreter::execute_request_impl(int, const std::string& code, bool silent,
                                             bool store_history, json user_expressions,
                                             bool allow_stdin) {
  capture_->begin_block();
  json reply;
  try {
    const Gil gil;
    // A signal that came before this request must not meet its code.
    if (PyErr_CheckSignals() < 0) take_fault();
    reply = json::parse(
        call("execute", {to_str(server().request_header()).get(), to_str(code).get(),
                         boolean(silent).get(), boolean(store_history).get(),
                         to_str(dump(user_expressions)).get(), boolean(allow_stdin).get()}));
  } catch (const PythonError& error) {
    // An interrupt in the moment between two steps of the Python side, or a fault of it.
    reply = {{"status", "error"},
             {"ename", error.fault.type},
             {"evalue", error.fault.message},
             {"traceback", {error.what()}}};
    server().publish("error", dump(reply));
  }
  if (!is_in_its_process()) {
    // A child that the code has forked off and let go on: the sockets are not its own.
    _exit(0);
  }
  server().count_as(reply.value("execution_count", 0));
  capture_->catch_up();
  if (ends_soon_) server().stop();
  return reply;
}

json PythonInterpreter::complete_request_impl(const std::string& code, int cursor_pos) {
  const Gil gil;
  const Ref cursor(PyLong_FromLong(cursor_pos));
  return json::parse(call("complete", {to_str(code).get(), cursor.get()}));
}

json PythonInterpreter::inspect_request_impl(const std::string& code, int cursor_pos,
                                             int detail_level) {
  const Gil gil;
  const Ref cursor(PyLong_FromLong(cursor_pos));
  const Ref detail(PyLong_FromLong(detail_level));
  return json::parse(call("inspect", {to_str(code).get(), cursor.get(), detail.get()}));
}

json PythonInterpreter::is_complete_request_impl(const std::string& code) {
  const Gil gil;
  return json::parse(call("is_complete", {to_str(code).get()}));
}

json PythonInterpreter::kernel_info_request_impl() {
  const Gil gil;
  return json::parse(call("info", {}));
}

std::string PythonInterpreter::handle(const char* method, const Request& request) {
  const Gil gil;
  return call(method,
              {to_str(request.header_text).get(), to_str(dump(request.data.m_metadata)).get(),
               to_str(dump(request.data.m_content)).get(), to_list(request.data.m_buffers).get()});
}

void PythonInterpreter::wait_for_request(int shell_fd, int wake_fd) {
  {
    const Gil gil;
    const Ref shell(PyLong_FromLong(shell_fd));
    const Ref wake(PyLong_FromLong(wake_fd));
    if (!call("wait", {shell.get(), wake.get()}).empty()) return;  // its event loop has waited
  }
  std::array polled = {pollfd{shell_fd, POLLIN, 0}, pollfd{wake_fd, POLLIN, 0}};
  if (poll(polled.data(), polled.size(), -1) >= 0) return;
  // A signal: its Python handler must not wait until the next cell runs.
  const Gil gil;
  if (PyErr_CheckSignals() < 0) take_fault();
}

// While the server is still there to publish what comes last.
void PythonInterpreter::shutdown_request_impl() {
  {
    const Gil gil;
    try {
      call("shutdown", {});
    } catch (const PythonError&) {
      // The kernel ends whatever its Python side thinks of it.
    }
  }
  withdraw();
  capture_.reset();
  live_nudge = nullptr;
  nudge_.reset();
}

}  // namespace perijove::kernels::python
