#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "faces/call.hpp"

namespace perijove::v1 {

/// The next piece of a body; empty at its end. After an error the connection is broken off, so that
/// nobody takes the part for the whole.
using PieceSource = std::function<Result<std::string>()>;

/// Answers with a body that is made while it is sent: a piece per turn of the loop, and none while
/// the client does not take what it was sent. Keeps itself until the end or the client's.
void respond_with_pieces(const CallPtr& call, int status, std::string_view content_type,
                         HttpFields extra, PieceSource source);

/// Of a response with such a body.
inline constexpr std::size_t kPieceBytes = 64 * 1024;

}  // namespace perijove::v1
