#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/job_command.hpp"
#include "app/session_actions.hpp"
#include "app/table.hpp"
#include "io/work_dir.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::size_t kFileBytesMax = std::size_t{1} * 1024 * 1024 * 1024;

std::string file_path(const std::string& id, const std::string& path) {
  return session_path(id) + "/files" + (path.empty() ? "" : "/" + percent_encode_path(path));
}

// Where a file of the session goes: as named, into a directory that was named, or here.
fs::path download_target(const SessionFlags& flags) {
  const fs::path name = fs::path(flags.path).filename();
  if (flags.local.empty()) return name;
  std::error_code ignored;
  const fs::path local = flags.local;
  return local.has_filename() && !fs::is_directory(local, ignored) ? local : local / name;
}

}  // namespace

Result<int> list_session_files(const GatewayClient& client, const SessionFlags& flags,
                               Console& console) {
  const auto id = resolve_session(client, flags.id);
  if (!id) return id.error();
  const auto answer =
      ask_object(client, "GET",
                 file_path(*id, flags.path) + "?list=1" + (flags.recursive ? "&recursive=1" : ""));
  if (!answer) return answer.error();
  if (flags.as_json) {
    console.result(dump_json_pretty(*answer));
    return 0;
  }
  const json entries = answer->value("entries", json::array());
  if (entries.empty()) {
    console.note("no files");
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"SIZE", "MODIFIED", "PATH"}};
  for (const json& entry : entries) {
    const bool directory = json_text(entry, "type") == "directory";
    rows.push_back({directory ? "-" : std::to_string(entry.value("size", std::uint64_t{0})),
                    json_text(entry, "modified").substr(0, 19),
                    json_text(entry, "path") + (directory ? "/" : "")});
  }
  console.result(format_table(rows));
  return 0;
}

Result<int> get_session_file(const GatewayClient& client, const SessionFlags& flags,
                             Console& console) {
  const auto id = resolve_session(client, flags.id);
  if (!id) return id.error();
  HttpCall call;
  call.path = file_path(*id, flags.path);
  if (flags.local == "-") {
    call.on_body = [&console](std::string_view piece) {
      console.print(piece);
      return !console.broken();
    };
    const auto answer = client.ask(std::move(call));
    if (!answer) return answer.error();
    return 0;
  }
  call.body_bytes_max = kFileBytesMax;
  const auto bytes = client.ask(std::move(call));
  if (!bytes) return bytes.error();
  const fs::path target = download_target(flags);
  const auto written = write_file_atomically(target, *bytes);
  if (!written) return written.error();
  if (flags.as_json) {
    console.result(dump_json_pretty({{"path", target.string()}, {"size", bytes->size()}}));
  } else {
    console.note(target.string() + " (" + std::to_string(bytes->size()) + " bytes)");
  }
  return 0;
}

Result<int> put_session_file(const GatewayClient& client, const SessionFlags& flags,
                             Console& console) {
  std::string remote = flags.path;
  if (remote.empty() && flags.local == "-") {
    return Error{Code::invalid_argument, "say what the file is to be called: put ID - PATH"};
  }
  const std::string name = fs::path(flags.local).filename();
  if (remote.empty()) remote = name;
  if (remote.ends_with('/')) remote += name;
  auto bytes = read_input_file(flags.local, kFileBytesMax);
  if (!bytes) return bytes.error();
  const auto id = resolve_session(client, flags.id);
  if (!id) return id.error();
  const std::size_t size = bytes->size();
  HttpCall call;
  call.method = "PUT";
  call.path = file_path(*id, remote);
  call.body = *std::move(bytes);
  call.content_type = "application/octet-stream";
  const auto answer = client.ask(std::move(call));
  if (!answer) return answer.error();
  if (flags.as_json) {
    console.result(dump_json_pretty({{"path", remote}, {"size", size}}));
  } else {
    console.note(remote + " (" + std::to_string(size) + " bytes)");
  }
  return 0;
}

}  // namespace perijove
