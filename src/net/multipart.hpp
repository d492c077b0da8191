#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "net/http.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// One part of a multipart/form-data body.
struct MultipartPart {
  HttpFields headers;
  std::string name;                      ///< Of the form field.
  std::optional<std::string> file_name;  ///< As sent: it may be a path, and anything else.
  ByteView bytes;                        ///< Of the body that was parsed.
};

/// The boundary of a multipart/form-data Content-Type; nullopt for any other type, and for a
/// boundary that RFC 2046 section 5.1.1 does not allow.
std::optional<std::string> multipart_boundary(std::string_view content_type);

/// Takes a multipart/form-data body apart (RFC 7578). The parts refer to `body`. What stands before
/// the first and behind the last boundary is skipped. invalid_argument: no boundary, no end, a part
/// whose header is none or does not name a form field; resource_exhausted: more than
/// kMultipartPartsMax parts.
Result<std::vector<MultipartPart>> parse_multipart(ByteView body, std::string_view boundary);
inline constexpr std::size_t kMultipartPartsMax = 1000;

}  // namespace perijove
