#include "protocol/code_blocks.hpp"

#include <gmock/gmock.h>

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::vector<std::pair<std::string, std::string>> blocks(std::string_view markdown) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const FencedBlock& block : extract_code_blocks(markdown)) {
    found.emplace_back(block.language, block.code);
  }
  return found;
}

FencedBlock only(std::string_view markdown) {
  const auto found = extract_code_blocks(markdown);
  EXPECT_EQ(found.size(), 1u) << markdown;
  return found.empty() ? FencedBlock{} : found.front();
}

TEST(CodeBlocks, AreFoundInOrderWithTheirLanguages) {
  EXPECT_THAT(blocks("Text\n```python\nx = 1\n```\nmore\n```sh\nls\n```\n```\nplain\n```\n"),
              ElementsAre(Pair("python", "x = 1"), Pair("bash", "ls"), Pair("", "plain")));
}

TEST(CodeBlocks, KeepTheirInnerEmptyLines) {
  EXPECT_EQ(only("```\n\na\n\nb\n\n```").code, "\na\n\nb\n");
}

TEST(CodeBlocks, MayBeEmpty) {
  EXPECT_EQ(only("```python\n```").code, "");
  EXPECT_TRUE(only("```python\n```").closed);
}

TEST(CodeBlocks, MayBeFencedWithTildes) {
  EXPECT_THAT(blocks("~~~ python\n```\n~~~\n"), ElementsAre(Pair("python", "```")));
  EXPECT_THAT(blocks("~~~ a`b`c\nx\n~~~"), ElementsAre(Pair("a`b`c", "x")));
}

TEST(CodeBlocks, EndOnlyAtAFenceAsLongAsTheirs) {
  EXPECT_THAT(blocks("````markdown\n```python\nx\n```\n````\n"),
              ElementsAre(Pair("markdown", "```python\nx\n```")));
  EXPECT_THAT(blocks("```\nx\n`````\n"), ElementsAre(Pair("", "x")));
}

TEST(CodeBlocks, DoNotEndAtAFenceWithAnInfoString) {
  EXPECT_EQ(only("```\n```python\n```\n").code, "```python");
}

TEST(CodeBlocks, DoNotEndAtAFenceWithinADocstring) {
  EXPECT_EQ(only("```python\ndef f():\n    '''\n    ```\n    '''\n```\n").code,
            "def f():\n    '''\n    ```\n    '''");
}

TEST(CodeBlocks, LoseTheIndentationOfTheirFence) {
  EXPECT_EQ(only("   ```python\n   if x:\n       y\n  z\n   ```").code, "if x:\n    y\nz");
  EXPECT_EQ(only("\t```python\n\tif x:\n\t\ty\n\t```").code, "if x:\n\ty");
}

TEST(CodeBlocks, StandInListItems) {
  EXPECT_EQ(only("1. First:\n\n   ```python\n   x = 1\n   ```\n").code, "x = 1");
  EXPECT_EQ(only("- ```python\n  x = 1\n  ```\n").code, "x = 1");
  EXPECT_EQ(only("10) ```python\n    x = 1\n    ```\n").code, "x = 1");
  EXPECT_EQ(only("* deep\n    * deeper\n\n        ```sh\n        ls\n        ```\n").code, "ls");
}

TEST(CodeBlocks, HaveTheLineOfTheirFence) {
  const auto found = extract_code_blocks("a\n```\nx\n```\n\n```\ny\n```");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].line, 2u);
  EXPECT_EQ(found[1].line, 6u);
}

TEST(CodeBlocks, WithoutAClosingFenceGoToTheEndAndSaySo) {
  const FencedBlock block = only("```python\nx = 1\ny = 2");
  EXPECT_FALSE(block.closed);
  EXPECT_EQ(block.code, "x = 1\ny = 2");
  EXPECT_FALSE(only("```python").closed);
}

TEST(CodeBlocks, AreTheSameWithCrlf) {
  EXPECT_THAT(blocks("a\r\n```python\r\nx = 1\r\ny = 2\r\n```\r\nb\r\n"),
              ElementsAre(Pair("python", "x = 1\ny = 2")));
}

TEST(CodeBlocks, AreNotCodeWithinALine) {
  EXPECT_THAT(blocks("Use ```x``` or\n```y```\nand ``z``\n"), IsEmpty());
  EXPECT_THAT(blocks("``\nx\n``"), IsEmpty());
  EXPECT_THAT(blocks(""), IsEmpty());
}

TEST(CodeBlocks, TakeTheFirstWordOfTheInfoStringAsLanguage) {
  const std::pair<const char*, const char*> rows[] = {
      {"python", "python"},
      {"  Python  ", "python"},
      {"py title=\"a b\"", "python"},
      {"{r, echo=FALSE}", "r"},
      {"{python}", "python"},
      {"{.python .numberLines}", "python"},
      {"c++", "c++"},
      {"js{1,3}", "javascript"},
      {"python:main.py", "python"},
      {"", ""},
      {"{}", ""},
  };
  for (const auto& [info, language] : rows) {
    const FencedBlock block = only(std::string("```") + info + "\nx\n```");
    EXPECT_EQ(block.language, language) << info;
  }
  EXPECT_EQ(only("``` python title=\"a b\" \nx\n```").info, "python title=\"a b\"");
}

TEST(CodeBlocks, NameTheirFileInTheFirstLineAndKeepIt) {
  const std::pair<const char*, const char*> rows[] = {
      {"# filename: job.py\nx", "job.py"},
      {"#filename:job.py", "job.py"},
      {"// filename: a/b.js\nx", "a/b.js"},
      {"<!-- filename: x.html -->\n", "x.html"},
      {"/* filename: x.c */\n", "x.c"},
      {"-- filename: x.sql", "x.sql"},
      {"# filename: ../x", "../x"},
      {"x\n# filename: job.py", ""},
      {"filename: job.py", ""},
      {"# file: job.py", ""},
  };
  for (const auto& [code, file_name] : rows) {
    const FencedBlock block = only(std::string("```\n") + code + "\n```");
    EXPECT_EQ(block.file_name, file_name) << code;
    EXPECT_EQ(block.code, code);
  }
}

// rows: H01
TEST(FirstCode, IsTheFirstPythonOrUnnamedBlock) {
  EXPECT_EQ(first_code_or_text("a\n```json\n{}\n```\n```py\nx\n```\n```\ny\n```"), "x");
  EXPECT_EQ(first_code_or_text("```\nplain\n```"), "plain");
}

// rows: H01
TEST(FirstCode, IsTheWholeTextWithoutOne) {
  EXPECT_EQ(first_code_or_text("\n x = 1\nprint(x)\n\n"), "x = 1\nprint(x)");
  EXPECT_EQ(first_code_or_text(""), "");
}

// rows: L09
TEST(CanonicalLanguage, HasOneNameForEach) {
  const std::pair<const char*, const char*> rows[] = {
      {"py", "python"},  {"Python3", "python"}, {"ipython", "python"},      {"sh", "bash"},
      {"shell", "bash"}, {"bash", "bash"},      {"js", "javascript"},       {"R", "r"},
      {"jl", "julia"},   {"CPP", "c++"},        {"brainfuck", "brainfuck"}, {"", ""},
  };
  for (const auto& [name, canonical] : rows) EXPECT_EQ(canonical_language(name), canonical);
}

}  // namespace
}  // namespace perijove
