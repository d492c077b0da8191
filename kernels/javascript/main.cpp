#include <stdexcept>

#include "guest/guest_main.hpp"
#include "guest/process.hpp"
#include "javascript/interpreter.hpp"

int main(int argc, char** argv) {
  using namespace perijove::kernels;
  return guest::guest_main(
      argc, argv,
      {"perijove-kernel-javascript",
       "A Jupyter kernel for JavaScript: one long-lived node runs all blocks of code.", [] {
         std::string node = guest::find_program("node");
         if (node.empty()) {
           throw std::runtime_error(
               "there is no 'node' on PATH; install Node.js 18 or later (Debian: nodejs)");
         }
         return std::make_unique<javascript::JavascriptInterpreter>(std::move(node));
       }});
}
