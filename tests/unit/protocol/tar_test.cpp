#include "protocol/tar.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace perijove {
namespace {

// Field of the header block that starts at `block`.
std::string field(const std::string& header, std::size_t block, std::size_t at, std::size_t size) {
  const std::string text = header.substr(block + at, size);
  return text.substr(0, text.find('\0'));
}

unsigned sum_of(std::string block) {
  block.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  return sum;
}

TEST(TarHeader, OfAShortNameIsOneUstarBlock) {
  const std::string header = tar_header(
      {.path = "data/a.csv", .size_bytes = 1000, .modified_s = 1'700'000'000, .mode = 0755});
  ASSERT_EQ(header.size(), 512u);
  EXPECT_EQ(field(header, 0, 0, 100), "data/a.csv");
  EXPECT_EQ(field(header, 0, 100, 8), "0000755");
  EXPECT_EQ(field(header, 0, 124, 12), "00000001750");
  EXPECT_EQ(field(header, 0, 136, 12), "14524770400");
  EXPECT_EQ(header[156], '0');
  EXPECT_EQ(header.substr(257, 8), std::string_view("ustar\00000", 8));
  EXPECT_EQ(std::stoul(field(header, 0, 148, 8), nullptr, 8), sum_of(header));
}

TEST(TarHeader, OfADirectoryHasASlashAndNoBytes) {
  const std::string header = tar_header({.path = "data", .is_directory = true, .size_bytes = 4096});
  EXPECT_EQ(field(header, 0, 0, 100), "data/");
  EXPECT_EQ(field(header, 0, 124, 12), "00000000000");
  EXPECT_EQ(header[156], '5');
}

TEST(TarHeader, CutsALongPathAtASlash) {
  const std::string above(120, 'd');
  const std::string name(99, 'n');
  const std::string header = tar_header({.path = above + "/" + name});
  ASSERT_EQ(header.size(), 512u);
  EXPECT_EQ(field(header, 0, 0, 100), name);
  EXPECT_EQ(field(header, 0, 345, 155), above);
}

TEST(TarHeader, PutsWhatDoesNotFitIntoAnExtendedHeader) {
  for (const std::string& path : {std::string(101, 'n'), std::string(300, 'd') + "/x",
                                  std::string("gr\xc3\xb6\xc3\x9f"
                                              "e.txt")}) {
    const std::string header = tar_header({.path = path});
    ASSERT_EQ(header.size() % 512, 0u);
    ASSERT_GE(header.size(), 1536u) << path;
    EXPECT_EQ(header[156], 'x');
    const std::string record = header.substr(512, header.find('\n', 512) + 1 - 512);
    EXPECT_EQ(std::stoul(record), record.size());
    EXPECT_TRUE(record.ends_with(" path=" + path + "\n")) << record;
    EXPECT_EQ(header[header.size() - 512 + 156], '0');
  }
  const std::string large = tar_header({.path = "x", .size_bytes = std::uint64_t{1} << 40});
  EXPECT_NE(large.find(" size=1099511627776\n"), large.npos);
}

TEST(TarHeader, CountsALengthThatGrowsByItself) {
  // 97 bytes besides a length of two digits would be 99; of three, 100.
  for (std::size_t size = 85; size < 100; ++size) {
    const std::string header = tar_header({.path = "\xc3\xa4" + std::string(size - 2, 'x')});
    const std::string record = header.substr(512, header.find('\n', 512) + 1 - 512);
    EXPECT_EQ(std::stoul(record), record.size()) << size;
  }
}

TEST(TarPadding, FillsTheLastBlock) {
  EXPECT_EQ(tar_padding(0), 0u);
  EXPECT_EQ(tar_padding(1), 511u);
  EXPECT_EQ(tar_padding(511), 1u);
  EXPECT_EQ(tar_padding(512), 0u);
}

}  // namespace
}  // namespace perijove
