#include "protocol/base64.hpp"

#include <openssl/evp.h>

#include <memory>

namespace perijove {

Result<std::string> decode_base64(ByteView text) {
  const Error broken{Code::invalid_argument, "not valid base64"};
  // OpenSSL takes '-' for the end of the data and would drop what follows.
  if (text.find('-') != ByteView::npos) return broken;
  const std::unique_ptr<EVP_ENCODE_CTX, decltype(&EVP_ENCODE_CTX_free)> context(
      EVP_ENCODE_CTX_new(), &EVP_ENCODE_CTX_free);
  if (context == nullptr) return Error{Code::resource_exhausted, "out of memory"};
  EVP_DecodeInit(context.get());

  constexpr std::size_t kChunkBytes = 1 << 20;  // the API counts in int
  std::string bytes(text.size() / 4 * 3 + 96, '\0');
  std::size_t written = 0;
  const auto out = [&] { return reinterpret_cast<unsigned char*>(bytes.data() + written); };
  int length = 0;
  while (!text.empty()) {
    const ByteView chunk = text.substr(0, kChunkBytes);
    if (EVP_DecodeUpdate(context.get(), out(), &length,
                         reinterpret_cast<const unsigned char*>(chunk.data()),
                         static_cast<int>(chunk.size())) < 0) {
      return broken;
    }
    written += static_cast<std::size_t>(length);
    text.remove_prefix(chunk.size());
  }
  if (EVP_DecodeFinal(context.get(), out(), &length) < 0) return broken;
  bytes.resize(written + static_cast<std::size_t>(length));
  return bytes;
}

}  // namespace perijove
