#include "io/file_digests.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "io/work_dir.hpp"
#include "protocol/sha256.hpp"

namespace perijove {
namespace {

class FileDigestsTest : public ::testing::Test {
 protected:
  ~FileDigestsTest() override { std::filesystem::remove_all(path_); }

  void write(const std::string& bytes) {
    std::ofstream(path_ / "file", std::ios::binary | std::ios::trunc) << bytes;
  }

  void begin() {
    auto file = directory_->open_file("file");
    ASSERT_TRUE(file) << file.error();
    digests_.get(shard_, *std::move(file),
                 [this](Result<FileDigest> digest, const auto& handed_back) {
                   EXPECT_TRUE(*handed_back);
                   answer_ = std::move(digest);
                 });
  }

  Result<FileDigest> digest() {
    answer_.reset();
    begin();
    shard_.loop().restart();
    shard_.loop().run();
    return *answer_;
  }

  std::filesystem::path path_ = std::filesystem::temp_directory_path() / ("pj-" + random_hex(8));
  Result<WorkDir> directory_ = WorkDir::open(path_);
  Shard shard_;
  FileDigests digests_;
  std::optional<Result<FileDigest>> answer_;
};

TEST_F(FileDigestsTest, AreThoseOfTheWholeFile) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{3} << 20}) {
    const std::string bytes(size, 'x');
    write(bytes);
    const auto found = digest();
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ(found->sha256, sha256_hex(bytes));
    EXPECT_EQ(found->size_bytes, size);
  }
}

TEST_F(FileDigestsTest, FollowAChangeOfTheSameSize) {
  write("before");
  EXPECT_EQ(digest()->sha256, sha256_hex("before"));
  write("behind");
  EXPECT_EQ(digest()->sha256, sha256_hex("behind"));
}

TEST_F(FileDigestsTest, LeaveTheLoopToOthersBetweenSlices) {
  write(std::string(std::size_t{4} << 20, 'x'));
  begin();
  EXPECT_FALSE(answer_);
  shard_.loop().run_one();
  EXPECT_FALSE(answer_);
  shard_.loop().run();
  EXPECT_TRUE(answer_ && *answer_);
}

TEST_F(FileDigestsTest, AreRefusedForAFileThatChangesMeanwhile) {
  write(std::string(std::size_t{4} << 20, 'x'));
  begin();
  shard_.loop().run_one();
  write("short");
  shard_.loop().run();
  ASSERT_TRUE(answer_);
  ASSERT_FALSE(*answer_);
  EXPECT_EQ(answer_->error().code, Code::aborted);
}

}  // namespace
}  // namespace perijove
