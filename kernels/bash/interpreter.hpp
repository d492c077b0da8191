#pragma once

#include <optional>
#include <string>

#include "bash/shell.hpp"
#include "common/interpreter.hpp"
#include "guest/outputs.hpp"

namespace perijove::kernels::bash {

/// Runs blocks in one long-lived shell. A status other than 0 is an error.
class BashInterpreter final : public Interpreter {
 public:
  /// `bash` is the path of the program.
  explicit BashInterpreter(std::string bash);

 private:
  void on_attached() override;
  void configure_impl() override {}
  nlohmann::json execute_request_impl(int execution_count, const std::string& code, bool silent,
                                      bool store_history, nlohmann::json user_expressions,
                                      bool allow_stdin) override;
  nlohmann::json complete_request_impl(const std::string& code, int cursor_pos) override;
  nlohmann::json inspect_request_impl(const std::string& code, int cursor_pos,
                                      int detail_level) override;
  nlohmann::json is_complete_request_impl(const std::string& code) override;
  nlohmann::json kernel_info_request_impl() override;
  void shutdown_request_impl() override;

  nlohmann::json report(const BlockEnd& end);
  nlohmann::json report_error(const std::string& ename, const std::string& evalue,
                              const std::string& traceback);

  const std::string bash_;
  std::optional<guest::Outputs> outputs_;
  std::optional<Shell> shell_;
};

}  // namespace perijove::kernels::bash
