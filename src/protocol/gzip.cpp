#include "protocol/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>

namespace perijove {

void GzipWriter::Free::operator()(z_stream_s* stream) const {
  deflateEnd(stream);
  delete stream;
}

GzipWriter::GzipWriter() : stream_(new z_stream_s{}) {
  constexpr int kGzip = 16 + MAX_WBITS;
  constexpr int kMemoryLevel = 8;
  // The one failure of these arguments.
  if (deflateInit2(stream_.get(), Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
}

void GzipWriter::write(ByteView bytes, std::string& out) {
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max());
    // zlib does not write through this pointer.
    stream_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_->avail_in = static_cast<uInt>(size);
    deflate_into(out, Z_NO_FLUSH);
    bytes.remove_prefix(size);
  }
}

void GzipWriter::finish(std::string& out) { deflate_into(out, Z_FINISH); }

void GzipWriter::deflate_into(std::string& out, int flush) {
  std::array<char, 16 * 1024> buffer;
  do {
    stream_->next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream_->avail_out = static_cast<uInt>(buffer.size());
    ::deflate(stream_.get(), flush);
    out.append(buffer.data(), buffer.size() - stream_->avail_out);
  } while (stream_->avail_out == 0);
}

}  // namespace perijove
