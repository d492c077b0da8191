#include "executor/history_export.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "protocol/json.hpp"
#include "protocol/nbformat.hpp"

namespace perijove {
namespace {

using nlohmann::json;

const NotebookKernel kPython = {"python3", "Python 3", "python"};

std::deque<HistoryEntry> two_languages() {
  return {{.execution_id = "e_1",
           .language = "python",
           .code = "x = 1\nx",
           .status = "ok",
           .execution_count = 3,
           .outputs = R"([{"output_type":"execute_result","execution_count":3,"metadata":{},)"
                      R"("data":{"text/plain":"1"}}])"},
          {.execution_id = "e_2",
           .language = "bash",
           .code = "ls\n\nfalse\n",
           .status = "error",
           .execution_count = 1,
           .outputs = ""}};
}

TEST(HistoryJson, HasOutputsOrNull) {
  const json history = history_json(two_languages());
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0]["execution_id"], "e_1");
  EXPECT_EQ(history[0]["execution_count"], 3);
  EXPECT_EQ(history[0]["outputs"][0]["data"]["text/plain"], "1");
  EXPECT_EQ(history[1]["status"], "error");
  EXPECT_TRUE(history[1]["outputs"].is_null());
}

TEST(HistoryNotebook, HasACellForEachBlock) {
  const auto text = history_notebook(two_languages(), kPython);
  const auto notebook = Notebook::parse(text);
  ASSERT_TRUE(notebook) << notebook.error();
  EXPECT_EQ(notebook->kernel_name(), "python3");
  ASSERT_EQ(notebook->size(), 2u);
  EXPECT_EQ(notebook->cell(0).source, "x = 1\nx");
  EXPECT_EQ(notebook->cell(0).execution_count, 3);
  EXPECT_EQ(notebook->cell(1).type, CellType::code);
  EXPECT_EQ(notebook->cell(1).source, "%%bash\nls\n\nfalse\n");
  EXPECT_EQ(notebook->cell(1).execution_count, std::nullopt);
  EXPECT_NE(notebook->cell(0).id, notebook->cell(1).id);
  const json document = *parse_json(text);
  EXPECT_EQ(document["nbformat_minor"], 5);
  EXPECT_EQ(document["cells"][1]["metadata"]["perijove"]["outputs"], "too large to keep");
}

TEST(HistoryNotebook, ShowsWhatItsKernelCannotRun) {
  std::deque<HistoryEntry> history(1);
  history[0].language = "javascript";
  history[0].code = "`a```b`";
  const auto notebook = Notebook::parse(history_notebook(history, kPython));
  ASSERT_TRUE(notebook);
  EXPECT_EQ(notebook->cell(0).type, CellType::markdown);
  EXPECT_EQ(notebook->cell(0).source, "````javascript\n`a```b`\n````");
  const NotebookKernel javascript = {"js", "JavaScript", "javascript"};
  const auto own = Notebook::parse(history_notebook(history, javascript));
  ASSERT_TRUE(own);
  EXPECT_EQ(own->cell(0).type, CellType::code);
}

TEST(HistoryNotebook, OfNothingIsAnEmptyNotebook) {
  const auto notebook = Notebook::parse(history_notebook({}, kPython));
  ASSERT_TRUE(notebook);
  EXPECT_EQ(notebook->size(), 0u);
}

TEST(HistoryScript, HasCellsThatEditorsKnow) {
  EXPECT_EQ(history_script(two_languages()),
            "# %%\nx = 1\nx\n\n# %% language=\"bash\"\n# ls\n#\n# false\n");
  EXPECT_EQ(history_script({}), "");
}

}  // namespace
}  // namespace perijove
