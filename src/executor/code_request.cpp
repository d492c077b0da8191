#include "executor/code_request.hpp"

#include <nlohmann/json.hpp>

#include "protocol/code_blocks.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr double kSecondsMax = 1e9;  // thirty years
constexpr std::size_t kBlocksMax = 1000;

// A number of seconds; null means no limit.
void read_seconds(JsonFields& fields, std::string_view field, std::optional<Duration>& out) {
  const json* const value = fields.find(field);
  if (value == nullptr) return;
  if (value->is_null()) {
    out = std::nullopt;
    return;
  }
  const double seconds = fields.number(field, 0, 0, kSecondsMax);
  out = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

void read_timeout(JsonFields& fields, CodeRequest& request) {
  const json* const value = fields.find("timeout");
  if (value == nullptr || !value->is_object()) {
    read_seconds(fields, "timeout", request.timeout);
    return;
  }
  JsonFields timeout(*value, "timeout");
  timeout.refuse_unknown({"soft_s", "grace_s", "hard", "total_s"});
  read_seconds(timeout, "soft_s", request.timeout);
  std::optional<Duration> grace = request.grace;
  read_seconds(timeout, "grace_s", grace);
  if (grace) request.grace = *grace;
  read_seconds(timeout, "total_s", request.total_timeout);
  request.hard_limit = static_cast<HardLimit>(timeout.choice(
      "hard", {"kill_restart", "kill", "leave"}, static_cast<std::size_t>(request.hard_limit)));
  if (timeout.error()) fields.refuse("timeout", timeout.error()->message);
}

CodeBlock read_block(const json& value, JsonFields& fields) {
  CodeBlock block;
  JsonFields members(value, "block");
  members.refuse_unknown({"language", "code", "files", "entry_point"});
  block.language = members.text("language");
  block.code = members.text("code");
  block.files = members.text_map("files");
  block.entry_point = members.text("entry_point");
  if (members.error()) {
    fields.refuse("blocks", members.error()->message);
  } else if (const auto sound = check_block(block); !sound) {
    fields.refuse("blocks", sound.error().message);
  }
  return block;
}

// What is to be run, in one of three forms.
void read_blocks(JsonFields& fields, CodeRequest& request) {
  const json* const blocks = fields.find("blocks");
  const json* const code = fields.find("code");
  const json* const markdown = fields.find("markdown");
  const auto given = [](const json* value) { return value != nullptr && !value->is_null(); };
  if (int{given(blocks)} + int{given(code)} + int{given(markdown)} != 1) {
    fields.refuse("blocks", "must be there, or 'code', or 'markdown': exactly one of them");
    return;
  }
  if (given(code)) {
    request.blocks = {{.language = fields.text("language"), .code = fields.text("code")}};
    return;
  }
  if (given(markdown)) {
    for (FencedBlock& block : extract_code_blocks(fields.text("markdown"))) {
      request.blocks.push_back({.language = block.language, .code = std::move(block.code)});
    }
  } else if (!blocks->is_array()) {
    fields.refuse_type("blocks", "an array", *blocks);
  } else {
    for (const json& each : *blocks) request.blocks.push_back(read_block(each, fields));
  }
  if (request.blocks.empty()) fields.refuse(given(markdown) ? "markdown" : "blocks", "has no code");
  if (request.blocks.size() > kBlocksMax) {
    fields.refuse("blocks", "may be " + std::to_string(kBlocksMax) + " at most");
  }
}

void read_output(JsonFields& fields, OutputPolicy& policy) {
  const json* const value = fields.find("output");
  if (value == nullptr || value->is_null()) return;
  JsonFields output(*value, "output");
  output.refuse_unknown({"max_chars", "strategy", "head_ratio", "line_max_chars", "strip_ansi",
                         "collapse_cr", "fold_repeats", "images", "inline_image_max_bytes",
                         "image_max_px", "silence_pip"});
  TextBudget& budget = policy.budget;
  const auto count = [&](std::string_view field, std::size_t fallback) {
    return static_cast<std::size_t>(
        output.number(field, static_cast<double>(fallback), 0, 100'000'000));
  };
  budget.chars_max = count("max_chars", budget.chars_max);
  budget.line_chars_max = count("line_max_chars", budget.line_chars_max);
  budget.strategy =
      static_cast<CutStrategy>(output.choice("strategy", {"head_tail", "head", "tail", "guide"},
                                             static_cast<std::size_t>(budget.strategy)));
  budget.head_ratio = output.number("head_ratio", budget.head_ratio, 0, 1);
  budget.terminal.strip_escapes = output.boolean("strip_ansi", budget.terminal.strip_escapes);
  budget.terminal.redraw = output.boolean("collapse_cr", budget.terminal.redraw);
  budget.fold_repeats = output.boolean("fold_repeats", budget.fold_repeats);
  policy.silence_pip = output.boolean("silence_pip", policy.silence_pip);
  policy.images = static_cast<ImagePolicy>(
      output.choice("images", {"file", "inline", "none"}, static_cast<std::size_t>(policy.images)));
  policy.inline_image_bytes_max = count("inline_image_max_bytes", policy.inline_image_bytes_max);
  policy.inline_image_pixels_max =
      static_cast<std::uint32_t>(count("image_max_px", policy.inline_image_pixels_max));
  if (output.error()) fields.refuse("output", output.error()->message);
}

}  // namespace

Result<void> check_block(const CodeBlock& block) {
  if (block.entry_point.empty()) return {};
  if (!block.files.contains(block.entry_point)) {
    return Error{Code::invalid_argument, "a block's entry_point must be one of its files; '" +
                                             block.entry_point + "' is none"};
  }
  if (!block.code.empty()) {
    return Error{Code::invalid_argument, "a block with an entry_point has no code besides"};
  }
  return {};
}

Result<CodeRequest> read_code_request(const json& body, const CodeRequest& defaults) {
  CodeRequest request = defaults;
  JsonFields fields(body, "execute request");
  fields.refuse_unknown({"blocks",
                         "code",
                         "language",
                         "markdown",
                         "stop_on_error",
                         "timeout",
                         "idle_output_timeout_s",
                         "env",
                         "stdin",
                         "silent",
                         "store_history",
                         "on_disconnect",
                         "queue",
                         "output",
                         "capture_files",
                         "checkpoint",
                         "idempotency_key",
                         "mode",
                         "policy",
                         "approval",
                         "retries",
                         "cache"});
  read_blocks(fields, request);
  request.stop_on_error = fields.boolean("stop_on_error", request.stop_on_error);
  read_timeout(fields, request);
  read_seconds(fields, "idle_output_timeout_s", request.quiet_timeout);
  for (auto& [name, value] : fields.text_map("env")) request.env[name] = value;
  request.interactive =
      fields.choice("stdin", {"none", "interactive"}, request.interactive ? 1 : 0) == 1;
  request.silent = fields.boolean("silent", request.silent);
  request.store_history = fields.boolean("store_history", request.store_history);
  request.cancel_on_disconnect = fields.choice("on_disconnect", {"continue", "interrupt"},
                                               request.cancel_on_disconnect ? 1 : 0) == 1;
  if (const json* const queue = fields.find("queue"); queue != nullptr && !queue->is_null()) {
    JsonFields how(*queue, "queue");
    how.refuse_unknown({"mode", "max_wait_s"});
    request.reject_when_busy =
        how.choice("mode", {"fifo", "reject"}, request.reject_when_busy ? 1 : 0) == 1;
    read_seconds(how, "max_wait_s", request.queue_wait);
    if (how.error()) fields.refuse("queue", how.error()->message);
  }
  request.capture_files = fields.boolean("capture_files", request.capture_files);
  request.checkpoint_before = fields.boolean("checkpoint", request.checkpoint_before);
  request.idempotency_key = fields.text("idempotency_key", request.idempotency_key);
  fields.choice("mode", {"sync", "stream", "async"}, 0);  // the face's business
  read_output(fields, request.output);
  read_request_policies(fields, request.policies);
  if (fields.error()) return *fields.error();
  return request;
}

}  // namespace perijove
