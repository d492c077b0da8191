#include "executor/output_log.hpp"

#include <gtest/gtest.h>

#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

class OutputLogTest : public ::testing::Test {
 protected:
  fs::path file() const { return temp_.path() / ".perijove/e_1.stdout"; }

  testing::TempDir temp_;
  WorkDir directory_ = *WorkDir::open(temp_.str());
  OutputLog log_{directory_, ".perijove/e_1.stdout"};
};

TEST_F(OutputLogTest, MakesNothingBeforeTheFirstByte) {
  log_.append("");
  EXPECT_FALSE(fs::exists(temp_.path() / ".perijove"));
  EXPECT_EQ(*log_.read(0, 100), "");
  log_.append("x");
  EXPECT_TRUE(fs::exists(file()));
}

TEST_F(OutputLogTest, IsReadPageByPage) {
  log_.append("hello ");
  log_.append("world");
  EXPECT_EQ(*log_.read(0, 5), "hello");
  EXPECT_EQ(*log_.read(5, 100), " world");
  EXPECT_EQ(*log_.read(11, 1), "");
  EXPECT_EQ(*log_.read(UINT64_MAX, UINT64_MAX), "");
  EXPECT_EQ(*log_.read(0, UINT64_MAX), "hello world");
  EXPECT_EQ(log_.total_bytes(), 11u);
  EXPECT_EQ(log_.kept_bytes(), 11u);
}

TEST_F(OutputLogTest, CountsWhatItDoesNotKeep) {
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 63; ++i) log_.append(piece);
  log_.append(piece.substr(10));
  log_.append("0123456789abc");
  log_.append("def");
  EXPECT_EQ(log_.kept_bytes(), OutputLog::kBytesMax);
  EXPECT_EQ(log_.total_bytes(), OutputLog::kBytesMax + 6);
  EXPECT_EQ(*log_.read(OutputLog::kBytesMax - 10, 100), "0123456789");
  EXPECT_EQ(fs::file_size(file()), OutputLog::kBytesMax);
}

TEST_F(OutputLogTest, LosesNothingToCodeThatRemovesOrReplacesTheFile) {
  log_.append("one");
  fs::remove(file());
  temp_.write("secret", "kept");
  fs::create_symlink(temp_.path() / "secret", file());
  log_.append("two");
  EXPECT_EQ(*log_.read(0, 100), "onetwo");
  std::ifstream secret(temp_.path() / "secret");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(secret), {}), "kept");
}

TEST_F(OutputLogTest, FollowsNoLinkThatIsPlantedInItsPlace) {
  testing::TempDir elsewhere;
  fs::create_directory_symlink(elsewhere.path(), temp_.path() / ".perijove");
  log_.append("x");
  EXPECT_TRUE(fs::is_empty(elsewhere.path()));
  EXPECT_EQ(log_.total_bytes(), 1u);
  EXPECT_EQ(log_.kept_bytes(), 0u);
  EXPECT_EQ(*log_.read(0, 100), "");
}

TEST_F(OutputLogTest, TakesNoFileThatWasThereBefore) {
  temp_.write(".perijove/e_1.stdout", "older");
  log_.append("x");
  EXPECT_EQ(log_.kept_bytes(), 0u);
  EXPECT_EQ(fs::file_size(file()), 5u);
}

}  // namespace
}  // namespace perijove
