#pragma once

#include <cstddef>
#include <string_view>

namespace perijove::kernels {

/// The byte at which this code point begins; the protocol counts cursors in code points. A negative
/// cursor, which xeus makes of an absent one, stands for the end.
std::size_t byte_offset(std::string_view text, int cursor);

int code_points(std::string_view text);

/// How much of the text can be sent now: all of it, except for the beginning of a character whose
/// other bytes have not come yet (at most three bytes).
std::size_t whole_characters(std::string_view text);

}  // namespace perijove::kernels
