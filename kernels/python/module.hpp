#pragma once

#include "python/python.hpp"

namespace perijove::kernels::python {

/// The name under which Python code imports the C++ side.
inline constexpr const char* kModuleName = "_perijove_kernel";

/// The init function of that module: for PyImport_AppendInittab, and, in the shared object, for
/// Python itself.
PyObject* init_module();

/// Imports perijove_kernel, whose modules are texts in this binary. False with a Python exception
/// set. The lock must be held.
bool import_package();

/// The server is about to end: from now on Python code that publishes is not heard. Waits for
/// threads that are publishing; the lock must not be held.
void withdraw();

}  // namespace perijove::kernels::python
