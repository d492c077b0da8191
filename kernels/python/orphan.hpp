#pragma once

#include <sys/types.h>

namespace perijove::kernels::python {

/// fork(), but the child is an orphan at once: whoever adopts orphans of this process is its
/// parent. 0 in the child; -1 with errno when there is none. The memory is copied once, as by
/// fork(): a second fork, which is the usual way, would copy the page tables of a large process
/// twice and tear one of them down. Any thread; the calling one lives on in the child.
pid_t fork_orphan();

}  // namespace perijove::kernels::python
