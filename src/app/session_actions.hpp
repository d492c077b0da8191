#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "app/gateway_command.hpp"

namespace perijove {

/// What can be said to `perijove session ...`; each command has some of it.
struct SessionFlags : GatewayFlags {
  std::vector<std::string> ids;
  std::string id;
  bool all = false;

  // start
  std::string kernel;
  std::string key;
  std::string work_dir;
  std::string isolation;
  std::string network;
  std::string image;
  std::string virtual_env;
  std::string pool;
  std::string config;
  std::string idle_timeout;
  std::string lifetime;
  bool reuse = false;
  std::string checkpoint_every;
  std::string checkpoint_before_risky;
  std::string checkpoint_idle;
  bool recover = false;

  std::string count = "1";  // fork

  // checkpoint, checkpoints, restore; and start
  std::string checkpoint;
  std::string label;
  bool keep = false;

  // exec
  bool checkpoint_before = false;
  std::string file;
  std::string code;
  std::string language;
  bool markdown = false;
  bool allow_errors = false;
  bool quiet = false;
  std::string timeout;  // and start
  std::vector<std::string> env;

  // files, get, put
  std::string path;
  std::string local;
  bool recursive = false;
};

/// `v1/sessions/ID`.
std::string session_path(const std::string& id);
/// The id of the session that `wanted` means: an id, the beginning of one, or a key. not_found,
/// and invalid_argument when it is the beginning of several.
Result<std::string> resolve_session(const GatewayClient& client, const std::string& wanted);

/// client.ask_json for an answer that must be an object; data_loss when it is none.
Result<nlohmann::json> ask_object(const GatewayClient& client, std::string_view method,
                                  const std::string& path, const std::string& body = {});

/// What a session is made with, from a JSON file of the user's; an empty object for no file.
Result<nlohmann::json> read_session_config(const std::string& path);

/// Each does one command and returns its exit code.
using SessionAction = Result<int>(const GatewayClient&, const SessionFlags&, Console&);
SessionAction list_sessions;
SessionAction start_session;
SessionAction show_session;
SessionAction exec_in_session;
SessionAction interrupt_sessions;
SessionAction restart_sessions;
SessionAction stop_sessions;
SessionAction release_sessions;
SessionAction fork_session;
SessionAction take_checkpoint;
SessionAction list_checkpoints;
SessionAction restore_checkpoint;
SessionAction list_session_files;
SessionAction get_session_file;
SessionAction put_session_file;

}  // namespace perijove
