#pragma once

#include <span>
#include <string_view>

namespace perijove::kernels::python {

/// A module of the Python side; embed.py writes them down.
struct Source {
  std::string_view module;  ///< "kernel" is perijove_kernel/kernel.py
  std::string_view text;
  std::string_view code;  ///< compiled and marshalled, for CPythons with this code_magic()
};

std::span<const Source> sources();

/// importlib.util.MAGIC_NUMBER of the CPython that has compiled them.
std::string_view code_magic();

}  // namespace perijove::kernels::python
