#include "protocol/tar.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

namespace perijove {
namespace {

constexpr std::size_t kBlockBytes = 512;
constexpr std::size_t kNameBytes = 100;
constexpr std::size_t kPrefixBytes = 155;
constexpr std::uint64_t kOctalMax = 077777777777;  // eleven digits
constexpr std::uint32_t kIdMax = 07777777;         // seven

struct Header {
  char name[kNameBytes];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char linkname[100];
  char magic[6];
  char version[2];
  char uname[32];
  char gname[32];
  char devmajor[8];
  char devminor[8];
  char prefix[kPrefixBytes];
  char rest[12];
};
static_assert(sizeof(Header) == kBlockBytes);

// Octal digits and a NUL fill the field.
template <std::size_t kSize>
void put_octal(char (&field)[kSize], std::uint64_t value) {
  field[kSize - 1] = '\0';
  for (std::size_t i = kSize - 1; i-- > 0; value >>= 3) {
    field[i] = static_cast<char>('0' + (value & 7));
  }
}

template <std::size_t kSize>
void put_text(char (&field)[kSize], std::string_view text) {
  std::copy_n(text.data(), std::min(text.size(), kSize), field);
}

std::string block_of(std::string_view prefix, std::string_view name, char type, std::uint64_t size,
                     std::int64_t modified_s, std::uint32_t mode, std::uint32_t uid,
                     std::uint32_t gid) {
  Header header{};
  put_text(header.name, name);
  put_text(header.prefix, prefix);
  put_octal(header.mode, mode & 07777);
  put_octal(header.uid, std::min(uid, kIdMax));
  put_octal(header.gid, std::min(gid, kIdMax));
  put_octal(header.size, std::min(size, kOctalMax));
  put_octal(header.mtime,
            std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(modified_s, 0)), kOctalMax));
  header.type = type;
  std::memcpy(header.magic, "ustar", sizeof header.magic);
  std::memcpy(header.version, "00", sizeof header.version);
  put_octal(header.devmajor, 0);
  put_octal(header.devminor, 0);
  // The sum is made with blanks in its own field.
  std::memset(header.checksum, ' ', sizeof header.checksum);
  std::string block(reinterpret_cast<const char*>(&header), sizeof header);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  char digits[8];
  std::snprintf(digits, sizeof digits, "%06o", sum);
  std::memcpy(block.data() + offsetof(Header, checksum), digits, 7);
  return block;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Where a path is to be cut to fit into prefix and name; 0: it fits into the name alone. Nullopt
// when it fits nowhere.
std::optional<std::size_t> split_at(std::string_view path) {
  if (path.size() <= kNameBytes) return 0;
  if (path.size() > kPrefixBytes + 1 + kNameBytes) return std::nullopt;
  const std::size_t slash = path.find('/', path.size() - kNameBytes - 1);
  if (slash == path.npos || slash == 0 || slash > kPrefixBytes || slash + 1 == path.size()) {
    return std::nullopt;
  }
  return slash;
}

// `LENGTH KEY=VALUE\n`, the length counting itself.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + std::to_string(rest).size();
  if (std::to_string(length).size() != std::to_string(rest).size()) ++length;
  return std::to_string(length) + " " + std::string(key) + "=" + std::string(value) + "\n";
}

}  // namespace

std::string tar_header(const TarEntry& entry) {
  std::string path = entry.path;
  if (entry.is_directory) path += '/';
  const std::uint64_t size = entry.is_directory ? 0 : entry.size_bytes;
  const auto cut = split_at(path);
  std::string records;
  if (!cut || !is_ascii(path)) records += pax_record("path", path);
  if (size > kOctalMax) records += pax_record("size", std::to_string(size));
  if (entry.uid > kIdMax) records += pax_record("uid", std::to_string(entry.uid));
  if (entry.gid > kIdMax) records += pax_record("gid", std::to_string(entry.gid));

  std::string header;
  if (!records.empty()) {
    header = block_of({}, "PaxHeader", 'x', records.size(), entry.modified_s, 0644, 0, 0);
    header += records;
    header.append(tar_padding(records.size()), '\0');
  }
  const std::string_view all = path;
  const std::string_view prefix = cut ? all.substr(0, *cut) : std::string_view();
  const std::string_view name = cut && *cut > 0 ? all.substr(*cut + 1) : all.substr(0, kNameBytes);
  return header + block_of(prefix, name, entry.is_directory ? '5' : '0', size, entry.modified_s,
                           entry.mode, entry.uid, entry.gid);
}

std::size_t tar_padding(std::uint64_t size_bytes) {
  return static_cast<std::size_t>((kBlockBytes - size_bytes % kBlockBytes) % kBlockBytes);
}

}  // namespace perijove
