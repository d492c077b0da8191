#include "io/file_digests.hpp"

#include <sys/stat.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "base/time.hpp"
#include "io/work_dir.hpp"
#include "protocol/sha256.hpp"

namespace perijove {
namespace {

constexpr std::uint64_t kSliceBytes = std::uint64_t{1} << 20;
constexpr std::size_t kRememberedMax = 1000;

std::int64_t in_ns(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// What is another value when the contents are others.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  auto operator<=>(const Identity&) const = default;
};

std::optional<Identity> identity_of(const FileDescriptor& file) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return std::nullopt;
  return Identity{.device = info.st_dev,
                  .inode = info.st_ino,
                  .size = static_cast<std::uint64_t>(info.st_size),
                  .modified_ns = in_ns(info.st_mtim),
                  .changed_ns = in_ns(info.st_ctim)};
}

// Times of files have the grain of the system's tick: one that was changed just now may change
// again and look the same.
bool has_settled(const Identity& identity) {
  constexpr std::int64_t kGrainNs = 2'000'000'000;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() - identity.changed_ns >
         kGrainNs;
}

}  // namespace

struct FileDigests::Memory {
  std::map<Identity, std::string> digests;
  std::deque<Identity> order;  // the oldest is forgotten

  void remember(const Identity& identity, const std::string& digest) {
    if (!digests.emplace(identity, digest).second) return;
    order.push_back(identity);
    if (order.size() <= kRememberedMax) return;
    digests.erase(order.front());
    order.pop_front();
  }
};

class FileDigests::Reading : public std::enable_shared_from_this<Reading> {
 public:
  Reading(Shard& shard, std::weak_ptr<Memory> memory, Identity identity,
          std::shared_ptr<FileDescriptor> file, Done done)
      : shard_(shard),
        memory_(std::move(memory)),
        identity_(identity),
        file_(std::move(file)),
        done_(std::move(done)) {}

  void step() {
    const auto memory = memory_.lock();
    if (!memory) return;
    const auto bytes = read_at(*file_, read_, kSliceBytes);
    if (!bytes) {
      done_(bytes.error(), file_);
      return;
    }
    digest_.update(*bytes);
    read_ += bytes->size();
    if (!bytes->empty() && read_ < identity_.size) {
      boost::asio::post(shard_.loop(), [self = shared_from_this()] { self->step(); });
      return;
    }
    if (read_ != identity_.size || identity_of(*file_) != identity_) {
      done_(Error{Code::aborted, "the file was changed while it was read; try again"}, file_);
      return;
    }
    const std::string sha256 = digest_.hex();
    if (has_settled(identity_)) memory->remember(identity_, sha256);
    done_(FileDigest{sha256, identity_.size, identity_.modified_ns}, file_);
  }

 private:
  Shard& shard_;
  std::weak_ptr<Memory> memory_;
  Identity identity_;
  std::shared_ptr<FileDescriptor> file_;
  Done done_;
  Sha256 digest_;
  std::uint64_t read_ = 0;
};

FileDigests::FileDigests() : memory_(std::make_shared<Memory>()) {}

FileDigests::~FileDigests() = default;

void FileDigests::get(Shard& shard, FileDescriptor file, Done done) {
  const auto held = std::make_shared<FileDescriptor>(std::move(file));
  const auto identity = identity_of(*held);
  if (!identity) {
    done(Error{Code::unavailable, std::string("cannot look at a file: ") + std::strerror(errno)},
         held);
    return;
  }
  if (const auto known = memory_->digests.find(*identity); known != memory_->digests.end()) {
    done(FileDigest{known->second, identity->size, identity->modified_ns}, held);
    return;
  }
  std::make_shared<Reading>(shard, memory_, *identity, held, std::move(done))->step();
}

}  // namespace perijove
