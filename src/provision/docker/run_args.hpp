#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "perijove/result.hpp"
#include "provision/docker/container_options.hpp"

namespace perijove::docker {

/// Divides `--cpus 2 -v "/my data:/data"` into words as a shell would, without expanding anything:
/// white space, quotes and backslashes. Errors: invalid_argument for an open quote.
Result<std::vector<std::string>> split_run_args(std::string_view text);

/// Puts what flags of `docker run` say into `options`. Errors: invalid_argument for a flag that is
/// not known (with what may have been meant), lacks its value, or cannot be had here, with why.
Result<void> apply_run_args(const std::vector<std::string>& args, ContainerOptions& options);

}  // namespace perijove::docker
