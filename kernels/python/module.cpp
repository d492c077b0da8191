#include "python/module.hpp"

#include <poll.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "common/run_kernel.hpp"
#include "guest/process.hpp"
#include "python/confinement.hpp"
#include "python/interpreter.hpp"
#include "python/orphan.hpp"
#include "python/own_memory.hpp"
#include "python/sources.hpp"

namespace perijove::kernels::python {
namespace {

/// The kernel of this process and who may still use it. Threads of users publish at any time, also
/// while the kernel ends.
struct Live {
  std::shared_mutex mutex;
  PythonInterpreter* interpreter = nullptr;  ///< under the mutex, or on the main thread
};

Live* live = new Live;  // never destroyed: daemon threads may outlast static objects

PyObject* none() { return Ref::share(Py_None).release(); }

PythonInterpreter* main_thread_kernel() {
  if (live->interpreter == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "no kernel is being served");
  }
  return live->interpreter;
}

PyObject* serve(PyObject*, PyObject* arguments) {
  PyObject* kernel = nullptr;
  PyObject* file = nullptr;
  if (PyArg_ParseTuple(arguments, "OU", &kernel, &file) == 0) return nullptr;
  const std::string connection_file = to_text(file);
  auto interpreter = std::make_unique<PythonInterpreter>(Ref::share(kernel));
  std::optional<std::string> fault;
  {
    const WithoutGil unlocked;
    live->interpreter = interpreter.get();
    try {
      run_kernel({connection_file}, std::move(interpreter));
    } catch (const std::exception& error) {
      withdraw();
      fault = error.what();
    }
  }
  if (!fault) return none();
  PyErr_SetString(PyExc_RuntimeError, fault->c_str());
  return nullptr;
}

PyObject* publish(PyObject*, PyObject* arguments) {
  PyObject* header = nullptr;
  PyObject* type = nullptr;
  PyObject* content = nullptr;
  PyObject* metadata = nullptr;
  PyObject* buffer_list = nullptr;
  if (PyArg_ParseTuple(arguments, "UUSSO", &header, &type, &content, &metadata, &buffer_list) ==
      0) {
    return nullptr;
  }
  Buffers buffers;
  if (!to_buffers(buffer_list, buffers)) return nullptr;
  const std::string header_text = to_text(header);
  const std::string type_text = to_text(type);
  std::string content_text = to_text(content);
  std::string metadata_text = to_text(metadata);

  {
    const WithoutGil unlocked;
    const std::shared_lock lock(live->mutex);
    if (live->interpreter != nullptr && live->interpreter->is_in_its_process()) {
      live->interpreter->live_server().publish_as_part_of(
          header_text, type_text, std::move(content_text), std::move(metadata_text),
          std::move(buffers));
    }
  }
  return none();
}

/// An interrupt was wanted. SIGINT has come or is about to: its handler raises KeyboardInterrupt,
/// and must have done so before this one does, for a second KeyboardInterrupt would hit whoever
/// handles the first.
PyObject* raise_interrupt(PyObject* = nullptr, PyObject* = nullptr) {
  constexpr int kMillisecondsOfPatience = 100;
  for (int i = 0; i < kMillisecondsOfPatience; ++i) {
    if (PyErr_CheckSignals() < 0) return nullptr;
    const WithoutGil unlocked;
    poll(nullptr, 0, 1);
  }
  PyErr_SetNone(PyExc_KeyboardInterrupt);  // the code has blocked the signal, or ignores it
  return nullptr;
}

PyObject* read_input(PyObject*, PyObject* arguments) {
  PyObject* prompt = nullptr;
  int password = 0;
  if (PyArg_ParseTuple(arguments, "Up", &prompt, &password) == 0) return nullptr;
  PythonInterpreter* const kernel = main_thread_kernel();
  if (kernel == nullptr) return nullptr;
  const std::string prompt_text = to_text(prompt);
  // The cell may have survived an interrupt; one that has not been raised yet counts.
  kernel->live_server().interrupt().forget();
  if (PyErr_CheckSignals() < 0) return nullptr;
  std::optional<std::string> line;
  std::optional<std::string> fault;
  {
    const WithoutGil unlocked;
    try {
      line = kernel->live_server().read_input(prompt_text, password != 0);
    } catch (const Interrupted&) {
      // See below.
    } catch (const std::exception& error) {
      fault = error.what();
    }
  }
  if (line) return to_str(*line).release();
  if (fault) {
    PyErr_SetString(PyExc_RuntimeError, fault->c_str());
    return nullptr;
  }
  return raise_interrupt();
}

PyObject* is_interrupted(PyObject*, PyObject*) {
  PythonInterpreter* const kernel = main_thread_kernel();
  if (kernel == nullptr) return nullptr;
  return PyBool_FromLong(kernel->live_server().interrupt().requested() ? 1 : 0);
}

PyObject* catch_sigint(PyObject*, PyObject*) {
  PythonInterpreter* const kernel = main_thread_kernel();
  if (kernel == nullptr) return nullptr;
  kernel->catch_sigint();
  return none();
}

PyObject* on_sigint(PyObject*, PyObject* arguments) {
  int number = 0;
  PyObject* frame = nullptr;
  if (PyArg_ParseTuple(arguments, "iO", &number, &frame) == 0) return nullptr;
  PythonInterpreter* const kernel = live->interpreter;
  // Not a Python function, which would appear in the traceback.
  if (kernel == nullptr) return none();  // the kernel is about to end
  if (kernel->is_in_its_process() && kernel->takes_interrupt(frame)) return none();
  PyErr_SetNone(PyExc_KeyboardInterrupt);
  return nullptr;
}

PyObject* catch_up(PyObject*, PyObject*) {
  {
    const WithoutGil unlocked;
    const std::shared_lock lock(live->mutex);
    if (live->interpreter != nullptr && live->interpreter->is_in_its_process()) {
      live->interpreter->catch_up();
    }
  }
  return none();
}

PyObject* end_soon(PyObject*, PyObject*) {
  PythonInterpreter* const kernel = main_thread_kernel();
  if (kernel == nullptr) return nullptr;
  kernel->end_soon();
  return none();
}

PyObject* original_stderr(PyObject*, PyObject*) {
  PythonInterpreter* const kernel = main_thread_kernel();
  if (kernel == nullptr) return nullptr;
  return PyLong_FromLong(kernel->original_stderr());
}

PyObject* own_descriptors(PyObject*, PyObject*) {
  PythonInterpreter* const kernel = main_thread_kernel();
  if (kernel == nullptr) return nullptr;
  Ref list(PyList_New(0));
  for (const int descriptor : kernel->own_descriptors()) {
    const Ref number(PyLong_FromLong(descriptor));
    if (!list || !number || PyList_Append(list.get(), number.get()) < 0) return nullptr;
  }
  return list.release();
}

PyObject* leave_to_parent(PyObject*, PyObject*) {
  PythonInterpreter* const kernel = main_thread_kernel();
  if (kernel == nullptr) return nullptr;
  if (kernel->is_in_its_process()) {
    PyErr_SetString(PyExc_RuntimeError, "this is the process that serves the kernel");
    return nullptr;
  }
  kernel->leave_to_parent();
  live = new Live;  // another thread may have held the lock of the former one
  return none();
}

bool to_descriptors(PyObject* sequence, std::vector<int>& descriptors) {
  const Py_ssize_t count = PySequence_Size(sequence);
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Ref item(PySequence_GetItem(sequence, i));
    if (!item) return false;
    descriptors.push_back(static_cast<int>(PyLong_AsLong(item.get())));
    if (PyErr_Occurred() != nullptr) return false;
  }
  return count >= 0;
}

PyObject* none_unless(const std::optional<Refusal>& refusal) {
  if (!refusal) return none();
  PyErr_Format(PyExc_OSError, "cannot %s: %s", refusal->step, std::strerror(refusal->error));
  return nullptr;
}

PyObject* enter_sandbox_from_python(PyObject*, PyObject* arguments) {
  PyObject* cgroup_list = nullptr;
  long long user = 0;
  PyObject* namespace_list = nullptr;
  if (PyArg_ParseTuple(arguments, "OLO", &cgroup_list, &user, &namespace_list) == 0) return nullptr;
  std::vector<int> cgroups, namespaces;
  if (!to_descriptors(cgroup_list, cgroups) || !to_descriptors(namespace_list, namespaces)) {
    return nullptr;
  }
  const auto become = user < 0 ? std::nullopt : std::optional<uid_t>(static_cast<uid_t>(user));
  return none_unless(enter_sandbox(cgroups, become, namespaces));
}

PyObject* confine_from_python(PyObject*, PyObject* filter) {
  const long descriptor = PyLong_AsLong(filter);
  if (PyErr_Occurred() != nullptr) return nullptr;
  return none_unless(confine(static_cast<int>(descriptor)));
}

PyObject* adopt_orphans_from_python(PyObject*, PyObject*) {
  guest::adopt_orphans();
  return none();
}

PyObject* reap_orphans_from_python(PyObject*, PyObject* spared) {
  const long process = PyLong_AsLong(spared);
  if (PyErr_Occurred() != nullptr) return nullptr;
  guest::reap_orphans(static_cast<pid_t>(process));
  return none();
}

PyObject* end_descendants_from_python(PyObject*, PyObject*) {
  Py_BEGIN_ALLOW_THREADS;
  guest::end_descendants();
  Py_END_ALLOW_THREADS;
  return none();
}

// As os.fork() does it.
PyObject* fork_orphan_from_python(PyObject*, PyObject*) {
  PyOS_BeforeFork();
  const pid_t process = fork_orphan();
  const int error = errno;
  if (process == 0) {
    PyOS_AfterFork_Child();
  } else {
    PyOS_AfterFork_Parent();
  }
  if (process >= 0) return PyLong_FromLong(process);
  errno = error;
  return PyErr_SetFromErrno(PyExc_OSError);
}

PyObject* own_pages_from_python(PyObject*, PyObject*) {
  Ref list(PyList_New(0));
  for (const PageRange& range : own_pages()) {
    const Ref item(Py_BuildValue("KK", static_cast<unsigned long long>(range.address),
                                 static_cast<unsigned long long>(range.bytes)));
    if (!list || !item || PyList_Append(list.get(), item.get()) < 0) return nullptr;
  }
  return list.release();
}

PyObject* own_from_python(PyObject*, PyObject* list) {
  std::vector<PageRange> ranges;
  const Py_ssize_t count = PySequence_Size(list);
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Ref item(PySequence_GetItem(list, i));
    unsigned long long address = 0, bytes = 0;
    if (!item || PyArg_ParseTuple(item.get(), "KK", &address, &bytes) == 0) return nullptr;
    ranges.push_back({static_cast<std::uintptr_t>(address), static_cast<std::size_t>(bytes)});
  }
  if (count < 0) return nullptr;
  own(ranges);
  return none();
}

PyMethodDef functions[] = {
    {"serve", serve, METH_VARARGS,
     "serve(kernel, connection_file): serves until a client shuts the kernel down."},
    {"publish", publish, METH_VARARGS,
     "publish(request_header, msg_type, content, metadata, buffers): sends on iopub. content and "
     "metadata are JSON as bytes, buffers a list of bytes. Any thread."},
    {"read_input", read_input, METH_VARARGS,
     "read_input(prompt, password) -> str: asks the client of the running request."},
    {"is_interrupted", is_interrupted, METH_NOARGS,
     "Whether an interrupt was wanted since the running request came."},
    {"raise_interrupt", raise_interrupt, METH_NOARGS,
     "Raises KeyboardInterrupt, once, when an interrupt was wanted."},
    {"catch_sigint", catch_sigint, METH_NOARGS,
     "To be called after signal.signal(SIGINT, ...): makes the kernel hear of the signal first."},
    {"on_sigint", on_sigint, METH_VARARGS,
     "The handler for signal.signal(SIGINT, ...): raises KeyboardInterrupt unless the kernel's "
     "on_interrupt() says how it has dealt with it."},
    {"catch_up", catch_up, METH_NOARGS,
     "Publishes what was written to the descriptors 1 and 2. Any thread."},
    {"end_soon", end_soon, METH_NOARGS, "Ends the kernel after the running request."},
    {"original_stderr", original_stderr, METH_NOARGS,
     "A descriptor of the stderr that the kernel was started with."},
    {"own_descriptors", own_descriptors, METH_NOARGS,
     "The descriptors that belong to the kernel, and not to the code that it runs."},
    {"leave_to_parent", leave_to_parent, METH_NOARGS,
     "In the child of a fork: closes what belongs to the kernel of the parent, so that serve() can "
     "be called for another one."},
    {"enter_sandbox", enter_sandbox_from_python, METH_VARARGS,
     "enter_sandbox(cgroups, user, namespaces): in a fork with one thread; the lists are of "
     "descriptors, a user of -1 is the same as before. Its next children are in the sandbox."},
    {"confine", confine_from_python, METH_O,
     "confine(filter): in such a child; gives up every privilege and filters its system calls."},
    {"adopt_orphans", adopt_orphans_from_python, METH_NOARGS,
     "From now on what a descendant leaves behind is a child of this process."},
    {"reap_orphans", reap_orphans_from_python, METH_O,
     "reap_orphans(spared): collects children that have ended, but for that one."},
    {"fork_orphan", fork_orphan_from_python, METH_NOARGS,
     "os.fork(), but whoever adopts orphans is the parent of the child."},
    {"own_pages", own_pages_from_python, METH_NOARGS,
     "In the child of a fork: (address, bytes) of the memory that is no longer shared with its "
     "parent; [] where the system does not tell."},
    {"own", own_from_python, METH_O,
     "own(pages): has that memory to itself at once, which is faster than at each first write."},
    {"end_descendants", end_descendants_from_python, METH_NOARGS,
     "Kills every descendant and waits for their ends; a bounded number of rounds."},
    {nullptr, nullptr, 0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          kModuleName,
                          "The C++ side of Perijove's Python kernel.",
                          -1,
                          functions,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace

void withdraw() {
  const std::unique_lock lock(live->mutex);
  live->interpreter = nullptr;
}

PyObject* init_module() {
  Ref module(PyModule_Create(&definition));
  if (!module) return nullptr;
  const Ref texts(PyDict_New());
  const Ref codes(PyDict_New());
  const Ref magic = to_bytes(code_magic());
  if (!texts || !codes || !magic) return nullptr;
  for (const Source& source : sources()) {
    const std::string name(source.module);
    const Ref text = to_str(source.text);
    const Ref code = to_bytes(source.code);
    if (!text || PyDict_SetItemString(texts.get(), name.c_str(), text.get()) < 0 || !code ||
        PyDict_SetItemString(codes.get(), name.c_str(), code.get()) < 0) {
      return nullptr;
    }
  }
  PyObject_SetAttrString(module.get(), "SOURCES", texts.get());
  PyObject_SetAttrString(module.get(), "CODE", codes.get());
  PyObject_SetAttrString(module.get(), "CODE_MAGIC", magic.get());
  PyModule_AddStringConstant(module.get(), "VERSION", PERIJOVE_KERNEL_VERSION);
  return PyErr_Occurred() == nullptr ? module.release() : nullptr;
}

bool import_package() {
  const Ref module(PyImport_ImportModule(kModuleName));
  if (!module) return false;
  for (const Source& source : sources()) {
    if (source.module != "loader") continue;
    const Ref code(Py_CompileString(std::string(source.text).c_str(), "<perijove_kernel/loader.py>",
                                    Py_file_input));
    if (!code) return false;
    const Ref loader(PyImport_ExecCodeModule("_perijove_kernel_loader", code.get()));
    return static_cast<bool>(loader);
  }
  return false;
}

}  // namespace perijove::kernels::python
