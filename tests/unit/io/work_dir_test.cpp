#include "io/work_dir.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class WorkDirTest : public ::testing::Test {
 protected:
  WorkDirTest() { fs::create_directory(out_); }

  WorkDir open() {
    auto opened = WorkDir::open(out_.string());
    EXPECT_TRUE(opened) << opened.error();
    return *std::move(opened);
  }

  testing::TempDir temp_;
  fs::path out_ = temp_.path() / "out";
};

TEST_F(WorkDirTest, WritesAFileAndSaysWhere) {
  const auto written = open().write("plot.png", ByteView("\x89PNG\0", 5));
  ASSERT_TRUE(written) << written.error();
  EXPECT_EQ(*written, (out_ / "plot.png").string());
  EXPECT_EQ(read_file(*written), std::string("\x89PNG\0", 5));
  EXPECT_THAT(names_in(out_), ElementsAre("plot.png"));
}

TEST_F(WorkDirTest, WritesEmptyAndLargeFiles) {
  const WorkDir directory = open();
  EXPECT_TRUE(directory.write("empty", ""));
  EXPECT_EQ(fs::file_size(out_ / "empty"), 0u);
  const std::string large(20'000'000, 'x');
  EXPECT_TRUE(directory.write("large", large));
  EXPECT_EQ(read_file(out_ / "large"), large);
}

TEST_F(WorkDirTest, FilesHaveTheModeThatTheUmaskLeaves) {
  const mode_t before = umask(027);
  EXPECT_TRUE(open().write("file", "x"));
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat((out_ / "file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST_F(WorkDirTest, MakesWhatIsMissingAboveIt) {
  const auto opened = WorkDir::open((temp_.path() / "a/b/../c").string());
  ASSERT_TRUE(opened) << opened.error();
  EXPECT_EQ(opened->path(), (temp_.path() / "a/c").string());
  EXPECT_TRUE(fs::is_directory(temp_.path() / "a/c"));
}

TEST_F(WorkDirTest, ShowsNoTrailingSlash) {
  EXPECT_EQ(WorkDir::open(out_.string() + "///")->path(), out_.string());
  EXPECT_EQ(WorkDir::open("/")->path(), "/");
}

TEST_F(WorkDirTest, RefusesNamesThatAreNoSingleComponent) {
  const WorkDir directory = open();
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../up"),
        std::string("/etc/passwd"), std::string("a/"), std::string("/"),
        std::string("sub/../../up"), std::string("a\0b", 3), std::string("\0", 1)}) {
    const auto written = directory.write(name, "x");
    ASSERT_FALSE(written) << name;
    EXPECT_EQ(written.error().code, Code::invalid_argument);
  }
  EXPECT_TRUE(fs::is_empty(out_));
  EXPECT_THAT(names_in(temp_.path()), ElementsAre("out"));
}

TEST_F(WorkDirTest, TakesNamesThatOnlyLookDangerous) {
  const WorkDir directory = open();
  for (const std::string name :
       {"..a", "...", "%2e%2e", " ", "-rf", "a\nb", "\xff", "C:\\x", "~"}) {
    EXPECT_TRUE(directory.write(name, "x")) << name;
    EXPECT_TRUE(fs::is_regular_file(out_ / name));
  }
}

TEST_F(WorkDirTest, ANameThatIsTooLongLeavesNothing) {
  const auto written = open().write(std::string(300, 'x'), "x");
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr("too long"));
  EXPECT_TRUE(fs::is_empty(out_));
}

TEST_F(WorkDirTest, ReplacesALinkAndNeverFollowsIt) {
  temp_.write("secret", "kept");
  fs::create_symlink(temp_.path() / "secret", out_ / "plot.png");
  EXPECT_TRUE(open().write("plot.png", "new"));
  EXPECT_EQ(read_file(temp_.path() / "secret"), "kept");
  EXPECT_FALSE(fs::is_symlink(out_ / "plot.png"));
  EXPECT_EQ(read_file(out_ / "plot.png"), "new");
}

TEST_F(WorkDirTest, ReplacesLinksOfEveryKind) {
  temp_.write("secret", "kept");
  fs::create_directory(temp_.path() / "elsewhere");
  fs::create_symlink(temp_.path() / "missing", out_ / "dangling");
  fs::create_directory_symlink(temp_.path() / "elsewhere", out_ / "directory");
  fs::create_hard_link(temp_.path() / "secret", out_ / "hard");
  fs::create_symlink("loop", out_ / "loop");
  ASSERT_EQ(mkfifo((out_ / "fifo").c_str(), 0600), 0);
  const WorkDir directory = open();
  for (const char* name : {"dangling", "directory", "hard", "loop", "fifo"}) {
    ASSERT_TRUE(directory.write(name, "new")) << name;
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(out_ / name))) << name;
  }
  EXPECT_EQ(read_file(temp_.path() / "secret"), "kept");
  EXPECT_TRUE(fs::is_empty(temp_.path() / "elsewhere"));
  EXPECT_FALSE(fs::exists(temp_.path() / "missing"));
}

TEST_F(WorkDirTest, DoesNotReplaceADirectory) {
  fs::create_directories(out_ / "taken/inside");
  const auto written = open().write("taken", "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::already_exists);
  EXPECT_THAT(names_in(out_), ElementsAre("taken"));
}

TEST_F(WorkDirTest, StaysInTheDirectoryItOpened) {
  const WorkDir directory = open();
  fs::create_directory(temp_.path() / "elsewhere");
  fs::rename(out_, temp_.path() / "moved");
  fs::create_directory_symlink(temp_.path() / "elsewhere", out_);
  EXPECT_TRUE(directory.write("file", "x"));
  EXPECT_TRUE(fs::exists(temp_.path() / "moved/file"));
  EXPECT_TRUE(fs::is_empty(temp_.path() / "elsewhere"));
}

TEST_F(WorkDirTest, SaysWhatIsInItsWay) {
  temp_.write("file", "");
  const auto opened = WorkDir::open((temp_.path() / "file").string());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::already_exists);
  EXPECT_THAT(opened.error().message, HasSubstr((temp_.path() / "file").string()));
  EXPECT_FALSE(WorkDir::open((temp_.path() / "file/below").string()));
}

TEST_F(WorkDirTest, ReadersSeeAWholeFileWhateverIsPlantedMeanwhile) {
  temp_.write("secret", "kept");
  const WorkDir directory = open();
  const std::string first(100'000, 'a'), second(200'000, 'b');
  ASSERT_TRUE(directory.write("file", first));
  std::atomic<bool> stop = false;
  std::thread planter([&] {
    while (!stop) {
      std::error_code ignored;
      fs::remove(out_ / "file", ignored);
      fs::create_symlink(temp_.path() / "secret", out_ / "file", ignored);
    }
  });
  for (int round = 0; round < 500; ++round) {
    EXPECT_TRUE(directory.write("file", round % 2 == 0 ? second : first));
    const std::string seen = read_file(out_ / "file");
    EXPECT_TRUE(seen == first || seen == second || seen == "kept" || seen.empty());
  }
  stop = true;
  planter.join();
  EXPECT_EQ(read_file(temp_.path() / "secret"), "kept");
}

TEST_F(WorkDirTest, TellsADirectoryThatIsNotEmptyFromOtherFailures) {
  const WorkDir directory = open();
  ASSERT_TRUE(directory.write("a/b", "x"));
  EXPECT_EQ(directory.remove("a").error().code, Code::failed_precondition);
}

TEST_F(WorkDirTest, TellsPermissionBits) {
  const WorkDir directory = open();
  ASSERT_TRUE(directory.write("script", "x"));
  fs::permissions(out_ / "script", static_cast<fs::perms>(0751));
  EXPECT_EQ(directory.stat("script")->mode, mode_t{0751});
}

TEST_F(WorkDirTest, WritesAFileThatTheUserNamed) {
  const std::string path = (temp_.path() / "new/dir/notebook.ipynb").string();
  ASSERT_TRUE(write_file_atomically(path, "{}"));
  EXPECT_EQ(read_file(path), "{}");
  ASSERT_TRUE(write_file_atomically(path, "[]"));
  EXPECT_EQ(read_file(path), "[]");
  EXPECT_THAT(names_in(temp_.path() / "new/dir"), ElementsAre("notebook.ipynb"));
  EXPECT_FALSE(write_file_atomically(path + "/", "x"));
  EXPECT_FALSE(write_file_atomically("", "x"));
}

}  // namespace
}  // namespace perijove
