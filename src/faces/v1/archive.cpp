#include "faces/v1/archive.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "protocol/gzip.hpp"
#include "protocol/tar.hpp"

namespace perijove::v1 {
namespace {

using Kind = WorkDirEntry::Kind;

class Archive {
 public:
  Archive(std::shared_ptr<CodeSession> session, std::vector<WorkDirEntry> entries, bool zip)
      : session_(std::move(session)), entries_(std::move(entries)) {
    if (zip) gzip_ = std::make_unique<GzipWriter>();
  }

  std::string next() {
    if (!gzip_) return next_of_tar();
    std::string zipped;
    while (zipped.empty() && !zip_ended_) {
      const std::string bytes = next_of_tar();
      if (bytes.empty()) {
        gzip_->finish(zipped);
        zip_ended_ = true;
      } else {
        gzip_->write(bytes, zipped);
      }
    }
    return zipped;
  }

 private:
  // Empty at the end.
  std::string next_of_tar() {
    std::string bytes;
    while (bytes.size() < kPieceBytes && !tar_ended_) {
      if (left_ > 0) {
        append_file(bytes);
      } else if (next_ < entries_.size()) {
        begin_entry(entries_[next_++], bytes);
      } else {
        bytes.append(kTarEndBytes, '\0');
        tar_ended_ = true;
      }
    }
    return bytes;
  }

  void begin_entry(const WorkDirEntry& entry, std::string& bytes) {
    constexpr std::int64_t kNsPerSecond = 1'000'000'000;
    TarEntry head{.path = entry.path,
                  .is_directory = entry.kind == Kind::directory,
                  .size_bytes = entry.size_bytes,
                  .modified_s = entry.modified_ns / kNsPerSecond,
                  .mode = entry.mode};
    if (entry.kind == Kind::other) return;
    if (entry.kind == Kind::file) {
      auto file = session_->directory().open_file(entry.path);
      if (!file) return;
      file_ = *std::move(file);
      offset_ = 0;
      left_ = entry.size_bytes;
      padding_ = tar_padding(left_);
    }
    bytes += tar_header(head);
  }

  void append_file(std::string& bytes) {
    const std::uint64_t wanted = std::min<std::uint64_t>(left_, kPieceBytes);
    const auto read = read_at(file_, offset_, wanted);
    if (read) bytes += *read;
    const std::size_t got = read ? read->size() : 0;
    if (got < wanted) bytes.append(wanted - got, '\0');
    offset_ += wanted;
    left_ -= wanted;
    if (left_ == 0) bytes.append(padding_, '\0');
  }

  std::shared_ptr<CodeSession> session_;
  std::vector<WorkDirEntry> entries_;
  std::unique_ptr<GzipWriter> gzip_;
  std::size_t next_ = 0;  // of the entries
  FileDescriptor file_;
  std::uint64_t offset_ = 0;
  std::uint64_t left_ = 0;  // of the file
  std::size_t padding_ = 0;
  bool tar_ended_ = false;
  bool zip_ended_ = false;
};

}  // namespace

Result<PieceSource> archive_of(const std::shared_ptr<CodeSession>& session, const std::string& path,
                               bool zip) {
  auto entries = session->directory().list(path, true, limits::kArchivedFilesMax);
  if (!entries) return entries.error();
  const auto archive = std::make_shared<Archive>(session, *std::move(entries), zip);
  return PieceSource([archive]() -> Result<std::string> { return archive->next(); });
}

}  // namespace perijove::v1
