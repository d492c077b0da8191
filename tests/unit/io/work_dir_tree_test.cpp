// What lies below a work directory: paths with directories in them, reading, listing, removing.

#include <gmock/gmock.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

#include "io/work_dir.hpp"
#include "support/processes.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = WorkDirEntry::Kind;

class WorkDirTreeTest : public ::testing::Test {
 protected:
  WorkDirTreeTest() {
    fs::create_directory(temp_.path() / "elsewhere");
    temp_.write("elsewhere/secret", "kept");
    directory_.emplace(*WorkDir::open(out_.string()));
  }

  std::vector<std::string> paths(const std::string& at, bool recursive) const {
    const auto entries = directory_->list(at, recursive, 1000);
    EXPECT_TRUE(entries) << entries.error();
    std::vector<std::string> found;
    for (const WorkDirEntry& entry : *entries) found.push_back(entry.path);
    return found;
  }
  template <typename T>
  static Code code_of(const Result<T>& result) {
    EXPECT_FALSE(result);
    return result ? Code::internal : result.error().code;
  }
  std::string secret() const { return *WorkDir::open(temp_.str())->read("elsewhere/secret"); }

  testing::TempDir temp_;
  fs::path out_ = temp_.path() / "out";
  std::optional<WorkDir> directory_;
};

const char* const kPathsThatAreNone[] = {"",           "/",  "/etc/passwd", "..", "../up",
                                         "a/../../up", "a/", ".",           "./", "a/.."};

TEST_F(WorkDirTreeTest, WritesAndReadsBelowDirectoriesThatItMakes) {
  const auto written = directory_->write("a/b/c.txt", "text");
  ASSERT_TRUE(written) << written.error();
  EXPECT_EQ(*written, (out_ / "a/b/c.txt").string());
  EXPECT_EQ(*directory_->read("a/b/c.txt"), "text");
  EXPECT_EQ(*directory_->read("./a//b/./c.txt"), "text");
  ASSERT_TRUE(directory_->write("a/b/c.txt", "other"));
  EXPECT_EQ(*directory_->read("a/b/c.txt"), "other");
}

TEST_F(WorkDirTreeTest, ReadsAPartOfAFile) {
  ASSERT_TRUE(directory_->write("f", "0123456789"));
  EXPECT_EQ(*directory_->read("f", 3, 4), "3456");
  EXPECT_EQ(*directory_->read("f", 8, 100), "89");
  EXPECT_EQ(*directory_->read("f", 10), "");
  EXPECT_EQ(*directory_->read("f", UINT64_MAX, UINT64_MAX), "");
  EXPECT_EQ(*directory_->read("f", 0, 0), "");
}

TEST_F(WorkDirTreeTest, NoCallTakesAPathThatLeadsOut) {
  for (const std::string path : kPathsThatAreNone) {
    EXPECT_EQ(code_of(directory_->write(path, "x")), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(directory_->read(path)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(directory_->open_file(path)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(directory_->create_file(path)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(directory_->stat(path)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(directory_->remove(path, true)), Code::invalid_argument) << path;
    if (!path.empty()) {
      EXPECT_EQ(code_of(directory_->list(path, true, 9)), Code::invalid_argument) << path;
    }
  }
  EXPECT_EQ(code_of(directory_->read(std::string_view("a\0b", 3))), Code::invalid_argument);
  EXPECT_TRUE(fs::is_empty(out_));
}

TEST_F(WorkDirTreeTest, NoCallFollowsALinkThatLeadsOut) {
  fs::create_directory_symlink(temp_.path() / "elsewhere", out_ / "absolute");
  fs::create_directory_symlink("../elsewhere", out_ / "relative");
  fs::create_symlink(temp_.path() / "elsewhere/secret", out_ / "file");
  fs::create_directory_symlink("/proc/self/root", out_ / "magic");
  for (const char* const link : {"absolute", "relative", "magic/etc"}) {
    const std::string below = std::string(link) + "/secret";
    EXPECT_EQ(code_of(directory_->write(below, "x")), Code::permission_denied) << link;
    EXPECT_EQ(code_of(directory_->create_file(below)), Code::permission_denied) << link;
    EXPECT_EQ(code_of(directory_->read(below)), Code::permission_denied) << link;
    EXPECT_EQ(code_of(directory_->stat(below)), Code::permission_denied) << link;
    EXPECT_EQ(code_of(directory_->list(link, true, 9)), Code::permission_denied) << link;
    EXPECT_EQ(code_of(directory_->remove(below)), Code::permission_denied) << link;
  }
  EXPECT_EQ(code_of(directory_->read("file")), Code::permission_denied);
  EXPECT_EQ(code_of(directory_->create_file("file")), Code::already_exists);
  EXPECT_EQ(secret(), "kept");
  EXPECT_THAT(directory_->read("file").error().message, HasSubstr("leads out of the work"));
}

TEST_F(WorkDirTreeTest, ReadsThroughLinksThatStayInside) {
  ASSERT_TRUE(directory_->write("a/f", "x"));
  fs::create_symlink("a/f", out_ / "link");
  fs::create_directory_symlink("../a", out_ / "a/again");
  EXPECT_EQ(*directory_->read("link"), "x");
  EXPECT_EQ(*directory_->read("a/again/f"), "x");
  EXPECT_EQ(directory_->stat("link")->kind, Kind::file);
  EXPECT_FALSE(directory_->write("a/again/g", "y")) << "writing follows none at all";
}

TEST_F(WorkDirTreeTest, OpensRegularFilesOnly) {
  fs::create_directory(out_ / "directory");
  ASSERT_EQ(mkfifo((out_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(code_of(directory_->read("directory")), Code::permission_denied);
  EXPECT_EQ(code_of(directory_->read("pipe")), Code::permission_denied) << "and does not wait";
  EXPECT_EQ(code_of(directory_->read("missing")), Code::not_found);
  EXPECT_EQ(code_of(directory_->read("missing/below")), Code::not_found);
}

TEST_F(WorkDirTreeTest, MakesAFileOnce) {
  {
    const auto made = directory_->create_file("logs/e.stdout", 0600);
    ASSERT_TRUE(made) << made.error();
    EXPECT_EQ(::write(made->get(), "x", 1), 1);
    EXPECT_EQ(*read_at(*made, 0, 10), "x") << "to read and write";
  }
  EXPECT_EQ(code_of(directory_->create_file("logs/e.stdout")), Code::already_exists);
  EXPECT_EQ(*directory_->read("logs/e.stdout"), "x");
  EXPECT_EQ(fs::status(out_ / "logs/e.stdout").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(WorkDirTreeTest, AFileInTheWayOfADirectoryIsSaid) {
  ASSERT_TRUE(directory_->write("a", "x"));
  EXPECT_EQ(code_of(directory_->write("a/b", "y")), Code::already_exists);
  EXPECT_EQ(*directory_->read("a"), "x");
}

TEST_F(WorkDirTreeTest, TellsWhatAnEntryIs) {
  ASSERT_TRUE(directory_->write("a/f", "12345"));
  const auto file = directory_->stat("a/f");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->path, "a/f");
  EXPECT_EQ(file->kind, Kind::file);
  EXPECT_EQ(file->size_bytes, 5u);
  struct stat info {};
  ASSERT_EQ(::stat((out_ / "a/f").c_str(), &info), 0);
  EXPECT_EQ(file->modified_ns,
            std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec);
  EXPECT_EQ(file->inode, info.st_ino);
  EXPECT_EQ(directory_->stat("a")->kind, Kind::directory);
  EXPECT_EQ(code_of(directory_->stat("b")), Code::not_found);
}

TEST_F(WorkDirTreeTest, ListsADirectoryByPath) {
  for (const char* const path : {"b.txt", "a/2", "a/1", "a/z/0", "a.txt"}) {
    ASSERT_TRUE(directory_->write(path, "x"));
  }
  EXPECT_THAT(paths("", false), ElementsAre("a", "a.txt", "b.txt"));
  EXPECT_THAT(paths("", true), ElementsAre("a", "a.txt", "a/1", "a/2", "a/z", "a/z/0", "b.txt"));
  EXPECT_THAT(paths("a", false), ElementsAre("a/1", "a/2", "a/z"));
  EXPECT_THAT(paths("a/z", true), ElementsAre("a/z/0"));
  EXPECT_EQ(code_of(directory_->list("missing", false, 9)), Code::not_found);
  EXPECT_FALSE(directory_->list("a.txt", false, 9));
}

TEST_F(WorkDirTreeTest, ListsLinksWithoutLookingBehindThem) {
  fs::create_directory_symlink(temp_.path() / "elsewhere", out_ / "out");
  fs::create_directory_symlink(".", out_ / "loop");
  const auto entries = directory_->list("", true, 100);
  ASSERT_TRUE(entries);
  ASSERT_THAT(*entries, SizeIs(2));
  EXPECT_EQ((*entries)[0].kind, Kind::other);
  EXPECT_EQ((*entries)[1].kind, Kind::other);
}

TEST_F(WorkDirTreeTest, LeavesOutWhatIsItsOwn) {
  ASSERT_TRUE(directory_->write(".perijove/e_1.stdout", "x"));
  ASSERT_TRUE(directory_->write(".hidden", "x"));
  EXPECT_THAT(paths("", true), ElementsAre(".hidden"));
}

TEST_F(WorkDirTreeTest, ListsNoMoreThanIsAskedFor) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(directory_->write("f" + std::to_string(i), ""));
  EXPECT_THAT(*directory_->list("", true, 5), SizeIs(5));
  EXPECT_EQ(code_of(directory_->list("", true, 4)), Code::resource_exhausted);
}

TEST_F(WorkDirTreeTest, RemovesFilesLinksAndEmptyDirectories) {
  ASSERT_TRUE(directory_->write("a/f", "x"));
  fs::create_symlink(temp_.path() / "elsewhere/secret", out_ / "link");
  fs::create_directory(out_ / "empty");
  EXPECT_TRUE(directory_->remove("a/f"));
  EXPECT_TRUE(directory_->remove("link"));
  EXPECT_TRUE(directory_->remove("empty"));
  EXPECT_THAT(paths("", true), ElementsAre("a"));
  EXPECT_EQ(secret(), "kept");
  EXPECT_EQ(code_of(directory_->remove("missing")), Code::not_found);
  EXPECT_EQ(code_of(directory_->remove("missing/below")), Code::not_found);
}

TEST_F(WorkDirTreeTest, RemovesAFullDirectoryOnlyWhenToldSo) {
  for (const char* const path : {"a/1", "a/b/2", "a/b/c/3"}) {
    ASSERT_TRUE(directory_->write(path, "x"));
  }
  fs::create_directory_symlink(temp_.path() / "elsewhere", out_ / "a/b/link");
  EXPECT_FALSE(directory_->remove("a"));
  EXPECT_EQ(*directory_->read("a/b/c/3"), "x");
  const auto removed = directory_->remove("a", true);
  EXPECT_TRUE(removed) << removed.error();
  EXPECT_THAT(paths("", true), IsEmpty());
  EXPECT_EQ(secret(), "kept") << "what a link leads to stays";
}

// Deeper than there may be open descriptors, if each level took two.
TEST_F(WorkDirTreeTest, RemovesDeepDirectories) {
  constexpr int kDepth = 600;
  std::string path;
  for (int i = 0; i < kDepth; ++i) path += path.empty() ? "d" : "/d";
  ASSERT_TRUE(directory_->write(path + "/f", "x"));
  const auto before = testing::open_descriptors();
  const auto removed = directory_->remove("d", true);
  EXPECT_TRUE(removed) << removed.error();
  EXPECT_THAT(paths("", true), IsEmpty());
  EXPECT_EQ(testing::open_descriptors(), before);
}

TEST_F(WorkDirTreeTest, LeavesNoDescriptorOpenWhateverFails) {
  ASSERT_TRUE(directory_->write("a/f", "x"));
  fs::create_directory_symlink(temp_.path() / "elsewhere", out_ / "link");
  const auto before = testing::open_descriptors();
  (void)directory_->write("a/f/g", "x");
  (void)directory_->write("link/g", "x");
  (void)directory_->create_file("a/f");
  (void)directory_->read("a");
  (void)directory_->list("a", true, 0);
  (void)directory_->list("link", true, 9);
  (void)directory_->remove("a");
  EXPECT_EQ(testing::open_descriptors(), before);
}

// gVisor and older systems have no openat2, and older container runtimes forbid what they do not
// know.
void forbid_openat2(int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = std::size(filter), .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::_Exit(77);
  }
}

class WithoutOpenat2Test : public WorkDirTreeTest, public ::testing::WithParamInterface<int> {};

TEST_P(WithoutOpenat2Test, WorksAndStaysInsideAllTheSame) {
  fs::create_directory_symlink(temp_.path() / "elsewhere", out_ / "link");
  EXPECT_EXIT(
      {
        forbid_openat2(GetParam());
        const bool works = directory_->write("a/b/f", "x") && directory_->read("a/b/f") &&
                           *directory_->read("a/b/f") == "x" && directory_->create_file("a/g") &&
                           directory_->stat("a/b/f") && paths("", true).size() == 5 &&
                           paths("a", false).size() == 2 && directory_->remove("a", true);
        const bool inside = !directory_->write("link/f", "x") && !directory_->read("link/secret") &&
                            !directory_->list("link", true, 9) && !directory_->stat("link/secret");
        std::_Exit(works ? inside ? 0 : 2 : 1);
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_THAT(std::distance(fs::directory_iterator(temp_.path() / "elsewhere"), {}), 1);
}

INSTANTIATE_TEST_SUITE_P(, WithoutOpenat2Test, ::testing::Values(ENOSYS, EPERM));

}  // namespace
}  // namespace perijove
