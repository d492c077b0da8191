#include "protocol/signer.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cassert>

#include "protocol/constant_time.hpp"

namespace perijove {

struct Signer::Context {
  using MacPtr = std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)>;
  using ContextPtr = std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)>;

  MacPtr mac{EVP_MAC_fetch(nullptr, "HMAC", nullptr), &EVP_MAC_free};
  ContextPtr mac_context{mac ? EVP_MAC_CTX_new(mac.get()) : nullptr, &EVP_MAC_CTX_free};

  // The hex digest of the four parts. Keyed once in create(): init without a key starts over with
  // the key that is there, at half the cost of copying a primed context.
  std::size_t digest(const SignedParts& parts, char (&hex)[2 * EVP_MAX_MD_SIZE]) {
    unsigned char raw[EVP_MAX_MD_SIZE];
    std::size_t size = 0;
    const auto update = [this](ByteView bytes) {
      return EVP_MAC_update(mac_context.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                            bytes.size()) == 1;
    };
    const bool done = EVP_MAC_init(mac_context.get(), nullptr, 0, nullptr) == 1 &&
                      update(parts.header) && update(parts.parent_header) &&
                      update(parts.metadata) && update(parts.content) &&
                      EVP_MAC_final(mac_context.get(), raw, &size, sizeof raw) == 1;
    assert(done);
    if (!done) return 0;
    static constexpr char kDigits[] = "0123456789abcdef";
    for (std::size_t i = 0; i < size; ++i) {
      hex[2 * i] = kDigits[raw[i] >> 4];
      hex[2 * i + 1] = kDigits[raw[i] & 15];
    }
    return 2 * size;
  }
};

Signer::Signer(std::unique_ptr<Context> context) : context_(std::move(context)) {}
Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;
Signer::~Signer() = default;

Result<Signer> Signer::create(ByteView key, ByteView scheme, Unsigned policy) {
  if (key.empty()) {
    if (policy == Unsigned::allow) return Signer(nullptr);
    return Error{
        Code::invalid_argument,
        "the connection's key is empty, so that its messages would be unsigned and anybody "
        "who reaches its sockets could run code; give it a key, or allow unsigned messages"};
  }
  constexpr ByteView kPrefix = "hmac-";
  const Error unknown{Code::invalid_argument, "signature_scheme '" + std::string(scheme) +
                                                  "' is not known; use hmac-sha256 or hmac- and "
                                                  "another digest, such as hmac-sha512"};
  if (!scheme.starts_with(kPrefix)) return unknown;
  std::string digest(scheme.substr(kPrefix.size()));

  auto context = std::make_unique<Context>();
  if (!context->mac_context) return Error{Code::internal, "OpenSSL offers no HMAC"};
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), digest.size()),
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_init(context->mac_context.get(), reinterpret_cast<const unsigned char*>(key.data()),
                   key.size(), params) != 1) {
    return unknown;
  }
  return Signer(std::move(context));
}

std::string Signer::sign(const SignedParts& parts) {
  if (!context_) return {};
  char hex[2 * EVP_MAX_MD_SIZE];
  return {hex, context_->digest(parts, hex)};
}

std::optional<VerifiedParts> Signer::verify(ByteView signature, const SignedParts& parts) {
  if (!context_) return VerifiedParts(parts);
  char expected[2 * EVP_MAX_MD_SIZE];
  const std::size_t size = context_->digest(parts, expected);
  if (size == 0 || !equal_in_constant_time(signature, {expected, size})) return std::nullopt;
  return VerifiedParts(parts);
}

}  // namespace perijove
