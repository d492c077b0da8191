#pragma once

#include <string>
#include <vector>

#include "app/serve_options.hpp"
#include "base/environment.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// What a command line of jupyter_kernel_gateway asks for.
struct KernelGatewayOptions {
  ServeOptions serve;
  bool version = false;               ///< --version
  bool help = false;                  ///< --help, --help-all
  std::vector<std::string> warnings;  ///< Options that are not known and so were ignored.
};

/// Reads jupyter_kernel_gateway's options: `--Class.trait=value`, `--Class.trait value`, its
/// aliases
/// (`--ip`, `--port` ...) and flags (`-y`, `--debug`), and its variables KG_*; flags win. Its
/// defaults hold: port 8888 with 50 further ones tried, and no listing of kernels; but it logs
/// warnings only.
///
/// Traits that are not known are warned of and ignored, as traitlets does. Errors: what cannot be
/// read, and what would make the gateway another one if it were ignored (TLS files, notebook-http,
/// seeding): unimplemented.
Result<KernelGatewayOptions> read_kernel_gateway_options(const std::vector<std::string>& arguments,
                                                         const Environment& environment);

}  // namespace perijove
