#include "code/extraction.hpp"

#include <gmock/gmock.h>

#include "protocol/code_blocks.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

bool is_python(std::string_view code) { return code.find("= ") != std::string_view::npos; }

std::vector<std::pair<std::string, std::string>> pairs(const std::vector<CodeBlock>& blocks) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const CodeBlock& block : blocks) found.emplace_back(block.language, block.code);
  return found;
}

// rows: H02
TEST(InferLanguage, GuessesAsAutoGenDoes) {
  EXPECT_EQ(infer_language("python x.py", is_python), "sh");
  EXPECT_EQ(infer_language("python3 x.py", is_python), "sh");
  EXPECT_EQ(infer_language("pip install x", is_python), "sh");
  EXPECT_EQ(infer_language("pythonic = 1", is_python), "python");
  EXPECT_EQ(infer_language("x = 1", is_python), "python");
  EXPECT_EQ(infer_language("ls -la", is_python), "unknown");
}

// rows: H02
TEST(ExtractBlocks, GivesEveryBlockItsLanguage) {
  const char* const text =
      "a\n```py\n1\n```\nb\n```\nx = 1\n```\n```\npip list\n```\n```R\ny\n```\n";
  EXPECT_THAT(pairs(extract_blocks(text, is_python)),
              ElementsAre(Pair("python", "1"), Pair("python", "x = 1"), Pair("sh", "pip list"),
                          Pair("r", "y")));
  EXPECT_THAT(pairs(extract_blocks(text, is_python, BlockChoice::first)),
              ElementsAre(Pair("python", "1")));
  EXPECT_THAT(pairs(extract_blocks(text, is_python, BlockChoice::last)),
              ElementsAre(Pair("r", "y")));
  EXPECT_THAT(extract_blocks("no code", is_python, BlockChoice::last), IsEmpty());
}

// rows: H03 L06
TEST(ExtractSupportedBlocks, TakesTheLanguagesOfItsList) {
  const char* const text = "```Python\n1\n```\n```js\n2\n```\n```sh\n3\n```\n```\n4\n```\n";
  EXPECT_THAT(pairs(*extract_supported_blocks(text)),
              ElementsAre(Pair("python", "1"), Pair("bash", "3")));
  EXPECT_THAT(pairs(*extract_supported_blocks(text, std::vector<std::string>{"JavaScript"})),
              ElementsAre(Pair("javascript", "2")));
}

// rows: H03
TEST(ExtractSupportedBlocks, SpeaksAsAutoGenWhenThereIsNone) {
  const auto none = extract_supported_blocks("```js\n2\n```");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::not_found);
  EXPECT_EQ(none.error().message,
            "No code blocks found in the thread. Please provide at least one markdown-encoded code "
            "block to execute (i.e., quoting code in ```python or ```sh code blocks).");
}

// Newest first: what was said last, then this agent's own reply, then what it had replied to.
const std::vector<ChatMessage> kChat = {
    {"user", "thanks"},
    {"user", "```python\na = 1\n```\nand\n```sh\nls\n```"},
    {"assistant", "exitcode: 0\n```python\nquoted\n```"},
    {"user", "```python\nold\n```"},
};

std::vector<std::pair<std::string, std::string>> last(LastMessages count) {
  return pairs(extract_from_messages(kChat, count, is_python));
}

// rows: U04
TEST(ExtractFromMessages, TakesAllBlocksOfTheNewestMessageThatHasAny) {
  EXPECT_THAT(last(4), ElementsAre(Pair("python", "a = 1"), Pair("bash", "ls")));
  EXPECT_THAT(last(2), ElementsAre(Pair("python", "a = 1"), Pair("bash", "ls")));
  EXPECT_THAT(last(100), ElementsAre(Pair("python", "a = 1"), Pair("bash", "ls")));
}

TEST(ExtractFromMessages, SearchesNoFurtherThanAsked) {
  EXPECT_THAT(last(0), IsEmpty());
  EXPECT_THAT(last(1), IsEmpty());
}

// rows: U04
TEST(ExtractFromMessages, GoesBackToItsOwnLastMessageByItself) {
  EXPECT_THAT(last(std::nullopt), ElementsAre(Pair("python", "a = 1"), Pair("bash", "ls")));
  const std::vector<ChatMessage> answered = {{"user", "why?"}, {"assistant", "```sh\nls\n```"}};
  EXPECT_THAT(extract_from_messages(answered, std::nullopt, is_python), IsEmpty());
}

// rows: U04
TEST(ParseLastNMessages, TakesANumberOrAuto) {
  EXPECT_EQ(*parse_last_n_messages("auto"), std::nullopt);
  EXPECT_EQ(*parse_last_n_messages("0"), 0u);
  EXPECT_EQ(*parse_last_n_messages("3"), 3u);
  for (const char* wrong : {"", "-1", "Auto", "1.5", "3 ", "99999999999999999999999"}) {
    const auto refused = parse_last_n_messages(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().message,
              "last_n_messages must be either a non-negative integer, or the string 'auto'.");
  }
}

TEST(PathInWorkDirectory, IsNormal) {
  EXPECT_EQ(*path_in_work_directory("x.py"), "x.py");
  EXPECT_EQ(*path_in_work_directory("./a//b/../c.py"), "a/c.py");
  EXPECT_EQ(*path_in_work_directory("a/../b"), "b");
  EXPECT_EQ(*path_in_work_directory("..x"), "..x");
  EXPECT_EQ(*path_in_work_directory("a b/ä.py"), "a b/ä.py");
}

TEST(PathInWorkDirectory, DoesNotLeaveIt) {
  using namespace std::string_literals;
  for (const std::string& name : {"/etc/passwd"s, "../x"s, "a/../../x"s, "a/.."s, ".."s, "."s, ""s,
                                  "a/"s, "a/."s, "a\0b"s, "a\nb"s}) {
    const auto refused = path_in_work_directory(name);
    ASSERT_FALSE(refused) << name << " -> " << *refused;
    EXPECT_EQ(refused.error().code, Code::invalid_argument);
    EXPECT_THAT(refused.error().message, StartsWith("Filename is not in the workspace"));
  }
}

// rows: L11
TEST(RequestedFileName, IsThatOfTheFirstLine) {
  EXPECT_EQ(**requested_file_name("# filename: ./src/x.py\nprint(1)"), "src/x.py");
  EXPECT_EQ(**requested_file_name("<!-- filename: a.html -->\n<p>"), "a.html");
  EXPECT_EQ(*requested_file_name("print(1)\n# filename: x.py"), std::nullopt);
  EXPECT_FALSE(requested_file_name("# filename: ../x.py\n"));
}

}  // namespace
}  // namespace perijove
