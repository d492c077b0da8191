#pragma once

#include <cstdint>
#include <string_view>

namespace perijove {

/// What a Range header wants of a body (RFC 9110 section 14).
struct RangeRequest {
  enum class Kind { whole, part, unsatisfiable };
  Kind kind = Kind::whole;
  std::uint64_t first = 0;   ///< Of a part: its first byte,
  std::uint64_t length = 0;  ///< and how many bytes; at least one.
};

/// Reads a Range header for a body of `size` bytes. More than one range, other units than bytes,
/// and what is no range mean the whole, as the standard allows.
RangeRequest read_range(std::string_view header, std::uint64_t size);

/// Whether an If-Match or If-None-Match header names the entity tag `etag` (without its quotes);
/// `*` names every one. Weak tags are those of If-None-Match: with `weak_too` they count as if they
/// were strong. A tag without quotes is taken, too: many clients forget them.
bool names_etag(std::string_view header, std::string_view etag, bool weak_too);

}  // namespace perijove
