#include "protocol/data_path.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/golden.hpp"

namespace perijove {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

TEST(DataPath, IsWhatJupyterCoreComputes) {
  const auto cases = nlohmann::json::parse(testing::read_golden("documents/data_path.json"));
  ASSERT_GT(cases.size(), 10u);
  for (const auto& row : cases) {
    EXPECT_EQ(jupyter_data_path(row.at("environment").get<Environment>()),
              row.at("path").get<std::vector<std::string>>())
        << row.at("name");
  }
}

TEST(DataPath, NeverMeansTheCurrentDirectory) {
  EXPECT_THAT(jupyter_data_path({{"JUPYTER_PATH", "::/srv:"}}),
              ElementsAre("/srv", "/usr/local/share/jupyter", "/usr/share/jupyter"));
}

TEST(DataPath, HasNoUserDirectoryWithoutAHome) {
  EXPECT_THAT(jupyter_data_path({}), ElementsAre("/usr/local/share/jupyter", "/usr/share/jupyter"));
}

TEST(DataPath, OfTheUserIsWhereJupyterInstallsFor) {
  EXPECT_EQ(jupyter_user_data_directory({{"HOME", "/home/ada"}}), "/home/ada/.local/share/jupyter");
  EXPECT_EQ(jupyter_user_data_directory({{"HOME", "/home/ada"}, {"XDG_DATA_HOME", "/data"}}),
            "/data/jupyter");
  EXPECT_EQ(jupyter_user_data_directory({{"XDG_DATA_HOME", "/data"}, {"JUPYTER_DATA_DIR", "/j"}}),
            "/j");
  EXPECT_EQ(jupyter_user_data_directory({}), "");
}

TEST(DataPath, KernelspecsAreInKernelsAndLastInTheDirectoryOfIPython) {
  EXPECT_THAT(
      kernelspec_directories({{"HOME", "/home/ada"}}),
      ElementsAre("/home/ada/.local/share/jupyter/kernels", "/usr/local/share/jupyter/kernels",
                  "/usr/share/jupyter/kernels", "/home/ada/.ipython/kernels"));
  const auto moved =
      kernelspec_directories({{"HOME", "/home/ada"}, {"IPYTHONDIR", "/data/ipython"}});
  EXPECT_THAT(moved, Contains("/data/ipython/kernels"));
  EXPECT_THAT(moved, Not(Contains("/home/ada/.ipython/kernels")));
}

}  // namespace
}  // namespace perijove
