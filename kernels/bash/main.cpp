#include <stdexcept>

#include "bash/interpreter.hpp"
#include "guest/guest_main.hpp"
#include "guest/process.hpp"

int main(int argc, char** argv) {
  using namespace perijove::kernels;
  return guest::guest_main(
      argc, argv,
      {"perijove-kernel-bash",
       "A Jupyter kernel for bash: one long-lived shell runs all blocks of code.", [] {
         std::string bash = guest::find_program("bash");
         if (bash.empty()) throw std::runtime_error("there is no bash on PATH");
         return std::make_unique<bash::BashInterpreter>(std::move(bash));
       }});
}
