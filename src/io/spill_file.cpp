#include "io/spill_file.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "io/file_descriptor.hpp"

namespace perijove {
namespace {

class SpillFile final : public JournalStore {
 public:
  SpillFile(std::string directory, std::uint64_t bytes_max)
      : directory_(std::move(directory)), bytes_max_(bytes_max) {}

  std::optional<std::uint64_t> reserve(std::size_t size) override {
    if (end_ - released_ + size > bytes_max_) return std::nullopt;
    return std::exchange(end_, end_ + size);
  }

  bool write(std::uint64_t where, std::span<const ByteView> pieces) override {
    std::vector<iovec> left;
    std::size_t size = 0;
    for (const ByteView piece : pieces) {
      size += piece.size();
      if (!piece.empty()) left.push_back({const_cast<char*>(piece.data()), piece.size()});
    }
    if (open_file() && write_all(where, left)) return true;
    if (where + size == end_) end_ = where;  // the newest place is free again
    return false;
  }

  std::optional<std::string> read(std::uint64_t where, std::size_t size) override {
    std::string bytes(size, '\0');
    for (std::size_t at = 0; at < size;) {
      const ssize_t got =
          ::pread(file_.get(), bytes.data() + at, size - at, static_cast<off_t>(where + at));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        complain("cannot read back");
        return std::nullopt;
      }
      at += static_cast<std::size_t>(got);
    }
    return bytes;
  }

  void release_before(std::uint64_t where) override {
    // Whole mebibytes, so that a hole is not punched for every message.
    constexpr std::uint64_t kPiece = 1024 * 1024;
    const std::uint64_t upto = where / kPiece * kPiece;
    if (upto <= released_ || !file_) return;
    fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              static_cast<off_t>(released_), static_cast<off_t>(upto - released_));
    released_ = upto;
  }

  void clear() override {
    file_.reset();
    end_ = released_ = 0;
  }

 private:
  bool write_all(std::uint64_t where, std::span<iovec> left) {
    while (!left.empty()) {
      const auto count = std::min<std::size_t>(left.size(), IOV_MAX);
      const ssize_t wrote =
          ::pwritev(file_.get(), left.data(), static_cast<int>(count), static_cast<off_t>(where));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) {
        complain("cannot write");
        return false;
      }
      where += static_cast<std::uint64_t>(wrote);
      for (auto taken = static_cast<std::size_t>(wrote); taken > 0;) {
        iovec& front = left.front();
        const std::size_t part = std::min(taken, front.iov_len);
        front = {static_cast<char*>(front.iov_base) + part, front.iov_len - part};
        taken -= part;
        if (front.iov_len == 0) left = left.subspan(1);
      }
    }
    return true;
  }

  bool open_file() {
    if (file_) return true;
    file_.reset(::open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!file_) complain("cannot make a file");
    return static_cast<bool>(file_);
  }

  void complain(const char* what) {
    if (complained_) return;  // once: a full disk would say so for every message
    complained_ = true;
    log::error("journal_store_failed",
               {{"what", what}, {"directory", directory_}, {"reason", std::strerror(errno)}});
  }

  std::string directory_;
  std::uint64_t bytes_max_;
  FileDescriptor file_;
  std::uint64_t end_ = 0;
  std::uint64_t released_ = 0;
  bool complained_ = false;
};

}  // namespace

std::unique_ptr<JournalStore> make_spill_file(std::string directory, std::uint64_t bytes_max) {
  return std::make_unique<SpillFile>(std::move(directory), bytes_max);
}

}  // namespace perijove
