#pragma once

#include <optional>
#include <string>

#include "common/interpreter.hpp"
#include "guest/outputs.hpp"
#include "javascript/node.hpp"

namespace perijove::kernels::javascript {

/// Runs blocks in one long-lived node.
class JavascriptInterpreter final : public Interpreter {
 public:
  /// `node` is the path of the program.
  explicit JavascriptInterpreter(std::string node);

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

  nlohmann::json report(const Answer& answer, int execution_count, bool silent);
  nlohmann::json report_end(const guest::Process::End& end, bool interrupted);
  nlohmann::json report_error(const std::string& ename, const std::string& evalue,
                              const std::string& traceback);

  const std::string node_;
  std::optional<guest::Outputs> outputs_;
  std::optional<Node> host_;
};

}  // namespace perijove::kernels::javascript
