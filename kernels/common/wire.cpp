#include "common/wire.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace perijove::kernels {
namespace {

constexpr std::string_view kDelimiter = "<IDS|MSG>";
constexpr std::string_view kSchemePrefix = "hmac-";

std::string_view view_of(const zmq::message_t& frame) {
  return {static_cast<const char*>(frame.data()), frame.size()};
}

}  // namespace

Signer::Signer(const std::string& scheme, const std::string& key) {
  if (key.empty()) return;
  const auto refuse = [&] {
    throw std::invalid_argument("the signature scheme '" + scheme +
                                "' is not known; use hmac-sha256 or another digest of OpenSSL");
  };
  if (!scheme.starts_with(kSchemePrefix)) refuse();
  std::string digest = scheme.substr(kSchemePrefix.size());

  EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr);
  if (hmac == nullptr) throw std::runtime_error("this OpenSSL has no HMAC");
  context_.reset(EVP_MAC_CTX_new(hmac));
  EVP_MAC_free(hmac);
  const std::array<OSSL_PARAM, 2> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_init(context_.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                   parameters.data()) != 1) {
    refuse();
  }
}

std::string Signer::sign(const Parts& parts) {
  if (!signs()) return {};
  // A null key starts over with the key of the constructor.
  EVP_MAC_init(context_.get(), nullptr, 0, nullptr);
  for (const std::string_view part : parts) {
    EVP_MAC_update(context_.get(), reinterpret_cast<const unsigned char*>(part.data()),
                   part.size());
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  std::size_t size = 0;
  EVP_MAC_final(context_.get(), digest.data(), &size, digest.size());

  constexpr std::string_view kHex = "0123456789abcdef";
  std::string signature;
  signature.reserve(2 * size);
  for (std::size_t i = 0; i < size; ++i) {
    signature += kHex[digest[i] >> 4];
    signature += kHex[digest[i] & 0xF];
  }
  return signature;
}

bool Signer::verify(std::string_view signature, const Parts& parts) {
  if (!signs()) return true;
  const std::string expected = sign(parts);
  return signature.size() == expected.size() &&
         CRYPTO_memcmp(signature.data(), expected.data(), expected.size()) == 0;
}

std::size_t ReplayGuard::Hash::operator()(const Digest& digest) const noexcept {
  std::size_t hash = 0;  // the digits are those of an HMAC: any of them are as good as a hash
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

bool ReplayGuard::admit(std::string_view signature) {
  // 32 hex digits packed into 16 bytes: 128 bits of the HMAC tell messages apart.
  Digest digest = {};
  const auto value = [](char hex) { return hex <= '9' ? hex - '0' : hex - 'a' + 10; };
  for (std::size_t i = 0; i < digest.size() && 2 * i + 1 < signature.size(); ++i) {
    digest[i] = static_cast<char>(value(signature[2 * i]) << 4 | value(signature[2 * i + 1]));
  }
  const std::lock_guard lock(mutex_);
  if (!seen_.insert(digest).second) return false;
  order_.push_back(digest);
  if (order_.size() > kRemembered) {
    seen_.erase(order_.front());
    order_.pop_front();
  }
  return true;
}

std::optional<Envelope> open_envelope(const Frames& frames) {
  constexpr std::size_t kFramesAfterDelimiter = 5;  // signature and four parts
  const auto delimiter = std::find_if(
      frames.begin(), frames.end(), [](const auto& frame) { return view_of(frame) == kDelimiter; });
  const auto position = static_cast<std::size_t>(delimiter - frames.begin());
  if (frames.size() < position + 1 + kFramesAfterDelimiter) return std::nullopt;

  const std::span<const zmq::message_t> all(frames);
  Envelope envelope;
  envelope.identities = all.first(position);
  envelope.signature = view_of(all[position + 1]);
  for (std::size_t i = 0; i < envelope.parts.size(); ++i) {
    envelope.parts[i] = view_of(all[position + 2 + i]);
  }
  envelope.buffers = all.subspan(position + 1 + kFramesAfterDelimiter);
  return envelope;
}

zmq::message_t frame_of(std::string&& bytes) {
  constexpr std::size_t kCopyBelowBytes = 4096;
  if (bytes.size() < kCopyBelowBytes) return zmq::message_t(bytes.data(), bytes.size());
  auto* const owned = new std::string(std::move(bytes));
  return zmq::message_t(
      owned->data(), owned->size(),
      [](void*, void* string) { delete static_cast<std::string*>(string); }, owned);
}

Frames seal(Message&& message, Signer& signer) {
  Frames frames;
  frames.reserve(message.identities.size() + 6 + message.buffers.size());
  for (std::string& identity : message.identities) frames.push_back(frame_of(std::move(identity)));
  frames.emplace_back(kDelimiter.data(), kDelimiter.size());
  frames.push_back(frame_of(signer.sign(message.parts())));
  frames.push_back(frame_of(std::move(message.header)));
  frames.push_back(frame_of(std::move(message.parent_header)));
  frames.push_back(frame_of(std::move(message.metadata)));
  frames.push_back(frame_of(std::move(message.content)));
  for (std::vector<char>& buffer : message.buffers) {
    auto* const owned = new std::vector<char>(std::move(buffer));
    frames.emplace_back(
        owned->data(), owned->size(),
        [](void*, void* bytes) { delete static_cast<std::vector<char>*>(bytes); }, owned);
  }
  return frames;
}

bool nests_deeper_than(std::string_view json, std::size_t depth_max) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') {
        ++i;  // whatever is escaped does not end the string
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > depth_max) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace perijove::kernels
