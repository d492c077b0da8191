#include "code/result_json.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace perijove {
namespace {

using nlohmann::json;

OutputFile image() {
  OutputFile file{"outputs/a.png", "image/png", 20113, "ab12", 640u, 480u};
  file.block = 1;
  return file;
}

TEST(ResultJson, HasTheShapeThatAnswersPromise) {
  CodeResult result;
  result.execution_id = "e_1";
  result.session_id = "s_1";
  result.status = CodeStatus::error;
  result.exit_code = 1;
  result.output = "out";
  result.stdout_text = "out";
  result.kernel = "idle";
  result.checkpoint_after = "c_1";
  result.recovered = Recovery{.checkpoint_id = "c_0",
                              .created = "2026-11-22T08:00:00Z",
                              .executions_lost = 2,
                              .restored = {"x"},
                              .failed = {{"f", "an open file"}}};
  result.queued = std::chrono::milliseconds(3);
  result.duration = std::chrono::milliseconds(15);
  result.stdout_cut = Truncation{91234, 20000};
  result.warnings = {"backend local has no isolation"};
  result.output_files = {image(), {"sine.png", "image/png", 18800, "", {}, {}}};
  result.output_files[1].source = OutputFile::Source::written;

  CodeError error;
  error.type = "ZeroDivisionError";
  error.message = "division by zero";
  error.block = 1;
  error.line = 3;
  error.frames = {{"<cell 4>", 3, "divide", "return a / b"}, {"<cell 4>", 0, "", ""}};
  error.traceback = "text";
  result.error = error;

  BlockResult block;
  block.index = 1;
  block.language = "python";
  block.status = CodeStatus::error;
  block.exit_code = 1;
  block.execution_count = 4;
  block.stdout_text = "out";
  block.output = "out";
  block.duration = std::chrono::milliseconds(12);
  block.results = {{true, "   a  b", {}, {{"text/html", "<b>"}}},
                   {false, "<Figure>", {{"image/png", "outputs/a.png"}}, {}}};
  block.error = error;
  result.blocks = {block};

  const json expected_error = json::parse(R"({
    "type": "ZeroDivisionError", "message": "division by zero", "block": 1, "line": 3,
    "column": null, "traceback": "text", "hint": null,
    "frames": [{"file": "<cell 4>", "line": 3, "function": "divide", "code": "return a / b"},
               {"file": "<cell 4>", "line": null, "function": null, "code": null}]})");
  json expected = json::parse(R"({
    "execution_id": "e_1", "session_id": "s_1", "status": "error", "exit_code": 1,
    "output": "out", "stdout": "out", "stderr": "",
    "blocks": [{
      "index": 1, "language": "python", "status": "error", "exit_code": 1, "execution_count": 4,
      "code_file": null, "stdout": "out", "stderr": "", "output": "out", "duration_ms": 12,
      "results": [
        {"kind": "execute_result", "text": "   a  b", "main": true,
         "mimes": {"text/html": {"data": "<b>"}}},
        {"kind": "display", "text": "<Figure>", "main": false,
         "mimes": {"image/png": {"file": "outputs/a.png", "bytes": 20113, "width": 640,
                                 "height": 480}}}]}],
    "output_files": [
      {"path": "outputs/a.png", "mime": "image/png", "size": 20113, "sha256": "ab12",
       "source": "display", "block": 1, "width": 640, "height": 480},
      {"path": "sine.png", "mime": "image/png", "size": 18800, "sha256": null,
       "source": "written", "change": "created", "block": 0}],
    "truncated": {"stdout": {"total_chars": 91234, "kept": 20000}},
    "timing": {"queued_ms": 3, "exec_ms": 15, "total_ms": 18},
    "state": {"kernel": "idle", "kept": true, "generation": 1, "restarted": false,
              "checkpoint_before": null, "checkpoint_after": "c_1", "cached": false,
              "recovered": {"checkpoint_id": "c_0", "created": "2026-11-22T08:00:00Z",
                            "executions_lost": 2, "restored": ["x"],
                            "failed": [{"name": "f", "reason": "an open file"}]}},
    "statistics": {"success": false, "execution_s": 0.015, "timeout_s": null,
                   "memory_limit_bytes": null, "cpu_limit": null, "profile": null},
    "warnings": [{"message": "backend local has no isolation"}],
    "note": null})");
  expected["error"] = expected_error;
  expected["blocks"][0]["error"] = expected_error;
  EXPECT_EQ(to_json(result), expected) << to_json(result).dump(1);
}

TEST(ResultJson, TellsChangedFilesFromCreatedOnes) {
  OutputFile file = image();
  file.source = OutputFile::Source::written;
  EXPECT_EQ(to_json(file)["change"], "created");
  file.created = false;
  EXPECT_EQ(to_json(file)["change"], "changed");
}

TEST(ResultJson, ShowsAFileThatIsNotListed) {
  const RichOutput output{false, "t", {{"text/html", "outputs/x.html"}}, {}};
  EXPECT_EQ(to_json(output)["mimes"], json::parse(R"({"text/html": {"file": "outputs/x.html"}})"));
}

TEST(ResultJson, OfAnEmptyResultIsAllThereToo) {
  const json empty = to_json(CodeResult{});
  EXPECT_EQ(empty["status"], "ok");
  EXPECT_EQ(empty["error"], nullptr);
  EXPECT_EQ(empty["blocks"], json::array());
  EXPECT_EQ(empty["truncated"], json::object());
}

}  // namespace
}  // namespace perijove
