// This file alone uses more of CPython than the limited API: how an interpreter is configured is
// not part of it.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace perijove::kernels::python {
// python/module.hpp, whose Python.h would be the limited one.
PyObject* init_module();
bool import_package();
}  // namespace perijove::kernels::python

namespace {

constexpr int kCannotStart = 1;

[[noreturn]] void fail(const PyStatus& status) {
  std::fprintf(stderr, "perijove-kernel-python: cannot start Python: %s\n",
               status.err_msg == nullptr ? "it gives no reason" : status.err_msg);
  std::exit(kCannotStart);
}

/// As if `python` itself had been started: its site-packages, its sys.executable, its environment
/// variables.
void start_python(const char* python, int argc, char** argv) {
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  config.parse_argv = 0;
  PyStatus status = PyConfig_SetBytesString(&config, &config.program_name, python);
  if (PyStatus_Exception(status) == 0) status = PyConfig_SetBytesArgv(&config, argc, argv);
  if (PyStatus_Exception(status) == 0) status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status) != 0) fail(status);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace perijove::kernels::python;
  PyImport_AppendInittab("_perijove_kernel", init_module);
  start_python(PERIJOVE_PYTHON_EXECUTABLE, argc, argv);
  if (import_package()) {
    PyObject* const main_module = PyImport_ImportModule("perijove_kernel.main");
    PyObject* const status =
        main_module == nullptr ? nullptr : PyObject_CallMethod(main_module, "main", nullptr);
    if (status != nullptr) return static_cast<int>(PyLong_AsLong(status));
  }
  PyErr_Print();
  return kCannotStart;
}
