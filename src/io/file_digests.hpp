#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "io/file_descriptor.hpp"
#include "io/shard.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// The contents of a file at one moment.
struct FileDigest {
  std::string sha256;  ///< 64 lower-case hexadecimal digits.
  std::uint64_t size_bytes = 0;
  std::int64_t modified_ns = 0;  ///< Since 1970.
};

/// Digests of files, read slice by slice so that a large one does not hold up the loop, and
/// remembered for as long as the file is as it was: who reads a file range by range does not pay
/// for the whole each time. Shard thread only.
class FileDigests {
 public:
  using Done = std::function<void(Result<FileDigest>, std::shared_ptr<FileDescriptor> file)>;

  FileDigests();
  ~FileDigests();

  /// Digests an open regular file and hands it back; `done` may be called during this call.
  /// aborted: it changed while it was read. Nothing is called when this object goes first.
  void get(Shard& shard, FileDescriptor file, Done done);

 private:
  class Reading;
  struct Memory;

  std::shared_ptr<Memory> memory_;
};

}  // namespace perijove
