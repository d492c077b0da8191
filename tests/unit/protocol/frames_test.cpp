#include "protocol/frames.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Frames, FindsIdentitiesSignaturePartsAndBuffers) {
  const std::vector<ByteView> frames = {"id-1", "id-2", "<IDS|MSG>", "abcd", "{\"h\":1}",
                                        "{}",   "{}",   "{\"c\":2}", "b0",   "b1"};
  const auto split = split_frames(frames);
  ASSERT_TRUE(split);
  EXPECT_THAT(split->identities, ElementsAre("id-1", "id-2"));
  EXPECT_EQ(split->signature, "abcd");
  EXPECT_EQ(split->parts.header, "{\"h\":1}");
  EXPECT_EQ(split->parts.parent_header, "{}");
  EXPECT_EQ(split->parts.metadata, "{}");
  EXPECT_EQ(split->parts.content, "{\"c\":2}");
  EXPECT_THAT(split->buffers, ElementsAre("b0", "b1"));
}

TEST(Frames, CopiesNothing) {
  const std::string content(1000, 'x');
  const std::vector<ByteView> frames = {"<IDS|MSG>", "", "{}", "{}", "{}", content, content};
  const auto split = split_frames(frames);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->parts.content.data(), content.data());
  EXPECT_EQ(split->buffers[0].data(), content.data());
}

TEST(Frames, NeedsNoIdentity) {
  const std::vector<ByteView> frames = {"<IDS|MSG>", "s", "h", "p", "m", "c"};
  const auto split = split_frames(frames);
  ASSERT_TRUE(split);
  EXPECT_THAT(split->identities, IsEmpty());
  EXPECT_THAT(split->buffers, IsEmpty());
}

TEST(Frames, TakesEmptyFramesAsTheyAre) {
  const std::vector<ByteView> frames = {"", "<IDS|MSG>", "", "", "", "", "", ""};
  const auto split = split_frames(frames);
  ASSERT_TRUE(split);
  EXPECT_THAT(split->identities, ElementsAre(""));
  EXPECT_THAT(split->buffers, ElementsAre(""));
}

TEST(Frames, TheFirstDelimiterCounts) {
  const std::vector<ByteView> frames = {"<IDS|MSG>", "s", "h", "p", "m", "c", "<IDS|MSG>"};
  const auto split = split_frames(frames);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->signature, "s");
  EXPECT_THAT(split->buffers, ElementsAre("<IDS|MSG>"));
}

TEST(Frames, RefusesWhatOnlyLooksLikeADelimiter) {
  for (const ByteView almost : {"<IDS|MSG> ", "<IDS|MSG", "<ids|msg>", "", "IDS|MSG"}) {
    const std::vector<ByteView> frames = {almost, "s", "h", "p", "m", "c"};
    EXPECT_FALSE(split_frames(frames)) << almost;
  }
}

TEST(Frames, RefusesFewerThanFiveFramesBehindTheDelimiter) {
  for (std::size_t before = 0; before <= 8; ++before) {
    for (std::size_t behind = 0; behind <= 12; ++behind) {
      std::vector<ByteView> frames(before, "id");
      frames.push_back(kDelimiter);
      frames.insert(frames.end(), behind, "x");
      const auto split = split_frames(frames);
      EXPECT_EQ(split.has_value(), behind >= 5);
      if (!split) continue;
      EXPECT_EQ(split->identities.size(), before);
      EXPECT_EQ(split->buffers.size(), behind - 5);
    }
  }
}

TEST(Frames, RefusesAnyNumberOfFramesWithoutADelimiter) {
  for (std::size_t count = 0; count <= 20; ++count) {
    EXPECT_FALSE(split_frames(std::vector<ByteView>(count, "{}")));
  }
}

}  // namespace
}  // namespace perijove
