// Virtual environments as their files are.

#include "provision/virtual_env.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using ::testing::HasSubstr;

class VirtualEnvTest : public ::testing::Test {
 protected:
  // With a python that can be run, and these settings.
  std::string make(const std::string& settings) {
    temp_.write("env/bin/python", "");
    EXPECT_EQ(chmod((directory() + "/bin/python").c_str(), 0755), 0);
    temp_.write("env/pyvenv.cfg", settings);
    return directory();
  }
  std::string directory() const { return temp_.str() + "/env"; }
  std::string base() {
    temp_.write("base/lib/python3.12/os.py", "");
    return temp_.str() + "/base";
  }
  VirtualEnv read(const std::string& settings) {
    const auto found = blocking_read_virtual_env(make(settings));
    EXPECT_TRUE(found) << found.error();
    return found ? *found : VirtualEnv{};
  }

  testing::TempDir temp_;
};

TEST_F(VirtualEnvTest, NamesTheBaseThatItsSettingsName) {
  const VirtualEnv found =
      read("home = " + base() + "/bin\ninclude-system-site-packages = false\n");
  EXPECT_EQ(found.base, base());
  EXPECT_FALSE(found.sees_base);
  EXPECT_EQ(found.python(), directory() + "/bin/python");
  EXPECT_TRUE(
      read("Include = x\nhome=" + base() + "/bin\ninclude-system-site-packages=True").sees_base);
}

TEST_F(VirtualEnvTest, ABaseThatIsNoPythonsIsNone) {
  temp_.write("private/lib/key", "");
  for (const std::string& home :
       {temp_.str() + "/private/bin", std::string("bin"), std::string()}) {
    EXPECT_EQ(read("home = " + home).base, "") << home;
  }
}

TEST_F(VirtualEnvTest, SettingsThatAreNoFileAreNone) {
  make("");
  const std::string settings = directory() + "/pyvenv.cfg";
  std::filesystem::remove(settings);
  EXPECT_TRUE(blocking_read_virtual_env(directory())) << "conda's have none";
  ASSERT_EQ(mkfifo(settings.c_str(), 0600), 0);
  const auto found = blocking_read_virtual_env(directory());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->base, "");
}

TEST_F(VirtualEnvTest, WithoutAPythonItIsNone) {
  const auto found = blocking_read_virtual_env(temp_.str());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::not_found);
  EXPECT_THAT(found.error().message, HasSubstr("is no Python environment"));
}

TEST_F(VirtualEnvTest, HasTheModulesThatAreThereAndThoseOfItsBaseWhenItSeesThem) {
  temp_.write("env/lib/python3.12/site-packages/ipykernel/__init__.py", "");
  temp_.write("base/local/lib/python3.12/dist-packages/ipykernel_launcher.py", "");
  const VirtualEnv alone = read("home = " + base() + "/bin\n");
  EXPECT_TRUE(blocking_has_module(alone, "ipykernel"));
  EXPECT_FALSE(blocking_has_module(alone, "ipykernel_launcher"));
  VirtualEnv both = alone;
  both.sees_base = true;
  EXPECT_TRUE(blocking_has_module(both, "ipykernel_launcher"));
  EXPECT_FALSE(blocking_has_module(both, "nothing"));
}

}  // namespace
}  // namespace perijove
