#include "code/result_json.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace perijove {
namespace {

using nlohmann::json;

template <typename T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

json or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json or_null(const std::optional<CodeError>& error) {
  return error ? to_json(*error) : json(nullptr);
}

json seconds_or_null(const std::optional<std::chrono::milliseconds>& time) {
  return time ? json(std::chrono::duration<double>(*time).count()) : json(nullptr);
}

json to_json(const SourceFrame& frame) {
  return {{"file", frame.file},
          {"line", frame.line > 0 ? json(frame.line) : json(nullptr)},
          {"function", or_null(frame.function)},
          {"code", or_null(frame.code)}};
}

void add_size_of_image(const OutputFile& file, json& entry) {
  if (file.width) entry["width"] = *file.width;
  if (file.height) entry["height"] = *file.height;
}

void add_cut(const char* name, const std::optional<Truncation>& cut, json& truncated) {
  if (cut) truncated[name] = {{"total_chars", cut->total_chars}, {"kept", cut->kept_chars}};
}

}  // namespace

json to_json(const CodeError& error) {
  json frames = json::array();
  for (const SourceFrame& frame : error.frames) frames.push_back(to_json(frame));
  return {{"type", error.type},
          {"message", error.message},
          {"block", or_null(error.block)},
          {"line", or_null(error.line)},
          {"column", or_null(error.column)},
          {"frames", std::move(frames)},
          {"traceback", error.traceback},
          {"hint", or_null(error.hint)}};
}

json to_json(const Recovery& recovery) {
  json failed = json::array();
  for (const NotSaved& each : recovery.failed) {
    failed.push_back({{"name", each.name}, {"reason", each.reason}});
  }
  return {{"checkpoint_id", recovery.checkpoint_id},
          {"created", recovery.created},
          {"executions_lost", recovery.executions_lost},
          {"restored", recovery.restored},
          {"failed", std::move(failed)}};
}

json to_json(const OutputFile& file) {
  const bool written = file.source == OutputFile::Source::written;
  json entry = {{"path", file.path},
                {"mime", file.mime_type},
                {"size", file.size_bytes},
                {"sha256", or_null(file.sha256)},
                {"source", written ? "written" : "display"},
                {"block", file.block}};
  if (written || !file.created) entry["change"] = file.created ? "created" : "changed";
  add_size_of_image(file, entry);
  return entry;
}

json to_json(const RichOutput& output, std::span<const OutputFile> files) {
  json mimes = json::object();
  for (const auto& [type, path] : output.files) {
    json& entry = mimes[type] = {{"file", path}};
    for (const OutputFile& file : files) {
      if (file.path != path) continue;
      entry["bytes"] = file.size_bytes;
      add_size_of_image(file, entry);
      break;
    }
  }
  for (const auto& [type, data] : output.inline_data) mimes[type]["data"] = data;
  for (const auto& [type, reason] : output.not_inline) mimes[type]["not_inline"] = reason;
  return {{"kind", output.is_result ? "execute_result" : "display"},
          {"text", output.text},
          {"mimes", std::move(mimes)},
          {"main", output.is_result}};
}

json to_json(const BlockResult& block, std::span<const OutputFile> files) {
  json results = json::array();
  for (const RichOutput& output : block.results) results.push_back(to_json(output, files));
  return {{"index", block.index},
          {"language", block.language},
          {"status", to_string(block.status)},
          {"exit_code", block.exit_code},
          {"execution_count", or_null(block.execution_count)},
          {"code_file", or_null(block.code_file)},
          {"stdout", block.stdout_text},
          {"stderr", block.stderr_text},
          {"output", block.output},
          {"duration_ms", block.duration.count()},
          {"results", std::move(results)},
          {"error", or_null(block.error)}};
}

json to_json(const CodeResult& result) {
  json blocks = json::array();
  for (const BlockResult& block : result.blocks) {
    blocks.push_back(to_json(block, result.output_files));
  }
  json files = json::array();
  for (const OutputFile& file : result.output_files) files.push_back(to_json(file));
  json truncated = json::object();
  add_cut("output", result.output_cut, truncated);
  add_cut("stdout", result.stdout_cut, truncated);
  add_cut("stderr", result.stderr_cut, truncated);
  json warnings = json::array();
  for (const std::string& warning : result.warnings) warnings.push_back({{"message", warning}});
  return {{"execution_id", result.execution_id},
          {"session_id", result.session_id},
          {"status", to_string(result.status)},
          {"exit_code", result.exit_code},
          {"output", result.output},
          {"stdout", result.stdout_text},
          {"stderr", result.stderr_text},
          {"blocks", std::move(blocks)},
          {"error", or_null(result.error)},
          {"output_files", std::move(files)},
          {"truncated", std::move(truncated)},
          {"timing",
           {{"queued_ms", result.queued.count()},
            {"exec_ms", result.duration.count()},
            {"total_ms", (result.queued + result.duration).count()}}},
          {"statistics",
           {{"profile", or_null(result.statistics.profile)},
            {"execution_s", std::chrono::duration<double>(result.duration).count()},
            {"memory_limit_bytes", or_null(result.statistics.memory_limit_bytes)},
            {"cpu_limit", or_null(result.statistics.cpu_limit)},
            {"timeout_s", seconds_or_null(result.statistics.timeout)},
            {"success", result.status == CodeStatus::ok}}},
          {"state",
           {{"kernel", result.kernel},
            {"kept", result.state_kept},
            {"generation", result.generation},
            {"restarted", result.restarted},
            {"checkpoint_before", or_null(result.checkpoint_before)},
            {"checkpoint_after", or_null(result.checkpoint_after)},
            {"recovered", result.recovered ? to_json(*result.recovered) : json()},
            {"cached", result.cached}}},
          {"warnings", std::move(warnings)},
          {"note", or_null(result.note)}};
}

}  // namespace perijove
