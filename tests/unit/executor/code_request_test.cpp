#include "executor/code_request.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

CodeRequest read(const char* text, const CodeRequest& defaults = {}) {
  const auto request = read_code_request(json::parse(text), defaults);
  EXPECT_TRUE(request) << request.error();
  return request ? *request : CodeRequest();
}

std::string refusal(const char* text) {
  const auto request = read_code_request(json::parse(text), {});
  EXPECT_FALSE(request) << text;
  if (request) return {};
  EXPECT_EQ(request.error().code, Code::invalid_argument);
  return request.error().message;
}

TEST(CodeRequest, ReadsBlocks) {
  const CodeRequest request = read(R"({"blocks": [
      {"language": "py", "code": "1"},
      {"files": {"main.py": "2", "lib/a.py": "3"}, "entry_point": "main.py"}]})");
  ASSERT_EQ(request.blocks.size(), 2u);
  EXPECT_EQ(request.blocks[0].language, "py");
  EXPECT_EQ(request.blocks[0].code, "1");
  EXPECT_EQ(request.blocks[1].entry_point, "main.py");
  EXPECT_THAT(request.blocks[1].files, ElementsAre(Pair("lib/a.py", "3"), Pair("main.py", "2")));
}

TEST(CodeRequest, ReadsOnePieceOfCode) {
  const CodeRequest request = read(R"({"code": "ls", "language": "bash"})");
  ASSERT_EQ(request.blocks.size(), 1u);
  EXPECT_EQ(request.blocks[0].language, "bash");
  EXPECT_EQ(request.blocks[0].code, "ls");
}

TEST(CodeRequest, TakesTheBlocksOutOfMarkdown) {
  const CodeRequest request = read(R"({"markdown": "So:\n```python\n1\n```\n```sh\nls\n```"})");
  ASSERT_EQ(request.blocks.size(), 2u);
  EXPECT_EQ(request.blocks[0].language, "python");
  EXPECT_EQ(request.blocks[1].language, "bash");
  EXPECT_EQ(request.blocks[1].code, "ls");
}

TEST(CodeRequest, IsExactlyOneOfBlocksCodeAndMarkdown) {
  for (const char* const text :
       {"{}", R"({"code": "1", "blocks": [{"code": "1"}]})", R"({"code": null})",
        R"({"markdown": "```\n1\n```", "code": "1"})"}) {
    EXPECT_THAT(refusal(text), HasSubstr("exactly one of them")) << text;
  }
  EXPECT_EQ(read(R"({"code": "1", "blocks": null, "markdown": null})").blocks.size(), 1u);
}

// rows: H26
TEST(CodeRequest, RefusesToRunNothing) {
  EXPECT_THAT(refusal(R"({"blocks": []})"), HasSubstr("'blocks' has no code"));
  EXPECT_THAT(refusal(R"({"markdown": "no code here"})"), HasSubstr("'markdown' has no code"));
}

TEST(CodeRequest, RefusesAnEntryPointThatIsNoFileOfTheBlock) {
  EXPECT_THAT(refusal(R"({"blocks": [{"files": {"a.py": ""}, "entry_point": "b.py"}]})"),
              HasSubstr("entry_point must be one of its files; 'b.py' is none"));
  EXPECT_THAT(refusal(R"({"blocks": [{"files": {"a": ""}, "entry_point": "a", "code": "1"}]})"),
              HasSubstr("has no code besides"));
}

TEST(CodeRequest, LeavesWhatIsNotSaidAsTheSessionHasIt) {
  CodeRequest defaults;
  defaults.timeout = std::chrono::seconds(7);
  defaults.grace = std::chrono::seconds(3);
  defaults.hard_limit = HardLimit::leave;
  defaults.stop_on_error = false;
  defaults.env = {{"A", "1"}, {"B", "2"}};
  defaults.output.budget.chars_max = 99;
  defaults.output.images = ImagePolicy::none;
  defaults.queue_wait = std::chrono::seconds(4);
  const CodeRequest request = read(
      R"({"code": "1", "env": {"B": "3"}, "timeout": {}, "queue": {}, "output": {}})", defaults);
  EXPECT_EQ(request.timeout, std::chrono::seconds(7));
  EXPECT_EQ(request.grace, std::chrono::seconds(3));
  EXPECT_EQ(request.hard_limit, HardLimit::leave);
  EXPECT_FALSE(request.stop_on_error);
  EXPECT_THAT(request.env, ElementsAre(Pair("A", "1"), Pair("B", "3")));
  EXPECT_EQ(request.output.budget.chars_max, 99u);
  EXPECT_EQ(request.output.images, ImagePolicy::none);
  EXPECT_EQ(request.queue_wait, std::chrono::seconds(4));
}

TEST(CodeRequest, ReadsEveryClock) {
  const CodeRequest request = read(R"({"code": "1", "idle_output_timeout_s": 2.5, "timeout":
      {"soft_s": 0.25, "grace_s": 1, "total_s": 90, "hard": "leave"}})");
  EXPECT_EQ(request.timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(request.grace, std::chrono::seconds(1));
  EXPECT_EQ(request.total_timeout, std::chrono::seconds(90));
  EXPECT_EQ(request.quiet_timeout, std::chrono::milliseconds(2500));
  EXPECT_EQ(request.hard_limit, HardLimit::leave);
}

TEST(CodeRequest, ATimeoutMayBeANumberOrNone) {
  EXPECT_EQ(read(R"({"code": "1", "timeout": 5})").timeout, std::chrono::seconds(5));
  EXPECT_EQ(read(R"({"code": "1", "timeout": null})").timeout, std::nullopt);
  EXPECT_EQ(read(R"({"code": "1", "timeout": {"soft_s": null}})").timeout, std::nullopt);
  EXPECT_EQ(read(R"({"code": "1"})").timeout, std::chrono::seconds(60));
}

TEST(CodeRequest, RefusesTimesThatAreNone) {
  for (const char* const timeout : {"-1", "1e300", "\"5\"", "true", "{\"soft_s\": -1}",
                                    "{\"hard\": \"maim\"}", "{\"soft\": 1}", "[5]"}) {
    const std::string text = std::string(R"({"code": "1", "timeout": )") + timeout + "}";
    EXPECT_THAT(refusal(text.c_str()), HasSubstr("timeout")) << timeout;
  }
}

TEST(CodeRequest, ReadsTheOtherSwitches) {
  const CodeRequest request = read(R"({"code": "1", "stop_on_error": false, "stdin": "interactive",
      "silent": true, "store_history": false, "on_disconnect": "continue", "capture_files": false,
      "queue": {"mode": "reject", "max_wait_s": 3}, "idempotency_key": "k", "mode": "async"})");
  EXPECT_FALSE(request.stop_on_error);
  EXPECT_TRUE(request.interactive);
  EXPECT_TRUE(request.silent);
  EXPECT_FALSE(request.store_history);
  EXPECT_FALSE(request.cancel_on_disconnect);
  EXPECT_FALSE(request.capture_files);
  EXPECT_TRUE(request.reject_when_busy);
  EXPECT_EQ(request.queue_wait, std::chrono::seconds(3));
  EXPECT_EQ(request.idempotency_key, "k");
}

TEST(CodeRequest, ReadsTheOutputPolicy) {
  const CodeRequest request = read(R"({"code": "1", "output": {"max_chars": 500,
      "strategy": "tail", "head_ratio": 0.25, "line_max_chars": 80, "strip_ansi": false,
      "collapse_cr": false, "fold_repeats": true, "images": "inline",
      "inline_image_max_bytes": 1000}})");
  const TextBudget& budget = request.output.budget;
  EXPECT_EQ(budget.chars_max, 500u);
  EXPECT_EQ(budget.strategy, CutStrategy::tail);
  EXPECT_EQ(budget.head_ratio, 0.25);
  EXPECT_EQ(budget.line_chars_max, 80u);
  EXPECT_FALSE(budget.terminal.strip_escapes);
  EXPECT_FALSE(budget.terminal.redraw);
  EXPECT_TRUE(budget.fold_repeats);
  EXPECT_EQ(request.output.images, ImagePolicy::in_line);
  EXPECT_EQ(request.output.inline_image_bytes_max, 1000u);
}

TEST(CodeRequest, SaysWhatAnUnknownFieldMayHaveMeant) {
  EXPECT_THAT(refusal(R"({"code": "1", "stop_on_eror": true})"), HasSubstr("stop_on_error"));
  EXPECT_THAT(refusal(R"({"blocks": [{"cod": "1"}]})"), HasSubstr("'code'"));
  EXPECT_THAT(refusal(R"({"code": "1", "output": {"max_char": 1}})"), HasSubstr("max_chars"));
  EXPECT_THAT(refusal(R"({"code": "1", "queue": {"kind": "fifo"}})"), HasSubstr("'kind'"));
}

TEST(CodeRequest, RefusesWrongTypesEverywhere) {
  for (const char* const field :
       {R"("blocks": 1)", R"("blocks": [1])", R"("code": 1)", R"("markdown": [])",
        R"("blocks": [{"files": {"a": 1}}])", R"("blocks": [{"files": []}])"}) {
    EXPECT_NE(refusal((std::string("{") + field + "}").c_str()), "") << field;
  }
  for (const char* const field :
       {R"("env": [])", R"("env": {"A": 1})", R"("stdin": "yes")", R"("stdin": 1)",
        R"("silent": "no")", R"("on_disconnect": "kill")", R"("queue": [])",
        R"("queue": {"mode": "lifo"})", R"("output": 1)", R"("output": {"max_chars": -1})",
        R"("output": {"head_ratio": 2})", R"("idempotency_key": 1)", R"("mode": "later")",
        R"("language": 1)"}) {
    EXPECT_NE(refusal((std::string(R"({"code": "1", )") + field + "}").c_str()), "") << field;
  }
  EXPECT_THAT(refusal("[]"), HasSubstr("must be a JSON object"));
}

TEST(CodeRequest, RefusesMoreBlocksThanAnybodyMeans) {
  json blocks = json::array();
  for (int i = 0; i < 1001; ++i) blocks.push_back({{"code", "1"}});
  const auto request = read_code_request({{"blocks", blocks}}, {});
  ASSERT_FALSE(request);
  EXPECT_THAT(request.error().message, HasSubstr("1000 at most"));
  blocks.erase(0);
  EXPECT_TRUE(read_code_request({{"blocks", blocks}}, {}));
}

}  // namespace
}  // namespace perijove
