#pragma once

#include <optional>
#include <span>

#include "base/bytes.hpp"

namespace perijove {

/// The delimiter between routing identities and the message (Jupyter messaging, "The Wire
/// Protocol").
inline constexpr ByteView kDelimiter = "<IDS|MSG>";

/// The four parts that a signature covers, as raw JSON text. Buffers are outside the signature by
/// specification.
struct SignedParts {
  ByteView header;
  ByteView parent_header;
  ByteView metadata;
  ByteView content;
};

/// One multipart message taken apart: views into the frames it was made from.
struct SplitFrames {
  std::span<const ByteView> identities;  ///< Routing ids, or iopub's topic.
  ByteView signature;                    ///< Lower-case hex, empty when unsigned.
  SignedParts parts;
  std::span<const ByteView> buffers;
};

/// Finds the parts of one multipart message. nullopt when there is no delimiter or fewer than five
/// frames follow it. Parses nothing and believes nothing: verify before reading the parts.
std::optional<SplitFrames> split_frames(std::span<const ByteView> frames);

}  // namespace perijove
