#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "io/file_descriptor.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// Users that kernels run as where the gateway is root: one for each work directory in use, so that
/// kernels of one session can share files and those of different sessions cannot. A lock in
/// `lock_dir` keeps two gateways of one machine from using the same; it dies with the process.
class UidPool {
 public:
  /// A user that is ours as long as this lives.
  struct Lease {
    uid_t uid = 0;
    FileDescriptor lock;
  };

  /// Users from `first` on, `count` of them. Their groups have the same numbers.
  UidPool(uid_t first, uid_t count, std::string lock_dir = "/run/perijove-uids");

  /// The lease of the directory that `directory` is open on; the same for all who hold one.
  /// `preferred` is taken when it is of the pool and free. Errors: resource_exhausted, unavailable.
  Result<std::shared_ptr<Lease>> lease(const FileDescriptor& directory,
                                       std::optional<uid_t> preferred);

  bool contains(uid_t uid) const { return uid >= first_ && uid - first_ < count_; }
  /// Whether nobody on this machine holds it.
  bool is_free(uid_t uid);

 private:
  /// nullptr when another holds it.
  Result<std::shared_ptr<Lease>> try_take(uid_t uid);

  uid_t first_;
  uid_t count_;
  std::string lock_dir_;
  uid_t next_ = 0;
  std::map<std::pair<dev_t, ino_t>, std::weak_ptr<Lease>> leases_;
};

}  // namespace perijove
