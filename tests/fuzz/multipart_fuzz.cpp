// Invariant: parts lie in the body one behind the other and hold no delimiter of their own; what a
// Content-Type gives as a boundary is one.
#include <cstddef>
#include <cstdint>
#include <string>

#include "net/multipart.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');

  // The first line is the type, the rest the body; without one, the boundary is as in the corpus.
  std::string boundary = "b";
  std::string_view body = text;
  if (line != text.npos) {
    if (const auto found = multipart_boundary(text.substr(0, line))) {
      PERIJOVE_REQUIRE(!found->empty() && found->size() <= 70);
      boundary = *found;
      body = text.substr(line + 1);
    }
  }
  const auto parts = parse_multipart(body, boundary);
  if (!parts) return 0;
  PERIJOVE_REQUIRE(parts->size() <= kMultipartPartsMax);
  const char* end = body.data();
  for (const MultipartPart& part : *parts) {
    PERIJOVE_REQUIRE(part.bytes.data() >= end);
    end = part.bytes.data() + part.bytes.size();
    PERIJOVE_REQUIRE(end <= body.data() + body.size());
    PERIJOVE_REQUIRE(part.bytes.find("\r\n--" + boundary + "\r\n") == part.bytes.npos);
    PERIJOVE_REQUIRE(part.bytes.find("\r\n--" + boundary + "--") == part.bytes.npos);
  }
  return 0;
}
