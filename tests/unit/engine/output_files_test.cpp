#include "engine/output_files.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using testing::TempDir;

Output display(MimeBundle data) {
  DisplayOutput output;
  output.data = std::move(data);
  return output;
}

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<std::string> save(const TempDir& directory, const std::vector<Output>& outputs,
                              Result<void>* error = nullptr) {
  Result<void> ignored;
  const auto work_dir = WorkDir::open(directory.str());
  EXPECT_TRUE(work_dir);
  std::vector<std::string> names;
  for (const SavedFile& file :
       save_outputs(*work_dir, "stem", 3, outputs, error == nullptr ? ignored : *error)) {
    names.push_back(file.path.substr(directory.str().size() + 1));
  }
  return names;
}

TEST(OutputStem, IsTheFileNameMadeHarmless) {
  EXPECT_EQ(output_stem("a/01-sales_analysis.ipynb"), "01-sales_analysis");
  EXPECT_EQ(output_stem("my notebook (2).tar.gz"), "my_notebook__2__tar");
  EXPECT_EQ(output_stem(".hidden"), "_hidden");
  EXPECT_EQ(output_stem("-"), "-");
  EXPECT_EQ(output_stem(""), "output");
  EXPECT_EQ(output_stem("a/.."), "_");
  EXPECT_EQ(output_stem(std::string(500, 'x')).size(), 100u);
}

TEST(OutputFileName, CountsBlocksFromOneAndOutputsFromZero) {
  EXPECT_EQ(output_file_name("01-sales-analysis", 3, 0, ".png"), "01-sales-analysis-003-00.png");
  EXPECT_EQ(output_file_name("s", 1234, 567, ".html"), "s-1234-567.html");
  EXPECT_EQ(output_file_name("s", 1, 2, ".json", 1), "s-001-02-2.json");
}

TEST(SaveOutputs, WritesEveryRepresentationButPlainText) {
  const TempDir directory;
  const auto names = save(
      directory, {StreamOutput{"stdout", "printed"},
                  display({{"image/png", "aGk="}, {"text/html", "<b>"}, {"text/plain", "plain"}}),
                  display({{"text/plain", "only"}}), ErrorOutput{"E", "m", {}}});
  EXPECT_THAT(names, ElementsAre("stem-003-01.png", "stem-003-01.html"));
  EXPECT_EQ(contents(directory.str() + "/stem-003-01.png"), "hi");
  EXPECT_EQ(contents(directory.str() + "/stem-003-01.html"), "<b>");
}

TEST(SaveOutputs, KeepsTwoTypesWithOneExtensionApart) {
  const TempDir directory;
  const auto names =
      save(directory, {display({{"application/json", "{}"}, {"application/vnd.some+json", "[]"}})});
  EXPECT_THAT(names, ElementsAre("stem-003-00.json", "stem-003-00-2.json"));
}

TEST(SaveOutputs, LeavesOutReferencesToWidgets) {
  const Output widget =
      display({{"application/vnd.jupyter.widget-view+json", "{}"}, {"text/plain", "Slider"}});
  EXPECT_FALSE(has_files(widget));
  EXPECT_THAT(save(TempDir(), {widget}), ElementsAre());
}

TEST(SaveOutputs, TellsTheFirstFailureAndSavesTheRest) {
  const TempDir directory;
  Result<void> error;
  const auto names =
      save(directory, {display({{"image/png", "***"}}), display({{"text/html", "<i>"}})}, &error);
  EXPECT_THAT(names, ElementsAre("stem-003-01.html"));
  ASSERT_FALSE(error);
  EXPECT_NE(error.error().message.find("stem-003-00.png"), std::string::npos);
}

}  // namespace
}  // namespace perijove
