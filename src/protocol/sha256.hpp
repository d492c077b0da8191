#pragma once

#include <memory>
#include <string>

#include "base/bytes.hpp"

struct evp_md_ctx_st;

namespace perijove {

/// The SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
std::string sha256_hex(ByteView bytes);

/// The same of bytes that come piece by piece.
class Sha256 {
 public:
  Sha256();
  void update(ByteView bytes);
  /// Of all bytes so far; the end: nothing may be added later.
  std::string hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace perijove
