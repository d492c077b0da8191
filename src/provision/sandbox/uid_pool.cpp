#include "provision/sandbox/uid_pool.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace perijove {

UidPool::UidPool(uid_t first, uid_t count, std::string lock_dir)
    : first_(first), count_(count), lock_dir_(std::move(lock_dir)) {}

Result<std::shared_ptr<UidPool::Lease>> UidPool::try_take(uid_t uid) {
  const auto cannot = [](const std::string& path) {
    return Error{Code::unavailable,
                 "cannot reserve a user for a sandbox: " + path + ": " + std::strerror(errno)};
  };
  if (mkdir(lock_dir_.c_str(), 0700) != 0 && errno != EEXIST) return cannot(lock_dir_);
  const std::string path = lock_dir_ + "/" + std::to_string(uid);
  auto lease = std::make_shared<Lease>();
  lease->uid = uid;
  lease->lock.reset(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lease->lock) return cannot(path);
  if (flock(lease->lock.get(), LOCK_EX | LOCK_NB) != 0) return std::shared_ptr<Lease>();
  return lease;
}

bool UidPool::is_free(uid_t uid) {
  const auto taken = try_take(uid);
  return taken && *taken != nullptr;
}

Result<std::shared_ptr<UidPool::Lease>> UidPool::lease(const FileDescriptor& directory,
                                                       std::optional<uid_t> preferred) {
  struct stat status {};
  if (fstat(directory.get(), &status) != 0) {
    return Error{Code::unavailable, std::string("work directory: ") + std::strerror(errno)};
  }
  std::weak_ptr<Lease>& held = leases_[{status.st_dev, status.st_ino}];
  if (auto lease = held.lock()) return lease;
  std::erase_if(leases_, [&](const auto& each) {
    return each.second.expired() && each.first != std::pair(status.st_dev, status.st_ino);
  });
  for (uid_t tries = 0; tries <= count_; ++tries) {
    const bool wanted = tries == 0 && preferred && contains(*preferred);
    if (tries == 0 && !wanted) continue;
    const uid_t uid = wanted ? *preferred : first_ + next_++ % count_;
    auto taken = try_take(uid);
    if (!taken) return taken.error();
    if (*taken == nullptr) continue;
    held = *taken;
    return *taken;
  }
  return Error{Code::resource_exhausted,
               "all " + std::to_string(count_) +
                   " users for sandboxes are in use; end sessions, or give the gateway more"};
}

}  // namespace perijove
