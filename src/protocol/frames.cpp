#include "protocol/frames.hpp"

#include <algorithm>

namespace perijove {

std::optional<SplitFrames> split_frames(std::span<const ByteView> frames) {
  constexpr std::size_t kSignatureAndParts = 5;
  const auto delimiter = std::find(frames.begin(), frames.end(), kDelimiter);
  if (delimiter == frames.end()) return std::nullopt;
  const auto at = static_cast<std::size_t>(delimiter - frames.begin());
  const auto rest = frames.subspan(at + 1);
  if (rest.size() < kSignatureAndParts) return std::nullopt;
  return SplitFrames{.identities = frames.first(at),
                     .signature = rest[0],
                     .parts = {rest[1], rest[2], rest[3], rest[4]},
                     .buffers = rest.subspan(kSignatureAndParts)};
}

}  // namespace perijove
