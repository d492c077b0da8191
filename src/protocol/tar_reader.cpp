#include "protocol/tar_reader.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace perijove {
namespace {

constexpr std::size_t kBlockBytes = 512;
constexpr std::uint64_t kExtensionBytesMax = 1024 * 1024;

// Of the ustar header (POSIX.1-2017, pax).
constexpr std::size_t kNameAt = 0, kNameBytes = 100;
constexpr std::size_t kModeAt = 100, kIdBytes = 8;
constexpr std::size_t kSizeAt = 124, kTimeAt = 136, kNumberBytes = 12;
constexpr std::size_t kSumAt = 148, kTypeAt = 156, kMagicAt = 257, kPrefixAt = 345;
constexpr std::size_t kPrefixBytes = 155;

std::string text_at(std::string_view block, std::size_t at, std::size_t size) {
  const std::string_view field = block.substr(at, size);
  return std::string(field.substr(0, field.find('\0')));
}

// Octal digits between blanks and NULs; or, where the first bit is set, a binary number (GNU).
std::optional<std::uint64_t> number_at(std::string_view block, std::size_t at, std::size_t size) {
  const std::string_view field = block.substr(at, size);
  if (static_cast<unsigned char>(field[0]) >= 0x80) {
    std::uint64_t value = static_cast<unsigned char>(field[0]) & 0x7fu;
    for (const char c : field.substr(1)) {
      if (value >> 55 != 0) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  std::uint64_t value = 0;
  for (const char c : field) {
    if (c == '\0' || c == ' ') continue;
    if (c < '0' || c > '7') return std::nullopt;
    value = value << 3 | static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

bool has_right_sum(std::string_view block) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kSumAt && i < kSumAt + kIdBytes;
    sum += own ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return number_at(block, kSumAt, kIdBytes) == sum;
}

std::string plain_path(std::string path) {
  while (path.starts_with("./")) path.erase(0, 2);
  while (path.ends_with('/')) path.pop_back();
  return path == "." ? std::string() : path;
}

}  // namespace

bool TarReader::feed(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    if (left_ > 0) {
      const std::size_t size =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      left_ -= size;
      take(bytes.substr(0, size));
      bytes.remove_prefix(size);
      if (left_ == 0) part_ended();
    } else if (padding_ > 0) {
      const std::size_t size = std::min(padding_, bytes.size());
      padding_ -= size;
      bytes.remove_prefix(size);
    } else {
      const std::size_t size = std::min(kBlockBytes - block_.size(), bytes.size());
      block_ += bytes.substr(0, size);
      bytes.remove_prefix(size);
      if (block_.size() == kBlockBytes) broken_ = !read_header();
    }
  }
  return !broken_;
}

bool TarReader::read_header() {
  const std::string block = std::exchange(block_, {});
  if (block.find_first_not_of('\0') == block.npos) return true;  // the end, or before it
  const auto size = number_at(block, kSizeAt, kNumberBytes);
  if (!size || !has_right_sum(block)) return false;
  const char type = block[kTypeAt];
  left_ = *size;
  if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
    if (left_ > kExtensionBytesMax) return false;
    part_ = type == 'x' ? Part::extension : type == 'L' ? Part::long_name : Part::skipped;
    padding_ = tar_padding(left_);
    text_.clear();
    if (left_ == 0) part_ended();
    return true;
  }
  TarEntry entry;
  const bool ustar = block.compare(kMagicAt, 5, "ustar") == 0;
  const std::string prefix =
      ustar && block[kMagicAt + 5] == '\0' ? text_at(block, kPrefixAt, kPrefixBytes) : "";
  entry.path = text_at(block, kNameAt, kNameBytes);
  if (!prefix.empty()) entry.path = prefix + "/" + entry.path;
  if (!next_path_.empty()) entry.path = std::exchange(next_path_, {});
  if (std::exchange(has_next_size_, false)) left_ = next_size_;
  entry.path = plain_path(std::move(entry.path));
  entry.is_directory = type == '5';
  const bool file = (type == '0' || type == '\0') && !entry.path.empty();
  part_ = file ? Part::file : Part::skipped;
  const bool has_bytes = type == '0' || type == '\0' || type == '7';
  if (!has_bytes) left_ = 0;  // links and devices have none, whatever their size says
  padding_ = tar_padding(left_);
  entry.size_bytes = file ? left_ : 0;
  entry.modified_s = static_cast<std::int64_t>(number_at(block, kTimeAt, kNumberBytes).value_or(0));
  entry.mode = static_cast<std::uint32_t>(number_at(block, kModeAt, kIdBytes).value_or(0) & 07777);
  if ((file || (entry.is_directory && !entry.path.empty())) && events_.on_entry) {
    events_.on_entry(entry);
  }
  if (left_ == 0) part_ended();
  return true;
}

void TarReader::take(std::string_view bytes) {
  if (part_ == Part::file) {
    if (events_.on_bytes) events_.on_bytes(bytes);
  } else if (part_ != Part::skipped) {
    text_ += bytes;
  }
}

void TarReader::part_ended() {
  const Part part = std::exchange(part_, Part::skipped);
  if (part == Part::file && events_.on_end) {
    events_.on_end();
  } else if (part == Part::long_name) {
    next_path_ = text_.substr(0, text_.find('\0'));
  } else if (part == Part::extension) {
    read_extension();
  }
}

// `LENGTH KEY=VALUE\n`, the length counting itself.
void TarReader::read_extension() {
  std::string_view text = text_;
  while (!text.empty()) {
    std::size_t length = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), length);
    const auto digits = static_cast<std::size_t>(read.ptr - text.data());
    if (read.ec != std::errc() || length > text.size() || length <= digits) return;
    const std::string_view record = text.substr(digits, length - digits);
    text.remove_prefix(length);
    const std::size_t equals = record.find('=');
    if (!record.starts_with(' ') || !record.ends_with('\n') || equals == record.npos) return;
    const std::string_view key = record.substr(1, equals - 1);
    const std::string_view value = record.substr(equals + 1, record.size() - equals - 2);
    if (key == "path") next_path_ = value;
    if (key == "size") {
      const auto size = std::from_chars(value.data(), value.data() + value.size(), next_size_);
      has_next_size_ = size.ec == std::errc();
    }
  }
}

}  // namespace perijove
