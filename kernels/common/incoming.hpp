#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>
#include <xeus/xmessage.hpp>

#include "common/wire.hpp"

namespace perijove::kernels {

/// A message that may be acted upon: verified, received for the first time, and parsed.
struct Request {
  std::vector<std::string> identities;
  std::string header_text;  ///< as received; goes back verbatim as the parent_header of the answers
  std::string msg_type;
  /// Header, metadata and content are JSON objects. The parent header of a request concerns nobody
  /// here and is left empty.
  xeus::xmessage_base_data data;
};

/// Why a message is dropped.
struct Refusal {
  std::string_view why;
};

/// Decides whether these frames are to be trusted. Their bytes reach the JSON parser only with a
/// right signature that the guard has not seen before, and only if they do not nest too deeply.
std::variant<Request, Refusal> admit(const Frames& frames, Signer& signer, ReplayGuard& guard);

}  // namespace perijove::kernels
