#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "perijove/result.hpp"
#include "protocol/frames.hpp"

namespace perijove {

/// Parts whose signature has been checked. Only Signer::verify makes one, and what reads the JSON
/// of a kernel takes nothing else: that bytes are verified before they are parsed is a fact of the
/// types. The views are those of the SignedParts that were verified.
class VerifiedParts {
 public:
  const SignedParts& operator*() const { return parts_; }
  const SignedParts* operator->() const { return &parts_; }

 private:
  friend class Signer;
  explicit VerifiedParts(const SignedParts& parts) : parts_(parts) {}
  SignedParts parts_;
};

/// Signs and verifies the messages of one kernel with the key of its connection file.
/// One thread at a time: the digest context is reused between calls.
class Signer {
 public:
  enum class Unsigned { refuse, allow };

  /// `scheme` as a connection file names it: "hmac-sha256", or "hmac-" and any digest that OpenSSL
  /// knows. Errors (invalid_argument): an unknown scheme; an empty key, which by the Jupyter
  /// protocol turns signing off, unless `policy` allows that.
  static Result<Signer> create(ByteView key, ByteView scheme, Unsigned policy = Unsigned::refuse);

  Signer(Signer&&) noexcept;
  Signer& operator=(Signer&&) noexcept;
  ~Signer();

  /// The signature frame of `parts` as lower-case hex; empty when signing is off.
  std::string sign(const SignedParts& parts);

  /// nullopt when the signature is absent, of the wrong length, or wrong. Constant time in the
  /// signature's bytes. Everything passes when signing is off.
  [[nodiscard]] std::optional<VerifiedParts> verify(ByteView signature, const SignedParts& parts);

 private:
  struct Context;
  explicit Signer(std::unique_ptr<Context> context);
  std::unique_ptr<Context> context_;  // null: signing is off
};

}  // namespace perijove
