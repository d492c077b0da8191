// Invariant: every data of every type decodes or is refused; decoded base64 is three quarters of
// its characters at most, decoded JSON is JSON, and no image header is read beyond its file.
#include <cstddef>
#include <cstdint>

#include "protocol/json_scan.hpp"
#include "protocol/mime.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  // The first line is the type, the rest its data.
  const ByteView text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = text.find('\n');
  const std::string type(text.substr(0, end));
  const ByteView body = end == ByteView::npos ? ByteView() : text.substr(end + 1);

  PERIJOVE_REQUIRE(file_extension(type).starts_with('.'));
  const auto decoded = decode_mime(type, body);
  if (decoded) {
    switch (mime_encoding(type)) {
      case MimeEncoding::text:
        PERIJOVE_REQUIRE(*decoded == body);
        break;
      case MimeEncoding::json:
        PERIJOVE_REQUIRE(is_json_value(*decoded));
        break;
      case MimeEncoding::base64:
        PERIJOVE_REQUIRE(decoded->size() * 4 <= body.size() * 3);
        (void)image_size(*decoded);
        break;
    }
  }
  (void)image_size(std::string(body));  // a copy of its own size, so that a read beyond it is seen

  const MimeBundle bundle = {{type, std::string(body)}, {"text/html", "x"}};
  PERIJOVE_REQUIRE(by_preference(bundle).size() == bundle.size());
  PERIJOVE_REQUIRE(type == "text/plain" || type == "text/markdown" || type == "text/latex" ||
                   !plain_text(bundle).empty());
  return 0;
}
