#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "faces/v1/archive.hpp"
#include "faces/v1/pieces.hpp"
#include "faces/v1/v1_face.hpp"
#include "net/http_conditions.hpp"
#include "net/multipart.hpp"
#include "protocol/mime.hpp"
#include "protocol/sha256.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;
using Kind = WorkDirEntry::Kind;

void file_problem(const CallPtr& call, const Error& error) {
  switch (error.code) {
    case Code::invalid_argument:
    case Code::permission_denied:
      problem(call, 403, "path_outside_work_dir", error.message);
      return;
    case Code::not_found:
      problem(call, 404, "file_not_found", error.message);
      return;
    case Code::resource_exhausted:
      problem(call, 413, "resource_exhausted", error.message);
      return;
    default:
      problem(call, error);
  }
}

void not_written(const CallPtr& call, const Error& error) {
  if (error.code == Code::resource_exhausted) {
    problem(call, 507, "disk_full", error.message,
            "the file is as it was before; remove others, or give sessions another work directory");
  } else {
    file_problem(call, error);
  }
}

// The path below `files`; nullopt, and 400, for one that no file system takes.
std::optional<std::string> path_below(const CallPtr& call, const PathParts& parts) {
  constexpr std::size_t kComponentBytesMax = 255;
  constexpr std::size_t kPathBytesMax = 4095;
  std::string path;
  bool sound = true;
  for (std::size_t i = 4; i < parts.size(); ++i) {
    if (parts[i].empty()) continue;
    sound = sound && parts[i].size() <= kComponentBytesMax;
    path += (path.empty() ? "" : "/") + parts[i];
  }
  if (sound && path.size() <= kPathBytesMax) return path;
  problem(call, 400, "validation_failed", "the path is longer than a file system takes");
  return std::nullopt;
}

WallTime wall_time(std::int64_t ns) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(ns)));
}

std::string etag_of(std::string_view etag) { return "\"" + std::string(etag) + "\""; }

// ---- reading ----

json to_json(const WorkDirEntry& entry) {
  const bool is_file = entry.kind == Kind::file;
  json value = {{"path", entry.path},
                {"type", is_file                         ? "file"
                         : entry.kind == Kind::directory ? "directory"
                                                         : "other"},
                {"modified", format_utc(wall_time(entry.modified_ns))}};
  if (is_file) {
    value["size"] = entry.size_bytes;
    value["mime"] = mime_type_of_file(entry.path);
  }
  return value;
}

void list(const CallPtr& call, const WorkDir& directory, const std::string& path) {
  const auto recursive = call->request().argument("recursive");
  const auto entries = directory.list(path, recursive == "1", limits::kListedFilesMax);
  if (!entries) {
    file_problem(call, entries.error());
    return;
  }
  json all = json::array();
  for (const WorkDirEntry& entry : *entries) all.push_back(to_json(entry));
  call->json(200, {{"path", path}, {"entries", all}});
}

// The answer of 200, 206, 304, 412 and 416 to a request for a file whose digest is known.
void send_file(const CallPtr& call, const std::string& path, const FileDigest& digest,
               const std::shared_ptr<FileDescriptor>& file) {
  const HttpRequest& request = call->request();
  const std::string_view if_match = request.header("If-Match");
  const std::string_view if_none_match = request.header("If-None-Match");
  HttpFields fields = {{"ETag", etag_of(digest.sha256)}, {"Cache-Control", "no-cache"}};
  if (!if_match.empty() && !names_etag(if_match, digest.sha256, false)) {
    problem(call, 412, "precondition_failed", "the file is not the one that If-Match names");
    return;
  }
  if (!if_none_match.empty() && names_etag(if_none_match, digest.sha256, true)) {
    call->empty(304, std::move(fields));
    return;
  }
  fields.emplace_back("Last-Modified", http_date(wall_time(digest.modified_ns)));
  fields.emplace_back("Accept-Ranges", "bytes");
  // Files come from code that nobody has vetted: no browser shows them as a page of this server.
  const std::string name = path.substr(path.rfind('/') + 1);
  fields.emplace_back("Content-Disposition",
                      "attachment; filename*=UTF-8''" + percent_encode_path(name));

  const std::string_view if_range = request.header("If-Range");
  RangeRequest range;
  if (request.method == "GET" && (if_range.empty() || names_etag(if_range, digest.sha256, false))) {
    range = read_range(request.header("Range"), digest.size_bytes);
  }
  std::uint64_t offset = 0;
  std::uint64_t left = digest.size_bytes;
  if (range.kind == RangeRequest::Kind::unsatisfiable) {
    fields.emplace_back("Content-Range", "bytes */" + std::to_string(digest.size_bytes));
    call->empty(416, std::move(fields));
    return;
  }
  const bool part = range.kind == RangeRequest::Kind::part;
  if (part) {
    offset = range.first;
    left = range.length;
    fields.emplace_back("Content-Range", "bytes " + std::to_string(offset) + "-" +
                                             std::to_string(offset + left - 1) + "/" +
                                             std::to_string(digest.size_bytes));
  }
  fields.emplace_back("Content-Length", std::to_string(left));
  respond_with_pieces(call, part ? 206 : 200, mime_type_of_file(path), std::move(fields),
                      [file, offset, left]() mutable -> Result<std::string> {
                        auto bytes =
                            read_at(*file, offset, std::min<std::uint64_t>(left, kPieceBytes));
                        if (bytes && bytes->empty() && left > 0) {
                          return Error{Code::data_loss, "the file was cut while it was sent"};
                        }
                        if (bytes) {
                          offset += bytes->size();
                          left -= bytes->size();
                        }
                        return bytes;
                      });
}

void get(V1Face& face, const std::shared_ptr<CodeSession>& session, const CallPtr& call,
         const std::string& path) {
  const WorkDir& directory = session->directory();
  if (path.empty() || call->request().argument("list") == "1") {
    list(call, directory, path);
    return;
  }
  const auto found = directory.stat(path);
  if (!found) {
    file_problem(call, found.error());
    return;
  }
  if (found->kind == Kind::directory) {
    problem(call, 409, "is_a_directory", "'" + path + "' is a directory",
            "?list=1 lists it, files:archive gets all that is in it");
    return;
  }
  auto file = directory.open_file(path);
  if (!file) {
    const bool denied = file.error().code == Code::permission_denied;
    denied ? problem(call, 403, "permission_denied", file.error().message)
           : file_problem(call, file.error());
    return;
  }
  face.digests().get(call->shard(), *std::move(file),
                     [call, path](const Result<FileDigest>& digest, const auto& opened) {
                       digest ? send_file(call, path, *digest, opened)
                              : problem(call, digest.error());
                     });
}

// ---- changing ----

// Calls `change` if the file at `path` is what If-Match and If-None-Match want it to be, else
// answers 412.
void if_unchanged(V1Face& face, const std::shared_ptr<CodeSession>& session, const CallPtr& call,
                  const std::string& path, std::function<void()> change) {
  const std::string_view if_match = call->request().header("If-Match");
  const std::string_view if_none_match = call->request().header("If-None-Match");
  if (if_match.empty() && if_none_match.empty()) {
    change();
    return;
  }
  const auto failed = [call] {
    problem(call, 412, "precondition_failed",
            "the file is not what If-Match or If-None-Match wants it to be",
            "get it again: somebody has changed it");
  };
  auto file = session->directory().open_file(path);
  if (!file) {
    if (file.error().code != Code::not_found) {
      file_problem(call, file.error());
    } else {
      if_match.empty() ? change() : failed();
    }
    return;
  }
  const auto before = session->directory().stat(path);
  face.digests().get(call->shard(), *std::move(file),
                     [session, call, path, before, failed, change = std::move(change)](
                         const Result<FileDigest>& digest, const auto& /*opened*/) {
                       if (!digest) {
                         problem(call, digest.error());
                         return;
                       }
                       const std::string_view match = call->request().header("If-Match");
                       const std::string_view none = call->request().header("If-None-Match");
                       // The digest may have taken several turns of the loop.
                       const auto now = session->directory().stat(path);
                       const bool same = before && now && now->inode == before->inode &&
                                         now->modified_ns == before->modified_ns &&
                                         now->size_bytes == digest->size_bytes;
                       if (!same || (!match.empty() && !names_etag(match, digest->sha256, false)) ||
                           (!none.empty() && names_etag(none, digest->sha256, true))) {
                         failed();
                       } else {
                         change();
                       }
                     });
}

void put(const std::shared_ptr<CodeSession>& session, const CallPtr& call,
         const std::string& path) {
  const WorkDir& directory = session->directory();
  const std::string& body = call->request().body;
  const bool existed = directory.stat(path).has_value();
  const auto written = directory.write(path, body);
  if (!written) {
    not_written(call, written.error());
    return;
  }
  call->empty(existed ? 204 : 201, {{"ETag", etag_of(sha256_hex(body))}});
}

void remove(const std::shared_ptr<CodeSession>& session, const CallPtr& call,
            const std::string& path) {
  const bool recursive = call->request().argument("recursive") == "1";
  const auto removed = session->directory().remove(path, recursive);
  if (removed) {
    call->empty(204);
  } else if (removed.error().code == Code::failed_precondition) {
    problem(call, 409, "directory_not_empty", removed.error().message,
            "?recursive=1 removes what is in it, too");
  } else {
    file_problem(call, removed.error());
  }
}

// What a browser or curl sends of forms: each file goes to ?path=DIRECTORY under its own name.
void upload(const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  const HttpRequest& request = call->request();
  const auto boundary = multipart_boundary(request.header("Content-Type"));
  if (!boundary) {
    problem(call, 415, "unsupported_media_type",
            "the body must be multipart/form-data with a boundary",
            "PUT /v1/sessions/{id}/files/{path} takes the bytes of one file");
    return;
  }
  const auto parts = parse_multipart(request.body, *boundary);
  if (!parts) {
    const bool too_many = parts.error().code == Code::resource_exhausted;
    problem(call, too_many ? 413 : 400, too_many ? "resource_exhausted" : "validation_failed",
            parts.error().message);
    return;
  }
  for (const MultipartPart& part : *parts) {
    if (part.file_name && !part.file_name->empty()) continue;
    problem(call, 400, "validation_failed",
            "the part '" + part.name + "' has no filename; nothing was written");
    return;
  }
  const std::string below = request.argument("path").value_or("");
  json files = json::array();
  for (const MultipartPart& part : *parts) {
    const std::string path = below.empty() ? *part.file_name : below + "/" + *part.file_name;
    const bool existed = session->directory().stat(path).has_value();
    const auto written = session->directory().write(path, part.bytes);
    if (!written) {
      not_written(call, written.error());
      return;
    }
    files.push_back({{"path", path},
                     {"size", part.bytes.size()},
                     {"sha256", sha256_hex(part.bytes)},
                     {"change", existed ? "changed" : "created"}});
  }
  call->json(201, {{"files", files}});
}

// ---- all of them at once ----

void archive(const std::shared_ptr<CodeSession>& session, const CallPtr& call) {
  const std::string format = call->request().argument("format").value_or("tar.gz");
  if (format != "tar.gz" && format != "tar") {
    problem(call, 400, "validation_failed", "format must be tar.gz or tar");
    return;
  }
  const bool zip = format == "tar.gz";
  auto source = archive_of(session, call->request().argument("path").value_or(""), zip);
  if (!source) {
    file_problem(call, source.error());
    return;
  }
  respond_with_pieces(
      call, 200, zip ? "application/gzip" : "application/x-tar",
      {{"Cache-Control", "no-cache"},
       {"Content-Disposition", "attachment; filename=\"" + session->id() + "." + format + "\""}},
      *std::move(source));
}

void handle_file(V1Face& face, const std::shared_ptr<CodeSession>& session, const CallPtr& call,
                 const std::string& path) {
  const std::string& method = call->request().method;
  if (method == "GET" || method == "HEAD") {
    get(face, session, call, path);
  } else {
    const auto change = method == "PUT" ? put : remove;
    if_unchanged(face, session, call, path,
                 [session, call, path, change] { change(session, call, path); });
  }
}

}  // namespace

bool handle_files(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() < 4 || path[1] != "sessions") return false;
  const bool uploads = path.size() == 4 && path[3] == "files:upload";
  const bool archives = path.size() == 4 && path[3] == "files:archive";
  if (!uploads && !archives && path[3] != "files") return false;
  const auto below = path_below(call, path);
  if (!below) return true;
  const char* const allowed = uploads                      ? "POST"
                              : archives || below->empty() ? "GET,HEAD"
                                                           : "GET,HEAD,PUT,DELETE";
  if (!method_is(call, allowed)) return true;
  const auto session = find_session(face, call, path);
  if (!session) return true;
  if (uploads) {
    upload(session, call);
  } else if (archives) {
    archive(session, call);
  } else {
    handle_file(face, session, call, *below);
  }
  return true;
}

}  // namespace perijove::v1
