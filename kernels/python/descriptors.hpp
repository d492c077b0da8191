#pragma once

#include <vector>

#include "common/connection.hpp"

namespace perijove::kernels::python {

/// The descriptors that are open in this process, in ascending order.
std::vector<int> open_descriptors();

/// True for a socket that listens at, or was accepted at, one of the endpoints of this connection.
bool belongs_to(int descriptor, const Connection& connection);

}  // namespace perijove::kernels::python
