#include "guest/guest_main.hpp"

#include <cstdlib>
#include <iostream>
#include <string_view>
#include <vector>

#include "common/run_kernel.hpp"
#include "guest/process.hpp"

namespace perijove::kernels::guest {

int serve_guest(const GuestKernel& kernel, const std::string& connection_file) {
  try {
    adopt_orphans();
    run_kernel({connection_file}, kernel.make_interpreter());
    end_descendants();
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::cerr << kernel.executable << ": " << error.what() << '\n';
    end_descendants();
    return EXIT_FAILURE;
  }
}

int guest_main(int argc, char** argv, const GuestKernel& kernel) {
  constexpr int kUsageError = 2;
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.size() == 1 && (words[0] == "--help" || words[0] == "-h")) {
    std::cout << "usage: " << kernel.executable << " -f CONNECTION_FILE\n\n"
              << kernel.description
              << "\n\nThe kernel ends with the process whose id JPY_PARENT_PID holds, if that is "
                 "set.\n";
    return EXIT_SUCCESS;
  }
  if (words.size() == 1 && words[0] == "--version") {
    std::cout << kernel.executable << " " PERIJOVE_KERNEL_VERSION "\n";
    return EXIT_SUCCESS;
  }
  if (words.size() != 2 || words[0] != "-f") {
    std::cerr << kernel.executable << ": wanted: -f CONNECTION_FILE; see --help\n";
    return kUsageError;
  }
  return serve_guest(kernel, std::string(words[1]));
}

}  // namespace perijove::kernels::guest
