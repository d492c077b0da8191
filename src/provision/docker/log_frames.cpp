#include "provision/docker/log_frames.hpp"

#include <algorithm>

namespace perijove::docker {

bool LogFrames::feed(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    if (missing_ > 0) {
      const std::string_view payload = bytes.substr(0, missing_);
      bytes.remove_prefix(payload.size());
      missing_ -= static_cast<std::uint32_t>(payload.size());
      on_payload_(stream_, payload);
      continue;
    }
    const std::size_t taken = std::min(kHeaderBytes - header_.size(), bytes.size());
    header_ += bytes.substr(0, taken);
    bytes.remove_prefix(taken);
    if (header_.size() < kHeaderBytes) break;
    stream_ = static_cast<unsigned char>(header_[0]);
    broken_ = stream_ > 2 || header_.compare(1, 3, std::string_view("\0\0\0", 3)) != 0;
    for (std::size_t i = 4; i < kHeaderBytes; ++i) {
      missing_ = missing_ << 8 | static_cast<unsigned char>(header_[i]);
    }
    header_.clear();
  }
  return !broken_;
}

}  // namespace perijove::docker
