#pragma once

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/server.hpp"
#include "echo/arguments.hpp"
#include "echo/comms.hpp"
#include "echo/reply_tricks.hpp"

namespace perijove::kernels::echo {

/// The failure of a cell, in the terms in which Jupyter reports an exception.
struct CellError {
  std::string ename;
  std::string evalue;
  std::vector<std::string> traceback;  ///< empty: "ename: evalue"
};

/// What outlives a cell.
struct State {
  std::map<std::string, std::string, std::less<>> variables;
  Comms comms;
  ReplyTricks tricks;
  std::atomic<bool> ignores_shutdown = false;
};

/// One execute_request, as its commands see it.
struct Cell {
  Server& server;
  State& state;
  int execution_count;
  bool silent;
  bool allow_stdin;
  nlohmann::json payload = nlohmann::json::array();  ///< of the reply

  void write(std::string_view stream, std::string_view text);
  void result(std::string_view text);
  void display(const nlohmann::json& data, const nlohmann::json& metadata,
               const nlohmann::json& transient, std::string_view msg_type = "display_data");
};

struct Command {
  std::string_view name;
  std::string_view arguments;  ///< as shown in usages: "SECONDS", "[wait]"
  std::string_view help;
  void (*run)(Cell& cell, Arguments arguments);
};

std::span<const Command> output_commands();
std::span<const Command> state_commands();
std::span<const Command> load_commands();
std::span<const Command> process_commands();
std::span<const Command> hostile_commands();

/// Every command, in the order of the manual.
const std::vector<Command>& all_commands();

/// nullptr when there is none of this name.
const Command* find_command(std::string_view name);

}  // namespace perijove::kernels::echo
