#include "app/server_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using testing::TempDir;

TEST(ServerFile, IsFoundWhileItLivesAndBelongsToItsUser) {
  const TempDir base;
  {
    const auto file = ServerFile::write(base.str(), "http://127.0.0.1:1/", "t\"oken");
    ASSERT_TRUE(file) << file.error();
    struct stat status {};
    const std::string path = base.str() + "/servers/" + std::to_string(::getpid()) + ".json";
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);

    const auto found = find_servers(base.str());
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found.front().pid, ::getpid());
    EXPECT_EQ(found.front().url, "http://127.0.0.1:1/");
    EXPECT_EQ(found.front().token, "t\"oken");
  }
  EXPECT_TRUE(find_servers(base.str()).empty());
}

TEST(ServerFile, OfAProcessThatIsGoneIsRemoved) {
  const TempDir base;
  // No process can have a number beyond the system's limit.
  base.write("servers/4194304.json",
             R"({"pid": 4194304, "start_time": "1", "url": "http://x/", "token": ""})");
  EXPECT_TRUE(find_servers(base.str()).empty());
  EXPECT_FALSE(std::filesystem::exists(base.path() / "servers/4194304.json"));
}

TEST(ServerFile, OfAProcessWhoseNumberIsAnothersNowIsRemoved) {
  const TempDir base;
  const std::string name = "servers/" + std::to_string(::getppid()) + ".json";
  base.write(name, R"({"pid": )" + std::to_string(::getppid()) +
                       R"(, "start_time": "1", "url": "http://x/", "token": ""})");
  EXPECT_TRUE(find_servers(base.str()).empty());
  EXPECT_FALSE(std::filesystem::exists(base.path() / name));
}

TEST(ServerFile, OfAGatewayThatWasKilledIsRemovedByTheNext) {
  const TempDir base;
  base.write("servers/4194304.json",
             R"({"pid": 4194304, "start_time": "1", "url": "http://x/", "token": ""})");
  const auto file = ServerFile::write(base.str(), "http://127.0.0.1:1/", "");
  ASSERT_TRUE(file) << file.error();
  EXPECT_FALSE(std::filesystem::exists(base.path() / "servers/4194304.json"));
}

TEST(ServerFile, ThatCannotBeReadIsPassedOver) {
  const TempDir base;
  base.write("servers/1.json", "not json");
  base.write("servers/2.json", R"({"pid": "one"})");
  base.write("servers/notes.txt", "");
  EXPECT_TRUE(find_servers(base.str()).empty());
  EXPECT_TRUE(find_servers(base.str() + "/nowhere").empty());
}

}  // namespace
}  // namespace perijove
