#include "executor/output_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace perijove {

void OutputLog::append(ByteView text) {
  total_bytes_ += text.size();
  if (failed_ || directory_ == nullptr || text.empty()) return;
  if (!file_) {
    auto made = directory_->create_file(path_, 0600);
    failed_ = !made;
    if (failed_) return;
    file_ = *std::move(made);
  }
  text = text.substr(0, std::min<std::uint64_t>(text.size(), kBytesMax - kept_bytes_));
  while (!text.empty()) {
    const ssize_t wrote =
        ::pwrite(file_.get(), text.data(), text.size(), static_cast<off_t>(kept_bytes_));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      failed_ = true;  // the disk is full: what is there stays
      return;
    }
    kept_bytes_ += static_cast<std::uint64_t>(wrote);
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

Result<std::string> OutputLog::read(std::uint64_t offset, std::uint64_t length) const {
  if (!file_ || offset >= kept_bytes_) return std::string();
  return read_at(file_, offset, std::min(length, kept_bytes_ - offset));
}

}  // namespace perijove
