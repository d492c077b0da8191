// Invariant: a message splits exactly when a delimiter stands before at least five frames, and then
// its pieces are all the frames, in order and uncopied.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "protocol/frames.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  // Each line is a frame.
  std::vector<ByteView> frames;
  for (ByteView text(reinterpret_cast<const char*>(data), size); !text.empty();) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    frames.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }

  std::size_t delimiter = 0;
  while (delimiter < frames.size() && frames[delimiter] != kDelimiter) ++delimiter;
  const auto split = split_frames(frames);
  PERIJOVE_REQUIRE(split.has_value() == (delimiter + 5 < frames.size()));
  if (!split) return 0;

  std::vector<ByteView> joined(split->identities.begin(), split->identities.end());
  joined.insert(joined.end(),
                {frames[delimiter], split->signature, split->parts.header,
                 split->parts.parent_header, split->parts.metadata, split->parts.content});
  joined.insert(joined.end(), split->buffers.begin(), split->buffers.end());
  PERIJOVE_REQUIRE(joined.size() == frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    PERIJOVE_REQUIRE(joined[i].data() == frames[i].data() && joined[i].size() == frames[i].size());
  }
  return 0;
}
