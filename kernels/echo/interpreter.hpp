#pragma once

#include <string>

#include "common/interpreter.hpp"
#include "echo/command.hpp"

namespace perijove::kernels::echo {

struct EchoOptions {
  bool answers_kernel_info = true;
};

/// A cell is a list of commands, one to a line; what is no command is echoed as a result.
class EchoInterpreter final : public Interpreter {
 public:
  explicit EchoInterpreter(const EchoOptions& options) : options_(options) {}

 private:
  void on_attached() override;
  void configure_impl() override;
  nlohmann::json execute_request_impl(int execution_count, const std::string& code, bool silent,
                                      bool store_history, nlohmann::json user_expressions,
                                      bool allow_stdin) override;
  nlohmann::json complete_request_impl(const std::string& code, int cursor_pos) override;
  nlohmann::json inspect_request_impl(const std::string& code, int cursor_pos,
                                      int detail_level) override;
  nlohmann::json is_complete_request_impl(const std::string& code) override;
  nlohmann::json kernel_info_request_impl() override;
  void shutdown_request_impl() override;

  nlohmann::json report(const CellError& error);
  nlohmann::json evaluate(const nlohmann::json& user_expressions) const;

  const EchoOptions options_;
  State state_;
};

/// "name arguments  help" lines, for people.
std::string command_manual();

}  // namespace perijove::kernels::echo
