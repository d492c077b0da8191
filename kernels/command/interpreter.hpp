#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command/failure.hpp"
#include "command/language.hpp"
#include "command/program.hpp"
#include "common/interpreter.hpp"
#include "guest/outputs.hpp"

namespace perijove::kernels::command {

/// Runs each block in a program of its own. A status other than 0 is an error.
class CommandInterpreter final : public Interpreter {
 public:
  /// `executable` is the path of the language's program.
  CommandInterpreter(Language language, std::string executable);

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

  nlohmann::json report(const BlockEnd& end, const std::string& code);
  nlohmann::json report_error(const std::string& ename, const std::string& evalue,
                              const std::vector<std::string>& traceback);

  const Language language_;
  const std::string executable_;
  Tail errors_;  ///< what the block that runs wrote to stderr
  std::optional<guest::Outputs> outputs_;
  std::optional<Program> program_;
};

}  // namespace perijove::kernels::command
