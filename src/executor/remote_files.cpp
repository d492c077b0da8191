#include "executor/remote_files.hpp"

#include <utility>
#include <vector>

#include "protocol/sha256.hpp"
#include "protocol/tar.hpp"
#include "protocol/tar_reader.hpp"

namespace perijove {
namespace {

constexpr std::size_t kFilesMax = 10'000;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

Error too_much() {
  return {
      Code::resource_exhausted,
      "the kernel's work directory holds more than " +
          std::to_string(RemoteFiles::kAllBytesMax >> 20) +
          " MiB, and it is copied after each block: what is beyond that stays in the container"};
}

}  // namespace

RemoteFiles::Seen RemoteFiles::seen(const WorkDirEntry& entry) {
  return {entry.size_bytes, entry.modified_ns, entry.inode};
}

void RemoteFiles::push(Done done) {
  const auto entries = directory_.list("", true, kFilesMax);
  if (!entries) {
    done(entries.error());
    return;
  }
  forget_removed(*entries);
  const FileOwner owner = place_->file_owner();
  std::string tar;
  std::vector<std::pair<std::string, Seen>> carried;
  std::map<std::string, std::string> digests;
  for (const WorkDirEntry& entry : *entries) {
    const bool directory = entry.kind == WorkDirEntry::Kind::directory;
    if (!directory && entry.kind != WorkDirEntry::Kind::file) continue;
    const auto known = here_.find(entry.path);
    // A directory changes with what is in it; that it is there is enough.
    if (known != here_.end() && (directory || known->second == seen(entry))) continue;
    std::string bytes;
    if (!directory) {
      if (entry.size_bytes > kFileBytesMax) continue;
      auto read = directory_.read(entry.path);
      if (!read) continue;  // it went meanwhile
      bytes = *std::move(read);
      digests[entry.path] = sha256_hex(bytes);
    }
    if (tar.size() + bytes.size() > kAllBytesMax) {
      done(too_much());
      return;
    }
    tar += tar_header({.path = entry.path,
                       .is_directory = directory,
                       .size_bytes = bytes.size(),
                       .modified_s = entry.modified_ns / kNsPerSecond,
                       .mode = entry.mode,
                       .uid = owner.uid,
                       .gid = owner.gid});
    tar += bytes;
    tar.append(tar_padding(bytes.size()), '\0');
    carried.emplace_back(entry.path, seen(entry));
  }
  if (carried.empty()) {
    done({});
    return;
  }
  tar.append(kTarEndBytes, '\0');
  place_->put_files(std::move(tar),
                    [this, alive = std::weak_ptr(alive_), carried, digests = std::move(digests),
                     done = std::move(done)](const Result<void>& put) {
                      if (alive.expired()) return;
                      if (put) {
                        for (const auto& [path, what] : carried) here_[path] = what;
                        for (const auto& [path, digest] : digests) there_[path] = digest;
                      }
                      done(put);
                    });
}

// What was removed here is removed there, while the block runs: its code knows of no such file.
// What it was stays known, so that it does not come back meanwhile.
void RemoteFiles::forget_removed(const std::vector<WorkDirEntry>& entries) {
  std::map<std::string, bool> present;
  for (const WorkDirEntry& entry : entries) present[entry.path] = true;
  PlacedCommand remove{.argv = {"rm", "-rf", "--"}, .env = {}};
  for (auto known = here_.begin(); known != here_.end();) {
    if (present.contains(known->first)) {
      ++known;
      continue;
    }
    remove.argv.push_back(known->first);
    known = here_.erase(known);
  }
  constexpr std::size_t kOptions = 3;
  if (remove.argv.size() == kOptions) return;
  PlacedCommandEvents events;
  events.on_end = [](const Result<int>&) {};
  removing_ = place_->run(std::move(remove), std::move(events));
}

// What comes of one archive, file by file.
class RemoteFiles::Unpacking {
 public:
  explicit Unpacking(RemoteFiles& files)
      : files_(files),
        reader_({.on_entry = [this](const TarEntry& entry) { begin(entry); },
                 .on_bytes =
                     [this](std::string_view bytes) {
                       if (wanted_) bytes_ += bytes;
                     },
                 .on_end = [this] { write(); }}) {}

  void feed(std::string_view bytes) {
    total_ += bytes.size();
    if (total_ > kAllBytesMax) return;
    if (!reader_.feed(bytes)) sound_ = false;
  }

  Result<void> finish() {
    if (total_ > kAllBytesMax) return too_much();
    if (!sound_ || !reader_.at_boundary()) {
      return Error{Code::data_loss, "the archive of the kernel's work directory cannot be read"};
    }
    files_.remove_gone(there_);
    return failure_;
  }

 private:
  void begin(const TarEntry& entry) {
    // The directory that the gateway keeps its own in has its name on both sides.
    const bool ours = entry.path.starts_with(".perijove");
    there_[entry.path] = true;
    wanted_ = !ours && !entry.is_directory && entry.size_bytes <= kFileBytesMax;
    entry_ = entry;
    bytes_.clear();
  }

  void write() {
    if (!wanted_) return;
    std::string digest = sha256_hex(bytes_);
    const auto known = files_.there_.find(entry_.path);
    if (known != files_.there_.end() && known->second == digest) return;
    const WorkDir& directory = files_.directory_;
    // Never a program for others, nor one that is another user's.
    constexpr std::uint32_t kRunnable = 0111;
    const auto written =
        directory.write(entry_.path, bytes_, (entry_.mode & kRunnable) != 0 ? 0777 : 0666);
    if (!written) {
      if (failure_) failure_ = written.error();
      return;
    }
    files_.there_[entry_.path] = std::move(digest);
    if (const auto entry = directory.stat(entry_.path)) {
      files_.here_[entry_.path] = seen(*entry);
    }
  }

  RemoteFiles& files_;
  TarReader reader_;
  TarEntry entry_;
  std::string bytes_;
  bool wanted_ = false;
  bool sound_ = true;
  std::uint64_t total_ = 0;
  Result<void> failure_;
  std::map<std::string, bool> there_;
};

void RemoteFiles::pull(Done done) {
  const auto unpacking = std::make_shared<Unpacking>(*this);
  const std::weak_ptr alive(alive_);
  pulling_ = place_->get_files(
      [unpacking, alive](std::string_view bytes) {
        if (!alive.expired()) unpacking->feed(bytes);
      },
      [this, unpacking, alive, done = std::move(done)](const Result<void>& got) {
        if (alive.expired()) return;
        const auto ended = std::exchange(pulling_, nullptr);  // to the end of this call
        done(got ? unpacking->finish() : got);
      });
}

// What the kernel has removed, unless it was changed here meanwhile.
void RemoteFiles::remove_gone(const std::map<std::string, bool>& there) {
  for (auto known = there_.begin(); known != there_.end();) {
    const auto here = here_.find(known->first);
    if (there.contains(known->first) || here == here_.end()) {
      ++known;
      continue;
    }
    const auto now = directory_.stat(known->first);
    if (now && seen(*now) == here->second) (void)directory_.remove(known->first);
    here_.erase(here);
    known = there_.erase(known);
  }
}

}  // namespace perijove
