#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace perijove::kernels {

/// True for the shell messages that are handed to xeus; the others are answered by the server.
bool is_for_xeus(std::string_view msg_type);

bool is_request(std::string_view msg_type);

/// "execute_request" -> "execute_reply"
std::string reply_type_of(std::string_view request_type);

/// What is wrong with the content of such a message, or nullopt. xeus reads these fields without
/// looking at their types: a missing comm_id is undefined behaviour there.
std::optional<std::string> fault_of(std::string_view msg_type, const nlohmann::json& content);

}  // namespace perijove::kernels
