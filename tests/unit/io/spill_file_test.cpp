#include "io/spill_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "support/processes.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using testing::open_descriptors;

constexpr std::uint64_t kMebibyte = 1024 * 1024;
constexpr std::uint64_t kPlenty = 1 << 30;

// Reserves a place and fills it.
std::optional<std::uint64_t> put(JournalStore& file, ByteView bytes) {
  const auto where = file.reserve(bytes.size());
  const ByteView pieces[] = {bytes};
  return where && file.write(*where, pieces) ? where : std::nullopt;
}

class SpillFileTest : public ::testing::Test {
 protected:
  // The descriptors that were opened since the test began.
  std::set<int> opened() const {
    std::set<int> all = open_descriptors();
    for (const int fd : before_) all.erase(fd);
    return all;
  }

  std::uint64_t bytes_on_disk() const {
    struct stat status {};
    EXPECT_EQ(opened().size(), 1u);
    fstat(*opened().begin(), &status);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  testing::TempDir temp_;
  std::set<int> before_ = open_descriptors();
};

TEST_F(SpillFileTest, ReadsBackWhatItWrote) {
  const auto file = make_spill_file(temp_.str(), kPlenty);
  const std::string binary("\0\xff\n", 3);
  const auto first = put(*file, "first");
  const auto second = put(*file, binary);
  const auto third = put(*file, std::string(3 * kMebibyte, 'x'));
  ASSERT_TRUE(first && second && third);
  EXPECT_LT(*first, *second);
  EXPECT_LT(*second, *third);
  EXPECT_EQ(file->read(*second, binary.size()), binary);
  EXPECT_EQ(file->read(*first, 5), "first");
  EXPECT_EQ(file->read(*third, 3 * kMebibyte), std::string(3 * kMebibyte, 'x'));
  EXPECT_EQ(file->read(*first, 5), "first");
}

TEST_F(SpillFileTest, FillsPlacesInAnyOrder) {
  const auto file = make_spill_file(temp_.str(), kPlenty);
  const auto first = file->reserve(6);
  const auto second = put(*file, "second");
  ASSERT_TRUE(first && second);
  EXPECT_LT(*first, *second);
  const ByteView pieces[] = {"f", "", "irst", "!"};
  ASSERT_TRUE(file->write(*first, pieces));
  EXPECT_EQ(file->read(*first, 6), "first!");
  EXPECT_EQ(file->read(*second, 6), "second");
}

TEST_F(SpillFileTest, TakesMorePiecesThanTheSystemTakesAtOnce) {
  const auto file = make_spill_file(temp_.str(), kPlenty);
  const std::string text(5'000, 'x');
  std::vector<ByteView> pieces;
  for (std::size_t i = 0; i < text.size(); ++i) pieces.push_back(ByteView(text).substr(i, 1));
  const auto where = file->reserve(text.size());
  ASSERT_TRUE(where);
  ASSERT_TRUE(file->write(*where, pieces));
  EXPECT_EQ(file->read(*where, text.size()), text);
}

TEST_F(SpillFileTest, HasNoNameAndIsMadeWhenItIsNeeded) {
  const auto file = make_spill_file(temp_.str(), kPlenty);
  EXPECT_TRUE(opened().empty());
  ASSERT_TRUE(put(*file, "x"));
  ASSERT_EQ(opened().size(), 1u);
  EXPECT_TRUE(fs::is_empty(temp_.path()));
  const int flags = fcntl(*opened().begin(), F_GETFD);
  EXPECT_TRUE(flags & FD_CLOEXEC);
  struct stat status {};
  fstat(*opened().begin(), &status);
  EXPECT_EQ(status.st_nlink, 0u);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(SpillFileTest, IsClosedAtItsEnd) {
  auto file = make_spill_file(temp_.str(), kPlenty);
  ASSERT_TRUE(put(*file, "x"));
  file.reset();
  EXPECT_TRUE(opened().empty());
}

TEST_F(SpillFileTest, RefusesMoreThanItsLimit) {
  const auto file = make_spill_file(temp_.str(), 10);
  EXPECT_TRUE(put(*file, "123456"));
  EXPECT_FALSE(put(*file, "12345"));
  const auto last = put(*file, "1234");
  ASSERT_TRUE(last);
  EXPECT_FALSE(put(*file, "1"));
  EXPECT_EQ(file->read(*last, 4), "1234");
}

TEST_F(SpillFileTest, ALimitOfZeroTakesNothing) {
  EXPECT_FALSE(put(*make_spill_file(temp_.str(), 0), "x"));
}

TEST_F(SpillFileTest, TakesMoreWhenSomethingWasReleased) {
  const auto file = make_spill_file(temp_.str(), 2 * kMebibyte);
  const std::string half(kMebibyte, 'x');
  ASSERT_TRUE(put(*file, half));
  const auto second = put(*file, half);
  ASSERT_TRUE(second);
  EXPECT_FALSE(put(*file, half));
  file->release_before(*second);
  const auto third = put(*file, std::string(kMebibyte, 'y'));
  ASSERT_TRUE(third);
  EXPECT_EQ(file->read(*second, kMebibyte), half);
  EXPECT_EQ(file->read(*third, kMebibyte), std::string(kMebibyte, 'y'));
}

TEST_F(SpillFileTest, GivesReleasedBlocksBackToTheDisk) {
  const auto file = make_spill_file(temp_.str(), kPlenty);
  std::vector<std::uint64_t> places;
  for (char c = 'a'; c <= 'h'; ++c) places.push_back(*put(*file, std::string(kMebibyte, c)));
  const std::uint64_t before = bytes_on_disk();
  EXPECT_GE(before, 8 * kMebibyte);
  file->release_before(places[6]);
  EXPECT_LE(bytes_on_disk(), before - 6 * kMebibyte);
  EXPECT_EQ(file->read(places[6], kMebibyte), std::string(kMebibyte, 'g'));
  EXPECT_EQ(file->read(places[7], kMebibyte), std::string(kMebibyte, 'h'));
}

TEST_F(SpillFileTest, NeverReleasesWhatStandsBehind) {
  const auto file = make_spill_file(temp_.str(), kPlenty);
  const std::string text(700'000, 'x');
  std::vector<std::uint64_t> places;
  for (int i = 0; i < 10; ++i) places.push_back(*put(*file, text));
  for (std::size_t i = 0; i < places.size(); ++i) {
    file->release_before(places[i]);
    file->release_before(places[i]);
    file->release_before(0);
    for (std::size_t kept = i; kept < places.size(); ++kept) {
      ASSERT_EQ(file->read(places[kept], text.size()), text) << i << ' ' << kept;
    }
  }
}

TEST_F(SpillFileTest, StartsOverWhenCleared) {
  const auto file = make_spill_file(temp_.str(), 10);
  ASSERT_TRUE(put(*file, "1234567890"));
  file->clear();
  EXPECT_TRUE(opened().empty());
  EXPECT_FALSE(file->read(0, 10));
  const auto again = put(*file, "abc");
  ASSERT_TRUE(again);
  EXPECT_EQ(file->read(*again, 3), "abc");
}

TEST_F(SpillFileTest, SaysNoWhereItCannotWrite) {
  const auto file = make_spill_file(temp_.str() + "/missing", kPlenty);
  EXPECT_FALSE(put(*file, "x"));
  EXPECT_FALSE(put(*file, "x"));
  EXPECT_EQ(file->reserve(1), 0u) << "what could not be written takes no place";
  fs::create_directory(temp_.path() / "missing");
  EXPECT_TRUE(put(*file, "x")) << "and tries again";
}

TEST_F(SpillFileTest, ReadsNothingThatIsNotThere) {
  const auto file = make_spill_file(temp_.str(), kPlenty);
  EXPECT_FALSE(file->read(0, 1));
  ASSERT_TRUE(put(*file, "abc"));
  EXPECT_FALSE(file->read(0, 4));
  EXPECT_FALSE(file->read(100, 1));
}

}  // namespace
}  // namespace perijove
