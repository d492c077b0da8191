#pragma once

#include <optional>
#include <string_view>

namespace perijove {

/// The five sockets of a kernel (Jupyter messaging, "Introduction").
enum class Channel { shell, iopub, stdin_, control, heartbeat };

/// The name that connection files (`hb_port`) and websocket messages use.
constexpr std::string_view to_string(Channel channel) {
  switch (channel) {
    case Channel::shell:
      return "shell";
    case Channel::iopub:
      return "iopub";
    case Channel::stdin_:
      return "stdin";
    case Channel::control:
      return "control";
    case Channel::heartbeat:
      return "hb";
  }
  return "";
}

/// The channel that a websocket message names; nullopt for any other name, `hb` included:
/// heartbeats stay between the gateway and its kernel.
constexpr std::optional<Channel> channel_from_name(std::string_view name) {
  for (const Channel channel :
       {Channel::shell, Channel::iopub, Channel::stdin_, Channel::control}) {
    if (name == to_string(channel)) return channel;
  }
  return std::nullopt;
}

}  // namespace perijove
