#include "protocol/tar_reader.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string archive_of(const TarEntry& entry, const std::string& bytes = {}) {
  TarEntry whole = entry;
  whole.size_bytes = bytes.size();
  std::string tar = tar_header(whole) + bytes;
  tar.append(tar_padding(bytes.size()), '\0');
  return tar;
}

// What is told of an archive, as text.
struct Told {
  std::vector<std::string> lines;
  bool sound = true;
  bool whole = false;
};
Told read(const std::string& tar, std::size_t piece = 1 << 20) {
  Told told;
  std::string bytes;
  TarReader reader({.on_entry =
                        [&](const TarEntry& entry) {
                          bytes.clear();
                          told.lines.push_back(entry.path + (entry.is_directory ? "/" : ""));
                        },
                    .on_bytes = [&](std::string_view more) { bytes += more; },
                    .on_end = [&] { told.lines.back() += "=" + bytes; }});
  for (std::size_t at = 0; at < tar.size(); at += piece) {
    told.sound = reader.feed(std::string_view(tar).substr(at, piece)) && told.sound;
  }
  told.whole = reader.at_boundary();
  return told;
}

TEST(TarReader, ReadsWhatIsWritten) {
  const std::string long_name = std::string(150, 'a') + "/" + std::string(150, 'b');
  std::string tar =
      archive_of({.path = "./"}) + archive_of({.path = "made", .is_directory = true}) +
      archive_of({.path = "made/file", .modified_s = 1'700'000'000}, "contents") +
      archive_of({.path = "empty"}) + archive_of({.path = long_name}, "x") +
      archive_of({.path = "n\xc3\xa4me", .uid = 1'900'000'000}, std::string(1'000, 'y'));
  tar.append(kTarEndBytes, '\0');
  for (const std::size_t piece : {1u << 20, 512u, 100u, 1u}) {
    const Told told = read(tar, piece);
    EXPECT_TRUE(told.sound);
    EXPECT_TRUE(told.whole);
    EXPECT_THAT(told.lines, ElementsAre("made/", "made/file=contents", "empty=", long_name + "=x",
                                        "n\xc3\xa4me=" + std::string(1'000, 'y')))
        << piece;
  }
}

TEST(TarReader, TellsTimesModesAndSizes) {
  TarEntry seen;
  TarReader reader({.on_entry = [&](const TarEntry& entry) { seen = entry; },
                    .on_bytes = nullptr,
                    .on_end = nullptr});
  EXPECT_TRUE(reader.feed(archive_of({.path = "x", .modified_s = 42, .mode = 0750}, "abc")));
  EXPECT_EQ(seen.modified_s, 42);
  EXPECT_EQ(seen.mode, 0750u);
  EXPECT_EQ(seen.size_bytes, 3u);
}

// The type of an entry, and its sum put right again.
std::string with_type(std::string block, char type) {
  const auto sum_of = [&] {
    unsigned sum = 0;
    for (std::size_t i = 0; i < 512; ++i) {
      sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
    }
    return sum;
  };
  block[156] = type;
  char digits[8];
  std::snprintf(digits, sizeof digits, "%06o", sum_of());
  block.replace(148, 7, digits, 7);
  return block;
}

TEST(TarReader, PassesOverLinksAndDevices) {
  const std::string link = with_type(archive_of({.path = "link"}), '2');
  const std::string device = with_type(archive_of({.path = "device"}), '4');
  const Told told = read(link + device + archive_of({.path = "file"}, "here"));
  EXPECT_THAT(told.lines, ElementsAre("file=here"));
}

TEST(TarReader, KnowsGnusLongNames) {
  const std::string name = std::string(200, 'n');
  const Told told = read(with_type(archive_of({.path = "././@LongLink"}, name + '\0'), 'L') +
                         archive_of({.path = "short"}, "z"));
  EXPECT_THAT(told.lines, ElementsAre(name + "=z"));
}

TEST(TarReader, LeavesAnExtensionThatLiesAside) {
  for (const std::string record : {"000005 path=b\n", "99 path=b\n", "5", "6 path", "0 path=b\n"}) {
    const Told told = read(with_type(archive_of({.path = "x"}, record), 'x') +
                           archive_of({.path = "file"}, "here"));
    EXPECT_TRUE(told.sound) << record;
    EXPECT_THAT(told.lines, ElementsAre("file=here")) << record;
  }
}

TEST(TarReader, PassesOverAFileWithoutAName) {
  const Told told = read(archive_of({.path = "first"}, "a") + archive_of({.path = "./"}, "hidden") +
                         archive_of({.path = "last"}, "b"));
  EXPECT_THAT(told.lines, ElementsAre("first=a", "last=b"));
}

TEST(TarReader, RefusesWhatIsNoArchive) {
  EXPECT_FALSE(read(std::string(512, 'x')).sound);
  std::string wrong = archive_of({.path = "file"}, "x");
  wrong[0] = 'g';  // its sum does not hold any more
  const Told told = read(wrong + archive_of({.path = "next"}, "y"));
  EXPECT_FALSE(told.sound);
  EXPECT_THAT(told.lines, IsEmpty());
}

TEST(TarReader, SeesThatAnArchiveIsCut) {
  const std::string tar = archive_of({.path = "file"}, "contents");
  EXPECT_FALSE(read(tar.substr(0, 515)).whole);
  EXPECT_FALSE(read(tar.substr(0, 100)).whole);
}

}  // namespace
}  // namespace perijove
