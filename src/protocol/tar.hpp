#pragma once

#include <cstdint>
#include <string>

namespace perijove {

/// A file or directory on its way into a tar archive.
struct TarEntry {
  std::string path;  ///< Relative, with `/` between components and none at its end.
  bool is_directory = false;
  std::uint64_t size_bytes = 0;  ///< Of a file.
  std::int64_t modified_s = 0;   ///< Since 1970.
  std::uint32_t mode = 0644;     ///< Permission bits.
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// What stands before the entry's bytes: a ustar header (POSIX.1-2017, pax, "ustar Interchange
/// Format"), and before it a pax extended header where a name is too long for ustar or not ASCII,
/// or a file too large. Always whole blocks.
std::string tar_header(const TarEntry& entry);

/// How many NUL bytes stand behind `size_bytes` bytes of a file: archives consist of blocks.
std::size_t tar_padding(std::uint64_t size_bytes);

/// How many NUL bytes end an archive.
inline constexpr std::size_t kTarEndBytes = 1024;

}  // namespace perijove
