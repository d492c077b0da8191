#include <iostream>
#include <perijove/executor.hpp>

int main() {
  perijove::ExecutorOptions options;
  options.kernel_name = "python3";
  options.work_dir = "out";    // images and HTML land here
  options.isolation = "none";  // the code is ours; without this it would run in a sandbox
  options.timeout = std::chrono::seconds(60);

  auto executor = perijove::Executor::start(options);
  if (!executor) return std::cerr << executor.error() << '\n', 1;

  auto result = executor->execute(
      {{.language = "python", .code = "x = 41"}, {.language = "python", .code = "x + 1"}});
  if (!result) return std::cerr << result.error() << '\n', 1;  // our failure: no kernel ...
  std::cout << result->output;
  if (auto x = executor->evaluate("x")) std::cout << "x is " << x->preview << '\n';
  return result->exit_code;  // the code's failure is a value, not an error
}
