#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace perijove::kernels::python {

/// Whole pages.
struct PageRange {
  std::uintptr_t address;
  std::size_t bytes;
};

/// In the child of a fork: the writable memory, in order, that it does not share with its parent
/// (any more), because one of them has written to it. Without the heap of malloc(), where each
/// child finds other places free. Empty where the system does not tell.
std::vector<PageRange> own_pages();

/// Has memory like that, which another child of the same parent has told, to itself at once. A page
/// that is copied at its first write costs several times as much. Does nothing where the system
/// cannot do it (Linux before 5.14), and nothing wrong where a range is not there (any more).
void own(const std::vector<PageRange>& ranges);

}  // namespace perijove::kernels::python
