// Invariant: any key and any known scheme verify what they signed, and nothing but that signature.
#include <cstddef>
#include <cstdint>

#include "protocol/signer.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  // Seven lines: scheme, key, signature and the four parts; the last runs to the end.
  ByteView text(reinterpret_cast<const char*>(data), size);
  const auto take = [&text] {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const ByteView line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
  };
  const ByteView scheme = take(), key = take(), signature = take();
  const SignedParts parts = {take(), take(), take(), text};

  auto signer = Signer::create(key, scheme);
  PERIJOVE_REQUIRE(!signer || !key.empty());
  if (!signer) return 0;
  const std::string right = signer->sign(parts);
  PERIJOVE_REQUIRE(!right.empty());
  PERIJOVE_REQUIRE(right.find_first_not_of("0123456789abcdef") == std::string::npos);
  PERIJOVE_REQUIRE(signer->sign(parts) == right);
  PERIJOVE_REQUIRE(signer->verify(right, parts).has_value());
  PERIJOVE_REQUIRE(signer->verify(signature, parts).has_value() == (signature == right));
  PERIJOVE_REQUIRE(!signer->verify(right.substr(1), parts));
  PERIJOVE_REQUIRE(!signer->verify(right + "0", parts));
  return 0;
}
