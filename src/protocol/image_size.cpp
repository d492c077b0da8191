#include "protocol/mime.hpp"

namespace perijove {
namespace {

std::uint32_t byte_at(ByteView file, std::size_t at) {
  return at < file.size() ? static_cast<unsigned char>(file[at]) : 0;
}

std::uint32_t big16(ByteView file, std::size_t at) {
  return byte_at(file, at) << 8 | byte_at(file, at + 1);
}

std::uint32_t big32(ByteView file, std::size_t at) {
  return big16(file, at) << 16 | big16(file, at + 2);
}

std::uint32_t little16(ByteView file, std::size_t at) {
  return byte_at(file, at + 1) << 8 | byte_at(file, at);
}

// A JPEG is a chain of segments, FF MARKER LENGTH; the size is in the first start-of-frame one.
std::optional<ImageSize> jpeg_size(ByteView file) {
  std::size_t at = 2;
  while (at + 4 <= file.size()) {
    if (byte_at(file, at) != 0xff) return std::nullopt;
    const std::uint32_t marker = byte_at(file, at + 1);
    if (marker == 0xff) {  // padding
      ++at;
      continue;
    }
    const bool alone = marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7);
    if (alone) {
      at += 2;
      continue;
    }
    if (marker == 0xd9 || marker == 0xda) return std::nullopt;  // the picture begins or ends
    const std::uint32_t length = big16(file, at + 2);
    if (length < 2) return std::nullopt;
    const bool starts_frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (starts_frame) {
      if (length < 8 || at + 9 > file.size()) return std::nullopt;
      return ImageSize{big16(file, at + 7), big16(file, at + 5)};
    }
    at += 2 + length;
  }
  return std::nullopt;
}

// RIFF with one of three kinds of first chunk: simple, lossless, extended.
std::optional<ImageSize> webp_size(ByteView file) {
  if (file.size() < 30 || file.substr(8, 4) != "WEBP") return std::nullopt;
  const ByteView kind = file.substr(12, 4);
  if (kind == "VP8X") {
    const auto little24 = [&](std::size_t at) {
      return byte_at(file, at + 2) << 16 | little16(file, at);
    };
    return ImageSize{little24(24) + 1, little24(27) + 1};
  }
  if (kind == "VP8L" && byte_at(file, 20) == 0x2f) {
    const std::uint32_t bits = little16(file, 23) << 16 | little16(file, 21);
    return ImageSize{(bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
  }
  if (kind == "VP8 " && file.substr(23, 3) == "\x9d\x01\x2a") {
    return ImageSize{little16(file, 26) & 0x3fff, little16(file, 28) & 0x3fff};
  }
  return std::nullopt;
}

}  // namespace

std::optional<ImageSize> image_size(ByteView file) {
  constexpr ByteView kPng("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16);
  if (file.starts_with(kPng) && file.size() >= 24) {
    return ImageSize{big32(file, 16), big32(file, 20)};
  }
  if ((file.starts_with("GIF87a") || file.starts_with("GIF89a")) && file.size() >= 10) {
    return ImageSize{little16(file, 6), little16(file, 8)};
  }
  if (file.starts_with("\xff\xd8\xff")) return jpeg_size(file);
  if (file.starts_with("RIFF")) return webp_size(file);
  return std::nullopt;
}

}  // namespace perijove
