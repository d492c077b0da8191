#include "executor/remote_files.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "protocol/tar.hpp"
#include "protocol/tar_reader.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// Another machine's directory, in memory.
class FarPlace final : public KernelPlace {
 public:
  std::unique_ptr<RunningCommand> run(PlacedCommand command, PlacedCommandEvents) override {
    for (std::size_t i = 3; i < command.argv.size(); ++i) files.erase(command.argv[i]);
    return nullptr;
  }
  bool shares_files() const override { return false; }
  FileOwner file_owner() const override { return {}; }
  void put_files(std::string tar, std::function<void(Result<void>)> done) override {
    put.clear();
    std::string path;
    TarReader reader({.on_entry =
                          [&](const TarEntry& entry) {
                            path = entry.path;
                            put.push_back(path);
                            if (!entry.is_directory) files[path].clear();
                          },
                      .on_bytes = [&](std::string_view bytes) { files[path] += bytes; },
                      .on_end = nullptr});
    EXPECT_TRUE(reader.feed(tar));
    done(failure);
  }
  std::shared_ptr<void> get_files(std::function<void(std::string_view bytes)> on_bytes,
                                  std::function<void(Result<void>)> done) override {
    std::string tar;
    for (const auto& [path, bytes] : files) {
      tar += tar_header({.path = "./" + path, .size_bytes = bytes.size()}) + bytes;
      tar.append(tar_padding(bytes.size()), '\0');
    }
    on_bytes(tar.substr(0, tar.size() - cut_bytes));
    done(failure);
    return nullptr;
  }

  std::map<std::string, std::string> files;
  std::vector<std::string> put;  // at the last time
  Result<void> failure;
  std::size_t cut_bytes = 0;
};

class RemoteFilesTest : public ::testing::Test {
 protected:
  RemoteFilesTest() : directory_(*WorkDir::open(temp_.str() + "/work")), files_(directory_, far_) {}

  void write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(directory_.write(path, text));
  }
  Result<void> push() {
    Result<void> result;
    files_.push([&](const Result<void>& done) { result = done; });
    return result;
  }
  Result<void> pull() {
    Result<void> result;
    files_.pull([&](const Result<void>& done) { result = done; });
    return result;
  }

  testing::TempDir temp_;
  WorkDir directory_;
  std::shared_ptr<FarPlace> far_ = std::make_shared<FarPlace>();
  RemoteFiles files_;
};

TEST_F(RemoteFilesTest, CarriesThereWhatIsNewHere) {
  write("a.txt", "a");
  write("deep/b.txt", "b");
  EXPECT_TRUE(push());
  EXPECT_THAT(far_->files, UnorderedElementsAre(Pair("a.txt", "a"), Pair("deep/b.txt", "b")));
  write("a.txt", "changed");
  EXPECT_TRUE(push());
  EXPECT_THAT(far_->put, ElementsAre("a.txt"));
  far_->put.clear();
  EXPECT_TRUE(push());
  EXPECT_THAT(far_->put, IsEmpty()) << "nothing has changed";
}

TEST_F(RemoteFilesTest, BringsHereWhatIsNewThere) {
  far_->files = {{"made/out.csv", "1,2"}, {"empty", ""}};
  EXPECT_TRUE(pull());
  EXPECT_EQ(*directory_.read("made/out.csv"), "1,2");
  EXPECT_EQ(*directory_.read("empty"), "");
  EXPECT_TRUE(push());
  EXPECT_THAT(far_->put, ElementsAre("made")) << "what came from there does not go back";
}

TEST_F(RemoteFilesTest, AChangeOfTheSameSizeIsOne) {
  write("file", "aaa");
  EXPECT_TRUE(push());
  far_->files["file"] = "bbb";
  EXPECT_TRUE(pull());
  EXPECT_EQ(*directory_.read("file"), "bbb");
}

TEST_F(RemoteFilesTest, AFileThatIsUntouchedThereIsNotWrittenAnew) {
  write("file", "aaa");
  EXPECT_TRUE(push());
  const auto before = *directory_.stat("file");
  EXPECT_TRUE(pull());
  EXPECT_EQ(directory_.stat("file")->inode, before.inode);
}

TEST_F(RemoteFilesTest, WhatOneSideRemovesTheOtherDoesToo) {
  write("here", "1");
  write("there", "2");
  EXPECT_TRUE(push());
  far_->files.erase("there");
  EXPECT_TRUE(pull());
  EXPECT_FALSE(directory_.stat("there"));
  ASSERT_TRUE(directory_.remove("here"));
  EXPECT_TRUE(push());
  EXPECT_THAT(far_->files, IsEmpty());
}

TEST_F(RemoteFilesTest, WhatIsRemovedHereDoesNotComeBack) {
  write("file", "1");
  EXPECT_TRUE(push());
  ASSERT_TRUE(directory_.remove("file"));
  EXPECT_TRUE(pull());
  EXPECT_FALSE(directory_.stat("file"));
}

TEST_F(RemoteFilesTest, AFileThatWasChangedHereIsNotRemovedBecauseItIsGoneThere) {
  write("file", "1");
  EXPECT_TRUE(push());
  far_->files.clear();
  write("file", "changed here");
  EXPECT_TRUE(pull());
  EXPECT_EQ(*directory_.read("file"), "changed here");
}

TEST_F(RemoteFilesTest, NothingIsWrittenOutsideOrWhereTheGatewayKeepsItsOwn) {
  far_->files = {{"../outside", "x"}, {"/etc/x", "x"}, {".perijove/log", "x"}, {"inside", "x"}};
  EXPECT_FALSE(pull());
  EXPECT_TRUE(directory_.stat("inside"));
  EXPECT_FALSE(std::filesystem::exists(temp_.path() / "outside"));
  EXPECT_FALSE(directory_.stat(".perijove/log"));
}

TEST_F(RemoteFilesTest, AnArchiveThatIsCutRemovesNothing) {
  write("file", "1");
  EXPECT_TRUE(push());
  far_->files = {{"a", std::string(600, 'a')}};
  far_->cut_bytes = 512;
  EXPECT_EQ(pull().error().code, Code::data_loss);
  EXPECT_TRUE(directory_.stat("file"));
}

TEST_F(RemoteFilesTest, WhatCouldNotBeCarriedIsCarriedTheNextTime) {
  write("file", "1");
  far_->failure = Error{Code::unavailable, "no daemon"};
  EXPECT_FALSE(push());
  far_->failure = {};
  far_->files.clear();
  EXPECT_TRUE(push());
  EXPECT_THAT(far_->files, ElementsAre(Pair("file", "1")));
}

}  // namespace
}  // namespace perijove
