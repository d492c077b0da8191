#include "python/module.hpp"

// What CPython looks for in _perijove_kernel.abi3.so.
PyMODINIT_FUNC PyInit__perijove_kernel() { return perijove::kernels::python::init_module(); }
