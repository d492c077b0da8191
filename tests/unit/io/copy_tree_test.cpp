#include "io/copy_tree.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "io/checkpoint_shelf.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CopyTreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(from());
    fs::create_directories(to());
  }
  fs::path from() const { return root_ / "from"; }
  fs::path to() const { return root_ / "to"; }

  static void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  static std::string read(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static FileDescriptor open(const fs::path& path) {
    return FileDescriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  Result<CopiedTree> copy(const CopyBounds& bounds = {}) {
    return blocking_copy_tree(open(from()), open(to()), bounds, stopped_);
  }

  testing::TempDir temp_;
  const fs::path root_ = temp_.path();
  std::atomic<bool> stopped_ = false;
};

TEST_F(CopyTreeTest, CopiesFilesWithTheirModesAndTimes) {
  write(from() / "a/b/file", "text");
  fs::permissions(from() / "a/b/file", fs::perms(0640));
  fs::permissions(from() / "a", fs::perms(0750));
  const auto copied = copy();
  ASSERT_TRUE(copied) << copied.error();
  EXPECT_EQ(copied->bytes, 4U);
  EXPECT_EQ(copied->entries, 3U);
  EXPECT_EQ(read(to() / "a/b/file"), "text");
  EXPECT_EQ(fs::status(to() / "a/b/file").permissions(), fs::perms(0640));
  EXPECT_EQ(fs::status(to() / "a").permissions(), fs::perms(0750));
  EXPECT_EQ(fs::last_write_time(to() / "a"), fs::last_write_time(from() / "a"));
}

TEST_F(CopyTreeTest, LinksStayLinksAndAreNotFollowed) {
  write(root_ / "secret", "secret");
  fs::create_symlink("../secret", from() / "link");
  fs::create_directory_symlink(root_, from() / "directory");
  ASSERT_TRUE(copy());
  EXPECT_EQ(fs::read_symlink(to() / "link"), "../secret");
  EXPECT_TRUE(fs::is_symlink(to() / "directory"));
}

TEST_F(CopyTreeTest, AFileWithTwoNamesBecomesTwo) {
  write(from() / "one", "1");
  fs::create_hard_link(from() / "one", from() / "two");
  ASSERT_TRUE(copy());
  EXPECT_EQ(fs::hard_link_count(to() / "one"), 1U);
  EXPECT_EQ(read(to() / "two"), "1");
}

TEST_F(CopyTreeTest, NamesWhatIsNoFileAndDropsSetuid) {
  ASSERT_EQ(::mkfifo((from() / "pipe").c_str(), 0600), 0);
  write(from() / "program", "#!");
  fs::permissions(from() / "program", fs::perms(04755));
  const auto copied = copy();
  ASSERT_TRUE(copied) << copied.error();
  EXPECT_THAT(copied->left_out, ElementsAre("pipe: no file, link or directory"));
  EXPECT_EQ(fs::status(to() / "program").permissions(), fs::perms(0755));
}

TEST_F(CopyTreeTest, PassesOverWhatIsTheGateways) {
  write(from() / ".perijove/log", "x");
  write(from() / "inside/.perijove/log", "x");
  ASSERT_TRUE(copy());
  EXPECT_FALSE(fs::exists(to() / ".perijove"));
  EXPECT_TRUE(fs::exists(to() / "inside/.perijove/log"));
}

TEST_F(CopyTreeTest, EndsAtItsBounds) {
  write(from() / "a", "12345");
  write(from() / "b", "12345");
  auto copied = copy({.bytes_max = 9});
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Code::resource_exhausted);
  fs::remove_all(to());
  fs::create_directory(to());
  copied = copy({.entries_max = 1});
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Code::resource_exhausted);
  fs::remove_all(to());
  fs::create_directory(to());
  EXPECT_TRUE(copy({.bytes_max = 10, .entries_max = 2}));
}

TEST_F(CopyTreeTest, StopsWhenItIsTold) {
  write(from() / "a", "1");
  stopped_ = true;
  const auto copied = copy();
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Code::aborted);
}

TEST_F(CopyTreeTest, NothingOfElsewhereGetsInWhileDirectoriesAreSwappedForLinks) {
  write(root_ / "elsewhere/file", "secret");
  write(from() / "d/file", "mine");
  std::atomic<bool> end = false;
  std::thread attacker([&] {
    std::error_code ignored;
    while (!end) {
      fs::rename(from() / "d", from() / "e", ignored);
      fs::create_directory_symlink(root_ / "elsewhere", from() / "d", ignored);
      fs::remove(from() / "d", ignored);
      fs::rename(from() / "e", from() / "d", ignored);
    }
  });
  for (int i = 0; i < 300; ++i) {
    (void)copy();  // it may miss what is away, or find it in the way
    for (const char* const name : {"d", "e"}) {
      if (fs::is_directory(fs::symlink_status(to() / name))) {
        EXPECT_NE(read(to() / name / "file"), "secret");
      }
    }
    fs::remove_all(to());
    fs::create_directory(to());
  }
  end = true;
  attacker.join();
}

TEST_F(CopyTreeTest, MovesEverythingButTheGatewaysOwn) {
  write(from() / "a/b", "1");
  write(from() / ".perijove/log", "x");
  fs::create_symlink("a", from() / "link");
  fs::permissions(from() / "a", fs::perms(0500));
  ASSERT_TRUE(move_entries(open(from()), open(to())));
  EXPECT_EQ(read(to() / "a/b"), "1");
  EXPECT_EQ(fs::status(to() / "a").permissions(), fs::perms(0500));
  EXPECT_TRUE(fs::is_symlink(to() / "link"));
  EXPECT_TRUE(fs::exists(from() / ".perijove/log"));
}

TEST_F(CopyTreeTest, RemovesATreeWithoutFollowingLinks) {
  write(from() / "tree/locked/file", "1");
  write(root_ / "elsewhere/file", "stays");
  fs::create_directory_symlink(root_ / "elsewhere", from() / "tree/link");
  fs::permissions(from() / "tree/locked", fs::perms(0));
  blocking_remove_tree(open(from()), "tree");
  EXPECT_FALSE(fs::exists(from() / "tree"));
  EXPECT_EQ(read(root_ / "elsewhere/file"), "stays");
}

TEST_F(CopyTreeTest, RemovesATreeThatIsDeeperThanThereAreDescriptors) {
  FileDescriptor at = open(from());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0700), 0);
    at = FileDescriptor(::openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  at.reset();
  const auto copied = copy();
  ASSERT_FALSE(copied);
  EXPECT_THAT(copied.error().message, HasSubstr("nested too deeply"));
  blocking_remove_tree(open(from()), "d");
  EXPECT_TRUE(fs::is_empty(from()));
}

TEST_F(CopyTreeTest, TheDigestIsOfWhatWasCopied) {
  write(root_ / "file", std::string(3'000'000, 'x'));
  const FileDescriptor source(::open((root_ / "file").c_str(), O_RDONLY | O_CLOEXEC));
  const FileDescriptor target(::open((root_ / "copy").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  Sha256 digest;
  const auto copied = blocking_copy_file(source, target, 3'000'000, digest, stopped_);
  ASSERT_TRUE(copied) << copied.error();
  EXPECT_EQ(*copied, 3'000'000U);
  EXPECT_EQ(digest.hex(), sha256_hex(read(root_ / "copy")));
  Sha256 other;
  EXPECT_FALSE(blocking_copy_file(source, target, 2'999'999, other, stopped_));
}

class CheckpointShelfTest : public CopyTreeTest {
 protected:
  CheckpointShelf open_shelf() {
    auto shelf = CheckpointShelf::open((root_ / "state").string());
    EXPECT_TRUE(shelf) << shelf.error();
    return *std::move(shelf);
  }
};

TEST_F(CheckpointShelfTest, NoneIsSeenBeforeItIsWhole) {
  CheckpointShelf shelf = open_shelf();
  const auto made = shelf.begin("c_1");
  ASSERT_TRUE(made) << made.error();
  write(fs::path(*made) / "manifest.json", "{}");
  EXPECT_THAT(shelf.kept(), IsEmpty());
  const auto directory = shelf.commit(*made, "c_1", true);
  ASSERT_TRUE(directory) << directory.error();
  EXPECT_THAT(shelf.kept(), ElementsAre(*directory));
  EXPECT_EQ(read(fs::path(*directory) / "manifest.json"), "{}");
}

TEST_F(CheckpointShelfTest, WhatIsNotKeptGoesWithItsGateway) {
  std::string kept, other;
  {
    CheckpointShelf shelf = open_shelf();
    kept = *shelf.commit(*shelf.begin("c_1"), "c_1", true);
    other = *shelf.commit(*shelf.begin("c_2"), "c_2", false);
    const CheckpointShelf beside = open_shelf();
    EXPECT_TRUE(fs::exists(other)) << "it has an owner";
  }
  EXPECT_TRUE(fs::exists(kept));
  EXPECT_FALSE(fs::exists(other));
}

TEST_F(CheckpointShelfTest, WhatAKilledGatewayHasLeftGoes) {
  open_shelf();
  const fs::path left = root_ / "state/checkpoints/gateway-dead";
  write(left / "lock", "");
  write(left / "c_1/files/a", "1");
  const CheckpointShelf shelf = open_shelf();
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(CheckpointShelfTest, ADirectoryThatOthersMayWriteToIsRefused) {
  fs::create_directory(root_ / "state");
  fs::permissions(root_ / "state", fs::perms(0777));
  const auto shelf = CheckpointShelf::open((root_ / "state").string());
  ASSERT_FALSE(shelf);
  EXPECT_EQ(shelf.error().code, Code::permission_denied);
  EXPECT_THAT(shelf.error().message, HasSubstr("--state-dir"));
}

TEST_F(CheckpointShelfTest, OneThatWasWithdrawnIsNone) {
  CheckpointShelf shelf = open_shelf();
  const std::string directory = *shelf.commit(*shelf.begin("c_1"), "c_1", true);
  const auto hidden = CheckpointShelf::withdraw(directory);
  ASSERT_TRUE(hidden) << hidden.error();
  EXPECT_THAT(shelf.kept(), IsEmpty());
  CheckpointShelf::discard(*hidden);
  EXPECT_FALSE(fs::exists(*hidden));
}

}  // namespace
}  // namespace perijove
