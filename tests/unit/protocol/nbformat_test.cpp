#include "protocol/nbformat.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/golden.hpp"

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::read_golden;

Notebook read(const std::string& text) {
  auto notebook = Notebook::parse(text);
  EXPECT_TRUE(notebook) << notebook.error();
  return *notebook;
}

std::string with_cells(const std::string& cells, int minor = 5) {
  return R"({"nbformat":4,"nbformat_minor":)" + std::to_string(minor) +
         R"(,"metadata":{},"cells":[)" + cells + "]}";
}

TEST(Notebook, ReadsAndWritesTheBytesOfNbformat) {
  for (const std::string version : {"v40", "v44", "v45"}) {
    const std::string path = "documents/notebooks/" + version;
    const std::string expected = read_golden(path + ".expected.ipynb");
    EXPECT_EQ(read(read_golden(path + ".input.ipynb")).to_text(), expected) << version;
    EXPECT_EQ(read(expected).to_text(), expected) << version;
  }
}

TEST(Notebook, TellsItsCells) {
  const Notebook notebook = read(read_golden("documents/notebooks/v40.input.ipynb"));
  ASSERT_EQ(notebook.size(), 3u);
  EXPECT_EQ(notebook.cell(0).type, CellType::markdown);
  EXPECT_EQ(notebook.cell(0).source, "# Title\ntext");
  const Cell code = notebook.cell(1);
  EXPECT_EQ(code.type, CellType::code);
  EXPECT_EQ(code.source, "x = 1\nprint(x)");
  EXPECT_EQ(code.execution_count, 1);
  EXPECT_THAT(code.tags, ElementsAre("parameters"));
  EXPECT_TRUE(code.has_tag("parameters"));
  EXPECT_FALSE(code.has_tag("parameter"));
  EXPECT_EQ(notebook.cell(2).type, CellType::raw);
}

TEST(Notebook, TellsItsKernelAndLanguage) {
  const Notebook first = read(read_golden("documents/notebooks/v40.input.ipynb"));
  EXPECT_EQ(first.kernel_name(), "python3");
  EXPECT_EQ(first.language(), "python");
  const Notebook second = read(read_golden("documents/notebooks/v44.input.ipynb"));
  EXPECT_EQ(second.kernel_name(), "");
  EXPECT_EQ(second.language(), "R");
  EXPECT_EQ(Notebook().language(), "");
}

TEST(Notebook, GivesTheSameIdsToTheSameFile) {
  const std::string cells =
      R"({"cell_type":"markdown","source":"a"},{"cell_type":"markdown","source":"b","id":"cell-1"},
         {"cell_type":"markdown","source":"c","id":"no good"},
         {"cell_type":"markdown","source":"d","id":"cell-1"})";
  const Notebook notebook = read(with_cells(cells));
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < notebook.size(); ++i) ids.push_back(notebook.cell(i).id);
  EXPECT_THAT(ids, ElementsAre("cell-2", "cell-1", "cell-3", "cell-4"));
  EXPECT_EQ(read(with_cells(cells)).to_text(), notebook.to_text());
}

TEST(Notebook, CompletesWhatCellsLeaveOut) {
  const json written =
      json::parse(read(with_cells(R"({"cell_type":"code","source":[]})", 2)).to_text());
  EXPECT_EQ(written.at("nbformat_minor"), 5);
  EXPECT_EQ(written.at("cells").at(0),
            json::parse(R"({"cell_type":"code","id":"cell-1","metadata":{},"source":[],
                            "outputs":[],"execution_count":null})"));
}

TEST(Notebook, KeepsTheNumberOfALaterMinorVersion) {
  EXPECT_EQ(json::parse(read(with_cells("", 7)).to_text()).at("nbformat_minor"), 7);
}

TEST(Notebook, RefusesVersionThreeWithTheCommandThatConvertsIt) {
  const auto notebook =
      Notebook::parse(R"({"nbformat":3,"nbformat_minor":0,"metadata":{},"worksheets":[]})");
  ASSERT_FALSE(notebook);
  EXPECT_EQ(notebook.error().code, Code::invalid_argument);
  EXPECT_THAT(notebook.error().message, HasSubstr("format 3"));
  EXPECT_THAT(notebook.error().message, HasSubstr("jupyter nbconvert --to notebook"));
}

struct Refusal {
  std::string text;
  std::string reason;
};

TEST(Notebook, NamesTheFieldThatIsWrong) {
  const Refusal refusals[] = {
      {"", "notebook: "},
      {"{", "notebook: "},
      {"[]", "notebook: must be a JSON object, not an array"},
      {"{}", "field 'nbformat' is missing"},
      {R"({"nbformat":"4"})", "field 'nbformat' must be an integer"},
      {R"({"nbformat":5,"nbformat_minor":0})", "is in format 5"},
      {R"({"nbformat":4})", "field 'nbformat_minor' is missing"},
      {R"({"nbformat":4,"nbformat_minor":5})", "field 'cells' must be an array, not null"},
      {R"({"nbformat":4,"nbformat_minor":5,"metadata":[],"cells":[]})",
       "field 'metadata' must be an object, not an array"},
      {with_cells("7"), "field 'cells[0]' must be an object, not a number"},
      {with_cells("{}"), "field 'cells[0].cell_type' must be 'code', 'markdown' or 'raw'"},
      {with_cells(R"({"cell_type":"heading"})"), "field 'cells[0].cell_type'"},
      {with_cells(R"({"cell_type":"raw"})"), "field 'cells[0].source' must be"},
      {with_cells(R"({"cell_type":"raw","source":["a",1]})"), "field 'cells[0].source' must be"},
      {with_cells(R"({"cell_type":"raw","source":"","metadata":1})"), "'cells[0].metadata'"},
      {with_cells(R"({"cell_type":"raw","source":"","attachments":1})"), "'cells[0].attachments'"},
      {with_cells(R"({"cell_type":"code","source":"","execution_count":"1"})"),
       "field 'cells[0].execution_count' must be an integer or null, not a string"},
      {with_cells(R"({"cell_type":"code","source":"","outputs":{}})"),
       "field 'cells[0].outputs' must be an array, not an object"},
      {with_cells(R"({"cell_type":"code","source":"","outputs":[1]})"), "'cells[0].outputs[0]'"},
      {with_cells(R"({"cell_type":"code","source":"","outputs":[{"output_type":1}]})"),
       "field 'cells[0].outputs[0].output_type' must be a string"},
  };
  for (const auto& [text, reason] : refusals) {
    const auto notebook = Notebook::parse(text);
    ASSERT_FALSE(notebook) << text;
    EXPECT_EQ(notebook.error().code, Code::invalid_argument);
    EXPECT_THAT(notebook.error().message, HasSubstr(reason)) << text;
  }
}

TEST(Notebook, TakesTheResultOfARun) {
  Notebook notebook = read(with_cells(R"({"cell_type":"code","source":"1","metadata":{}})"));
  notebook.set_result(0, 3, {StreamOutput{"stdout", "a\nb"}, ErrorOutput{"E", "v", {"t"}}});
  EXPECT_EQ(notebook.cell(0).execution_count, 3);
  const json cell = json::parse(notebook.to_text()).at("cells").at(0);
  EXPECT_EQ(cell.at("execution_count"), 3);
  EXPECT_EQ(cell.at("outputs"),
            json::parse(R"([{"output_type":"stream","name":"stdout","text":["a\n","b"]},
                {"output_type":"error","ename":"E","evalue":"v","traceback":["t"]}])"));
  notebook.clear_results();
  EXPECT_EQ(notebook.cell(0).execution_count, std::nullopt);
  EXPECT_TRUE(json::parse(notebook.to_text()).at("cells").at(0).at("outputs").empty());
}

TEST(Notebook, TakesKernelAndLanguage) {
  Notebook notebook;
  notebook.set_kernelspec("ir", "R", "R");
  EXPECT_EQ(notebook.kernel_name(), "ir");
  EXPECT_EQ(notebook.language(), "R");
  notebook.set_language_info({{"name", "r"}, {"version", "4.2"}});
  EXPECT_EQ(notebook.language(), "r");
  notebook.set_language_info("not an object");
  EXPECT_EQ(notebook.language(), "r");
}

TEST(Notebook, TakesNewCells) {
  Notebook notebook;
  notebook.insert_cell(0, CellType::code, "last");
  notebook.insert_cell(0, CellType::markdown, "first\nlines", {"tag"});
  ASSERT_EQ(notebook.size(), 2u);
  EXPECT_EQ(notebook.cell(0).source, "first\nlines");
  EXPECT_THAT(notebook.cell(0).tags, ElementsAre("tag"));
  EXPECT_EQ(notebook.cell(0).id, "cell-2");
  EXPECT_EQ(notebook.cell(1).id, "cell");
  notebook.erase_cell(0);
  EXPECT_EQ(notebook.cell(0).source, "last");
  EXPECT_EQ(read(notebook.to_text()).to_text(), notebook.to_text());
}

TEST(Notebook, CopiesAreIndependent) {
  Notebook original;
  original.insert_cell(0, CellType::code, "x");
  Notebook copy = original;
  copy.erase_cell(0);
  EXPECT_EQ(original.size(), 1u);
  original = copy;
  EXPECT_EQ(original.size(), 0u);
}

TEST(Notebook, EmptyOneIsWhatNbformatMakes) {
  EXPECT_EQ(
      Notebook().to_text(),
      "{\n \"cells\": [],\n \"metadata\": {},\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n");
}

}  // namespace
}  // namespace perijove
