#pragma once

#include <memory>
#include <string>

#include "base/bytes.hpp"

struct z_stream_s;

namespace perijove {

/// Compresses bytes that come piece by piece into one gzip member (RFC 1952), whatever their
/// number: a few hundred KiB of memory. The result tells no time and no name, so that equal bytes
/// give equal results.
class GzipWriter {
 public:
  GzipWriter();
  /// Appends what is ready to `out`, which may be nothing.
  void write(ByteView bytes, std::string& out);
  /// Appends the rest; the end.
  void finish(std::string& out);

 private:
  struct Free {
    void operator()(z_stream_s* stream) const;
  };
  void deflate_into(std::string& out, int flush);

  std::unique_ptr<z_stream_s, Free> stream_;
};

}  // namespace perijove
