#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "app/console.hpp"
#include "app/gateway_client.hpp"

namespace perijove {

/// Follows one execution of a session, and shows it as it comes: what the code prints on standard
/// output and error, everything else (files, warnings, the place in the queue) as notes.
class SessionStream {
 public:
  struct Options {
    bool quiet = false;  ///< Nothing is shown; only the result counts.
    bool notes = true;   ///< Whether anything is told besides what the code prints, and errors.
  };

  SessionStream(const GatewayClient& client, Console& console, Options options)
      : client_(client), console_(console), options_(options) {}

  /// Sends `request` (the body of POST .../execute) to the session at `path` (`v1/sessions/ID`) and
  /// waits for the end; returns the result. data_loss: the connection ended before it came.
  Result<nlohmann::json> run(const std::string& path, const nlohmann::json& request);

 private:
  bool take(std::string_view piece);
  void show(const nlohmann::json& event);
  void show_note(std::string_view type, const nlohmann::json& event);
  void show_error(const nlohmann::json& error);
  void show_object(const nlohmann::json& event);
  void answer_input(const nlohmann::json& event);

  const GatewayClient& client_;
  Console& console_;
  Options options_;
  std::string path_;
  std::string line_;                   // what has come of the next event
  std::optional<std::string> result_;  // the JSON text
  std::optional<Error> failure_;       // why following it was given up
};

}  // namespace perijove
