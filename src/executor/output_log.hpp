#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "io/file_descriptor.hpp"
#include "io/work_dir.hpp"

namespace perijove {

/// What one execution printed to one stream, in a file below `.perijove/` of its work directory, so
/// that no amount of it takes memory. Held open from the start: what the code does to the file's
/// name changes nothing here.
class OutputLog {
 public:
  /// Most that is kept of one stream. The rest is counted only.
  static constexpr std::uint64_t kBytesMax = std::uint64_t{64} * 1024 * 1024;

  OutputLog() = default;
  /// Nothing is made before the first byte. `directory` must live as long as this does.
  OutputLog(const WorkDir& directory, std::string path)
      : directory_(&directory), path_(std::move(path)) {}

  void append(ByteView text);

  std::uint64_t total_bytes() const { return total_bytes_; }
  std::uint64_t kept_bytes() const { return kept_bytes_; }
  /// At most `length` bytes from `offset` of what is kept.
  Result<std::string> read(std::uint64_t offset, std::uint64_t length) const;

 private:
  const WorkDir* directory_ = nullptr;
  std::string path_;
  FileDescriptor file_;
  bool failed_ = false;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t kept_bytes_ = 0;
};

}  // namespace perijove
