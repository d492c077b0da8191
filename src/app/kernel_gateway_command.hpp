#pragma once

#include <string>
#include <vector>

namespace perijove {

/// The program as `jupyter-kernelgateway`, under which AG2, AutoGen's images, smolagents and
/// OpenHands start it: its options, and the lines that they wait for. Returns the exit code.
int run_kernel_gateway(const std::vector<std::string>& arguments);

}  // namespace perijove
